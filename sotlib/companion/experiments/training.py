"""What the papers' trainings have in common: a state that outlives them, and the best weights."""

import math
import sys
from pathlib import Path

from tqdm import tqdm

from sotlib.companion.checkpoints import AGAIN, CheckpointError, load_checkpoint, save_checkpoint
from sotlib.companion.files import put_aside


class TrainingDiverged(RuntimeError):
    """The loss of a training is no longer finite."""


class Stopped(Exception):
    """A run is asked to stop: raised by its `progress`, and again when its state is saved."""


class Training:
    """A training that goes on from its last checkpoint, if there is one.

    Parameters
    ----------
    module : nn.Module
        Whose weights are kept.
    optimizer : torch.optim.Adam
        Of its parameters.
    checkpoint : path
        Where the state is kept while the training goes on.
    identity : dict
        What the checkpoint must agree with.

    Attributes
    ----------
    best : dict
        The best weights so far under ``weights``, their validation ``value`` and when that was;
        empty before there are any.
    curve : list of dict
        What the validations found.
    unit : str
        What the training counts: so its checkpoints and the entries of the curve call it.
    keeps : tuple of str
        Numbers and tensors that it gives to `save` besides.
    """

    unit: str
    keeps: tuple[str, ...]

    def __init__(self, module, optimizer, *, checkpoint, identity):
        self.module, self.optimizer = module, optimizer
        self.path, self.identity = Path(checkpoint), identity
        self.device = next(module.parameters()).device
        self.best, self.curve = {}, []

    def save_best(self, path, numbers):
        """Write the best weights, and numbers beside when they were reached."""
        reached = {k: v for k, v in self.best.items() if k not in ("weights", "value")}
        save_checkpoint(path, self.best["weights"], numbers | reached)

    def keep_best(self, value, **reached):
        """Keep the weights as they are now where no validation value was as low."""
        self.best = self.better(self.best, value, **reached)

    def better(self, best, value, **reached):
        """`best`, or the weights as they are now with a `value` that is lower."""
        if best and value >= best["value"]:
            return best
        weights = {k: v.detach().clone() for k, v in self.module.state_dict().items()}
        return {**reached, "value": value, "weights": weights}

    def save(self, numbers, **tensors):
        """Write the state: weights, the best weights, the optimiser, and what is given."""
        tensors |= _with("weights.", self.module.state_dict())
        tensors |= _with("best.", self.best.get("weights", {}))
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= _with(f"adam.{index}.", state)
        best = {k: v for k, v in self.best.items() if k != "weights"}
        shared = {"identity": self.identity, "curve": self.curve, "best": best}
        save_checkpoint(self.path, tensors, shared | numbers)

    def resume(self):
        """Take up what `save` wrote; returns the numbers and tensors, or None.

        A checkpoint that is damaged or of another run is reported and put aside; one of another
        kind is a CheckpointError.
        """
        try:
            tensors, numbers = load_checkpoint(self.path)
        except FileNotFoundError:
            return None
        except CheckpointError as error:
            return self._start_again(f"{error}. It is put aside, and this run starts again")
        identity = numbers.get("identity")
        if isinstance(identity, dict):
            if named := identity.pop("device", None):  # where the first checkpoints had it
                numbers.setdefault("devices", [[named.partition(":")[0], 0]])
            if identity != self.identity:
                return self._start_again(
                    f"the checkpoint {self.path} is of another run: it is put aside, and this one "
                    "starts again"
                )
        if identity is None or not self._fits(tensors, numbers):
            raise CheckpointError(
                f"the checkpoint {self.path} is intact, but not a state of this training; {AGAIN}"
            )
        self.module.load_state_dict(_under("weights.", tensors))
        state = self.optimizer.state_dict()
        for name, value in _under("adam.", tensors).items():
            index, key = name.split(".")
            state["state"].setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict(state)
        self.curve = numbers["curve"]
        self.best = numbers["best"] and numbers["best"] | {"weights": _under("best.", tensors)}
        return numbers, tensors

    def _start_again(self, message):
        tqdm.write(message, file=sys.stderr)
        put_aside(self.path)

    def _fits(self, tensors, numbers):
        """Whether a checkpoint has what `save` writes."""
        try:
            done = [entry[self.unit] for entry in numbers["curve"]]
            # From the untrained model on, validation by validation, none later than the state.
            if done[:1] != [0] or done != sorted(set(done)) or done[-1] > numbers[self.unit]:
                return False
        except (KeyError, TypeError):
            return False
        weights = {name: t.shape for name, t in self.module.state_dict().items()}
        moments = {str(k): t.shape for k, t in enumerate(self.module.parameters())}
        found = {name: t.shape for name, t in tensors.items()}
        adam = [(*name.split("."), shape) for name, shape in _under("adam.", found).items()]
        return (
            isinstance(numbers.get("best"), dict)
            and {*self.keeps} <= numbers.keys() | tensors.keys()
            and _under("weights.", found) == weights
            and _under("best.", found) == (weights if numbers["best"] else {})
            and all(key == "step" or moments.get(k) == shape for k, key, shape in adam)
        )

    def check_loss(self, value, where):
        """Raise TrainingDiverged where a loss is not finite."""
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"{self.identity}: the loss is {value} {where}. A lower learning rate may help; "
                "the last checkpoint holds an earlier state."
            )

    def say_other_device(self, before):
        """Say that random numbers are not those that they would have been."""
        tqdm.write(
            f"{self.path} was written on {before} and goes on on {self.device.type}, which has "
            "other random numbers: the dropouts are not those of an uninterrupted run",
            file=sys.stderr,
        )


def load_best(path, make):
    """A model for evaluation, from what `save_best` wrote.

    `make` is told the numbers and returns the model, and the part of it that was trained.
    """
    weights, numbers = load_checkpoint(path)
    try:
        numbers["row"], numbers["seed"]
        model, module = make(numbers)
        module.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError):
        raise CheckpointError(
            f"the checkpoint {path} is intact, but has not the weights of this model: give one "
            "that a run of this experiment wrote beside its record"
        ) from None
    return model.eval()


def stopping(progress, done):
    """Report what is done; returns a `Stopped` that this raises, so that the state can be saved."""
    try:
        if progress is not None:
            progress(done)
    except Stopped as stopped:
        return stopped
    return None


def _with(prefix, tensors):
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def _under(prefix, tensors):
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
