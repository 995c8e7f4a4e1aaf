"""Training of a sound matcher: epochs of a number of sounds, damping, the best weights, resuming.

Every epoch starts from random numbers of its own, drawn from the run's seed and the epoch's number.
So a state between epochs needs none of them; one within an epoch, where a training was asked to
stop, holds torch's.
"""

import time

import numpy as np
import torch

from sotlib.companion.experiments.pnp.evaluation import errors, predict, validate
from sotlib.companion.experiments.training import Training, stopping


class MatchingTraining(Training):
    """Train a `SoundMatcher` until its limits, a `Budget`, by an objective.

    Where the objective has ``damping``, that is told the validation loss of every epoch. What
    becomes of the test fold stands in the curve and decides nothing. The seed is that of the order
    of sounds and of the dropouts.
    """

    unit, keeps = "epoch", ("timing", "damping")

    def __init__(self, *, model, objective, folds, limits, batch, seed, **options):
        optimizer = torch.optim.Adam(model.parameters(), lr=limits.learning_rate)
        super().__init__(model, optimizer, **options)
        self.model, self.objective, self.folds = model, objective, folds
        self.limits, self.batch, self.seed = limits, batch, seed
        self.epoch = 0
        self.timing: dict[str, list[float]] = {"training": [], "validation": []}
        self.within = None  # what is done of the epoch in which a training was stopped

    def run(self, progress=None):
        """Train; the model has the best weights afterwards. Returns the curve."""
        self._resume()
        if not self.curve:
            self._validate(None)
        while self.epoch < self.limits.epochs:
            started = time.monotonic() - (self.within["seconds"] if self.within else 0.0)
            damping = self._damping()
            loss = self._train_epoch(progress, started)
            self.timing["training"].append(round(time.monotonic() - started, 3))
            self.epoch += 1
            self._validate({"loss": loss, **damping})
            self._save()
            if progress is not None:
                progress(self.epoch * self.limits.epoch_sounds)
        self.model.load_state_dict(self.best["weights"])
        return self.curve

    def _train_epoch(self, progress, started):
        fold, limits = self.folds["train"], self.limits
        drawn = np.random.default_rng([self.seed, self.epoch])
        passes = -(-limits.epoch_sounds // len(fold))
        orders = [drawn.permutation(len(fold)) for _ in range(passes)]
        order = torch.from_numpy(np.concatenate(orders)[: limits.epoch_sounds]).to(self.device)
        cuda = [self.device] if self.device.type == "cuda" else []
        self.model.train()
        self.objective.train()
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(int(drawn.integers(2**62)))
            done, total = self._take_up()
            while done < len(order):
                indices = order[done : done + self.batch]
                total += self._step(fold, indices) * len(indices)
                done += len(indices)
                stopped = stopping(progress, self.epoch * limits.epoch_sounds + done)
                if stopped:
                    seconds = time.monotonic() - started
                    within = {"done": done, "total": total, "seconds": seconds}
                    self._save(
                        within | {"device": self.device.type}, state=self._random.get_state()
                    )
                    raise stopped
        return total / limits.epoch_sounds

    @property
    def _random(self):
        """The generator that the dropouts draw from: torch's own, of the device."""
        if self.device.type != "cuda":
            return torch.default_generator
        torch.cuda.init()
        return torch.cuda.default_generators[self.device.index or 0]

    def _take_up(self):
        """Sounds that are done of the epoch, and the sum of their losses."""
        if self.within is None:
            return 0, 0.0
        within, self.within = self.within, None
        if within["device"] == self.device.type:
            self._random.set_state(within["state"])
        else:
            torch.manual_seed(torch.initial_seed() ^ within["done"])
            self.say_other_device(within["device"])
        return within["done"], within["total"]

    def _step(self, fold, indices):
        self.optimizer.zero_grad(set_to_none=True)
        given = self.model.given
        known = None if given is None else fold.scaled[indices, given]
        loss = self.objective(self.model(fold.spectra[indices], known), fold, indices)
        loss.backward()
        value = loss.item()
        self.check_loss(value, f"in epoch {self.epoch}")
        self.optimizer.step()
        return value

    def _validate(self, trained):
        started = time.monotonic()
        fold = self.folds["validation"]
        values = validate(predict(self.model, fold), fold, self.objective)
        self.timing["validation"].append(round(time.monotonic() - started, 3))
        values["test"] = errors(predict(self.model, self.folds["test"]), self.folds["test"])
        self.curve.append({"epoch": self.epoch, **(trained or {}), **values})
        if not trained:
            # Not a candidate: untrained, it says the middle of all ranges, where validation lies.
            return
        if hasattr(self.objective, "damping"):
            self.objective.damping.step(values["validation"])
        self.keep_best(values["validation"], epoch=self.epoch)

    def _damping(self):
        """Damping of the present epoch, for the curve."""
        if not hasattr(self.objective, "damping"):
            return {}
        relative = self.objective.damping.value
        return {"damping": relative, "damping_absolute": relative * self.objective.largest}

    def _save(self, within=None, **state):
        damping = getattr(self.objective, "damping", None)
        numbers = {
            "epoch": self.epoch,
            "timing": self.timing,
            "damping": damping and damping.state_dict(),
            "within": within,
        }
        self.save(numbers, **state)

    def _resume(self):
        if (found := self.resume()) is None:
            return
        numbers, tensors = found
        if numbers.get("within"):
            self.within = numbers["within"] | {"state": tensors["state"]}
        if numbers["damping"] is not None:
            self.objective.damping.load_state_dict(numbers["damping"])
        self.epoch, self.timing = numbers["epoch"], numbers["timing"]
