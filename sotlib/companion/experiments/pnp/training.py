"""Training of a sound matcher: epochs of a number of sounds, damping, the best weights, resuming.

Every epoch starts from random numbers of its own, drawn from the run's seed and the epoch's number.
So a state between epochs needs none of them; one within an epoch, where a training was asked to
stop, holds torch's.
"""

import time

import numpy as np
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from sotlib.companion.experiments.pnp.evaluation import errors, predict, validate
from sotlib.companion.experiments.training import Training, stopping

PATIENCE = 3  # epochs without improvement after which the learning rate falls to a tenth
RATE = ("best", "num_bad_epochs")  # the state of that rule


class MatchingTraining(Training):
    """Train a `SoundMatcher` until its limits, a `Budget`, by an objective.

    Where the objective has ``damping``, that is told the validation loss of every epoch. What
    becomes of the test fold stands in the curve and decides nothing. The seed is that of the order
    of sounds and of the dropouts. `continued`: the weights at the start are a candidate for the
    best. Beside those of the best validation loss, the weights of the lowest JTFS distance on
    validation sounds are kept: ``heard``, alike.
    """

    unit, keeps = "epoch", ("timing", "damping", "heard", "rate")

    def __init__(
        self, *, row, model, objective, folds, judging, limits, seed, continued=False, **options
    ):
        optimizer = torch.optim.Adam(model.parameters(), lr=limits.learning_rate)
        super().__init__(model, optimizer, **options)
        self.model, self.objective, self.folds, self.judging = model, objective, folds, judging
        self.row, self.limits, self.seed, self.continued = row, limits, seed, continued
        self.batch = limits.spectral_batch if row.loss == "spectral" else limits.batch
        self.rate = ReduceLROnPlateau(optimizer, patience=PATIENCE) if row.plateau else None
        self.epoch = 0
        self.heard: dict = {}
        self.timing: dict[str, list[float]] = {"training": [], "validation": []}
        self.within = None  # what is done of the epoch in which a training was stopped

    def run(self, progress=None):
        """Train; returns the curve."""
        self._resume()
        if not self.curve:
            self._validate(None)
        while self.epoch < self.limits.epochs:
            started = time.monotonic() - (self.within["seconds"] if self.within else 0.0)
            state = {"learning_rate": self.optimizer.param_groups[0]["lr"], **self._damping()}
            loss = self._train_epoch(progress, started)
            self.timing["training"].append(round(time.monotonic() - started, 3))
            self.epoch += 1
            self._validate({"loss": loss, **state})
            self._save()
            if progress is not None:
                progress(self.epoch * self.limits.epoch_sounds)
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
        predicted = predict(self.model, fold)
        values = validate(predicted, fold, self.objective)
        values["jtfs"] = float(self.judging.jtfs(predicted[: self.limits.heard], fold).mean())
        self.timing["validation"].append(round(time.monotonic() - started, 3))
        values["test"] = errors(predict(self.model, self.folds["test"]), self.folds["test"])
        self.curve.append({"epoch": self.epoch, **(trained or {}), **values})
        if trained:
            self._adapt(values["validation"])
        elif not self.continued:
            # Not a candidate: untrained, it says the middle of all ranges, where validation lies.
            return
        self.keep_best(values["validation"], epoch=self.epoch)
        self.heard = self.better(self.heard, values["jtfs"], epoch=self.epoch)

    def _adapt(self, validation):
        """What an epoch's validation loss does to damping and learning rate."""
        if hasattr(self.objective, "damping"):
            before = self.objective.damping.value
            falls = self.objective.damping.step(validation) < before
        else:  # as an adaptive damping would
            falls = not self.best or validation < self.best["value"]
        if falls and self.row.clearing:
            self.optimizer.state.clear()
        if self.rate is not None:
            self.rate.step(validation)

    def _damping(self):
        """Damping of the present epoch, for the curve."""
        damping = getattr(self.objective, "damping", None)
        return {} if damping is None else {"damping": damping.value}

    def _save(self, within=None, **tensors):
        damping = getattr(self.objective, "damping", None)
        heard = {k: v for k, v in self.heard.items() if k != "weights"}
        tensors |= {f"heard.{name}": t for name, t in self.heard.get("weights", {}).items()}
        rate = {"lr": self.optimizer.param_groups[0]["lr"]}
        if self.rate is not None:
            rate |= {name: getattr(self.rate, name) for name in RATE}
        numbers = {
            "epoch": self.epoch,
            "timing": self.timing,
            "damping": damping and damping.state_dict(),
            "heard": heard,
            "rate": rate,
            "within": within,
        }
        self.save(numbers, **tensors)

    def _resume(self):
        if (found := self.resume()) is None:
            return
        numbers, tensors = found
        if numbers.get("within"):
            self.within = numbers["within"] | {"state": tensors["state"]}
        if numbers["damping"] is not None:
            self.objective.damping.load_state_dict(numbers["damping"])
        if numbers["heard"]:
            weights = {
                k.removeprefix("heard."): t for k, t in tensors.items() if k.startswith("heard.")
            }
            self.heard = numbers["heard"] | {"weights": weights}
        rate = dict(numbers["rate"])
        self.optimizer.param_groups[0]["lr"] = rate.pop("lr")
        if self.rate is not None:
            vars(self.rate).update(rate)
        self.epoch, self.timing = numbers["epoch"], numbers["timing"]
