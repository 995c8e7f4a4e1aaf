"""What trainings keep in a checkpoint: weights, the best weights, the optimiser, and numbers."""

import sys
from pathlib import Path

from tqdm import tqdm

from sotlib.companion.checkpoints import CheckpointError, load_checkpoint, save_checkpoint


def save_state(path, module, best, optimizer, numbers, **more):
    """Write the state of a training.

    Parameters
    ----------
    path : path
        Of the checkpoint.
    module : nn.Module
        What is trained.
    best : dict
        The best weights so far under ``weights``, and numbers; empty before there are any.
    optimizer : torch.optim.Adam
        Of its parameters.
    numbers : dict
        Whatever else JSON holds; ``identity`` says which training this is.
    **more : Tensor
        Further tensors.
    """
    tensors = {f"weights.{k}": v for k, v in module.state_dict().items()} | more
    tensors |= {f"best.{k}": v for k, v in best.get("weights", {}).items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{key}": value for key, value in state.items()}
    numbers = numbers | {"best": {k: v for k, v in best.items() if k != "weights"}}
    save_checkpoint(path, tensors, numbers)


def load_state(path, module, optimizer, identity):
    """Take a training up again: sets module and optimiser.

    Returns
    -------
    tuple of dict, or None
        ``best``, the numbers and all tensors; None where there is no checkpoint of this training.
        One that is damaged or of another training is reported and left aside.
    """
    try:
        tensors, numbers = load_checkpoint(path)
    except FileNotFoundError:
        return None
    except CheckpointError as error:
        tqdm.write(f"{error}: this run starts again", file=sys.stderr)
        return None
    if named := numbers["identity"].pop("device", None):  # where the first checkpoints had it
        numbers.setdefault("devices", [[named.partition(":")[0], 0]])
    if numbers["identity"] != identity:
        message = f"the checkpoint {Path(path)} is of another run: this one starts again"
        tqdm.write(message, file=sys.stderr)
        return None
    module.load_state_dict(_under("weights.", tensors))
    state = optimizer.state_dict()
    for name, value in _under("adam.", tensors).items():
        index, key = name.split(".")
        state["state"].setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(state)
    best = numbers["best"] and numbers["best"] | {"weights": _under("best.", tensors)}
    return best, numbers, tensors


def copied_weights(module):
    """Weights as they are now."""
    return {k: v.detach().clone() for k, v in module.state_dict().items()}


def _under(prefix, tensors):
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
