"""One training: steps, validations, the best weights, and resuming after an interruption."""

import math
import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm

from sotlib.companion.checkpoints import save_checkpoint
from sotlib.companion.experiments.state import copied_weights, load_state, save_state

SELECT = "lsd_mean_square"  # the metric of which the lowest validation value is the best


class TrainingDiverged(RuntimeError):
    """The loss of a training is no longer finite."""


class Stopped(Exception):
    """A run is asked to stop: raised by its `progress`, and again when its state is saved."""


class Training:
    """Train a model until its limits, from the last checkpoint if there is one.

    Parameters
    ----------
    model : nn.Module
        Called as ``model(features, generator=...)``; its output has the attribute ``sound``.
    compare : nn.Module
        ``compare.targets(signals)`` prepares tensors whose first axis is the signals';
        ``compare(sound, targets)`` is the loss of a batch.
    data : dict
        The folds ``train``, ``validation`` and ``test``, with ``signals`` and ``features``.
    evaluate : callable
        ``evaluate(model, fold)`` gives metrics and further observations as dicts.
    limits : Budget
        Of the experiment.
    seed : int
        Of dropout.
    checkpoint : path
        Where the state is kept while the training goes on.
    identity : dict
        What the checkpoint must agree with.
    amplitudes_first : int, default 0
        Steps at the beginning in which only ``encoder.to_amplitudes`` is trained.
    """

    def __init__(
        self,
        *,
        model,
        compare,
        data,
        evaluate,
        limits,
        seed,
        checkpoint,
        identity,
        amplitudes_first=0,
    ):
        self.model, self.compare, self.data, self.evaluate = model, compare, data, evaluate
        self.limits, self.amplitudes_first = limits, amplitudes_first
        self.path, self.identity = Path(checkpoint), identity
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=limits.learning_rate, weight_decay=1e-4
        )
        self.seed, device = seed, next(model.parameters()).device
        self.generator = torch.Generator(device=device).manual_seed(seed)
        self.devices = [[device.type, 0]]  # and the steps from which on they were used
        self.step, self.curve, self.best, self.seconds = 0, [], {}, 0.0
        self.losses, self.unread = [], []

    def run(self, progress=None):
        """Train, and return the curve and the test metrics of the best weights."""
        self._resume()
        signals, features = self.data["train"].signals, self.data["train"].features
        targets = self.compare.targets(signals)
        batches = list(range(0, len(signals), self.limits.batch))
        interval = self.limits.epochs_between_validations * len(batches)
        started = time.monotonic() - self.seconds
        if not self.curve:
            self._validate()
        while self.step < self.limits.steps:
            # In a fixed order: the public code does not shuffle.
            start = batches[self.step % len(batches)]
            part = slice(start, start + self.limits.batch)
            try:
                self._train_on(features[part], [t[part] for t in targets])
            except ValueError:  # a check that a diverged model does not pass
                self._read_losses()
                raise
            due = self.step % interval == 0 or self.step == self.limits.steps
            if due:
                self._validate()
            stopped = stopping(progress, self.step)
            if due or stopped:
                self.seconds = time.monotonic() - started
                self._save()
            if stopped:
                raise stopped
        last, _ = self._test()
        self.model.encoder.load_state_dict(self.best["weights"])
        test, observed = self._test()
        return {
            "test": test,
            "test_f0_ratio": observed["f0_ratio"],
            "test_of_last_step": last,
            "best_step": self.best["step"],
            "curve": self.curve,
        }

    def save_best(self, path, numbers):
        """Write the best weights."""
        save_checkpoint(path, self.best["weights"], numbers | {"step": self.best["step"]})

    def forget(self):
        """Remove the checkpoint: the training is finished and recorded."""
        self.path.unlink(missing_ok=True)

    def _train_on(self, features, targets):
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.compare(self.model(features, generator=self.generator).sound, targets)
        loss.backward()
        self.unread.append(loss.detach())
        if self.step < self.amplitudes_first:
            for name, parameter in self.model.encoder.named_parameters():
                if not name.startswith("to_amplitudes."):
                    parameter.grad = None  # which Adam passes over
        if self.limits.decay:
            fall = 0.5 + 0.5 * math.cos(math.pi * self.step / self.limits.steps)
            self.optimizer.param_groups[0]["lr"] = self.limits.learning_rate * fall
        self.optimizer.step()
        self.step += 1

    def _read_losses(self):
        """Losses as numbers. Not one by one: a GPU would be waited for at each step."""
        values = torch.stack(self.unread).tolist() if self.unread else []
        first = self.step - len(values)
        self.losses, self.unread = self.losses + values, []
        for number, value in enumerate(values):
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"{self.identity}: the loss is {value} at step {first + number}. A lower "
                    "learning rate may help; the last checkpoint holds an earlier state."
                )

    def _validate(self):
        self._read_losses()
        self.model.eval()
        metrics, observed = self.evaluate(self.model, self.data["validation"])
        mean = sum(self.losses) / len(self.losses) if self.losses else None
        self.curve.append({"step": self.step, "loss": mean, **metrics, **observed})
        self.losses = []
        if not self.best or metrics[SELECT] < self.best["value"]:
            weights = copied_weights(self.model.encoder)
            self.best = {"step": self.step, "value": metrics[SELECT], "weights": weights}

    def _test(self):
        self.model.eval()
        return self.evaluate(self.model, self.data["test"])

    def _save(self):
        self._read_losses()
        numbers = {
            "identity": self.identity,
            "step": self.step,
            "curve": self.curve,
            "losses": self.losses,
            "seconds": self.seconds,
            "devices": self.devices,
        }
        state = self.model.encoder, self.best, self.optimizer, numbers
        save_state(self.path, *state, generator=self.generator.get_state())

    def _resume(self):
        found = load_state(self.path, self.model.encoder, self.optimizer, self.identity)
        if found is not None:
            self.best, numbers, tensors = found
            self.step, self.curve = numbers["step"], numbers["curve"]
            self.losses = numbers.get("losses", [])  # the first checkpoints were of validations
            self.seconds = numbers["seconds"]
            self._resume_dropout(numbers.get("devices", self.devices), tensors["generator"])

    def _resume_dropout(self, devices, state):
        """Go on with the random numbers, or with new ones where the device is another one."""
        ((here, _),) = self.devices
        self.devices = devices
        if devices[-1][0] == here:
            self.generator.set_state(state)
            return
        self.generator.manual_seed(self.seed + (self.step << 32))
        self.devices = [*devices, [here, self.step]]
        tqdm.write(
            f"{self.path} was written on {devices[-1][0]} and goes on on {here}, which has other "
            "random numbers: the dropout from here on is not that of an uninterrupted run",
            file=sys.stderr,
        )


def stopping(progress, done):
    """Report what is done; returns a `Stopped` that this raises, so that the state can be saved."""
    try:
        if progress is not None:
            progress(done)
    except Stopped as stopped:
        return stopped
    return None
