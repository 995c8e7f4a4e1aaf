"""The training of a row of the SOT paper's table, and a run of it."""

import math
import time

import torch

from sotlib.companion.experiments import FOLDS
from sotlib.companion.experiments.replay import Replayed
from sotlib.companion.experiments.runs import Run
from sotlib.companion.experiments.sot.settings import Budget, Row
from sotlib.companion.experiments.sot.task import (
    Comparison,
    evaluate,
    make_model,
    prepare,
    pretrain,
)
from sotlib.companion.experiments.training import Training, stopping

SELECT = "lsd_mean_square"  # the metric of which the lowest validation value is the best


class AutoencoderTraining(Training):
    """Train the encoder of a model until its limits, a `Budget`, by the loss `compare`.

    The seed is that of dropout; in the first `amplitudes_first` steps only
    ``encoder.to_amplitudes`` is trained.
    """

    unit, keeps = "step", ("seconds", "generator")

    def __init__(self, *, model, compare, data, limits, seed, amplitudes_first=0, **options):
        optimizer = torch.optim.Adam(
            model.parameters(),
            lr=limits.learning_rate,
            weight_decay=1e-4,
            capturable=next(model.parameters()).is_cuda,
        )
        super().__init__(model.encoder, optimizer, **options)
        self.model, self.compare, self.data = model, compare, data
        self.limits, self.amplitudes_first, self.seed = limits, amplitudes_first, seed
        self.generator = torch.Generator(device=self.device).manual_seed(seed)
        self.devices = [[_name(self.device), 0]]  # and the steps from which on they were used
        self.step, self.seconds = 0, 0.0
        self.losses, self.unread = [], []
        # A rate that falls would be recorded as it was.
        self.take = self._take if limits.decay else Replayed(self._take, self.generator)

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
        last, _ = self._evaluate("test")
        self.module.load_state_dict(self.best["weights"])
        test, observed = self._evaluate("test")
        return {
            "test": test,
            "test_f0_ratio": observed["f0_ratio"],
            "test_of_last_step": last,
            "best_step": self.best["step"],
            "curve": self.curve,
        }

    def _train_on(self, features, targets):
        options = {}
        if self.limits.decay:
            fall = 0.5 + 0.5 * math.cos(math.pi * self.step / self.limits.steps)
            self.optimizer.param_groups[0]["lr"] = self.limits.learning_rate * fall
        else:
            options["kind"] = self.step < self.amplitudes_first
        self.unread.append(self.take(features, *targets, **options))
        self.step += 1

    def _take(self, features, *targets):
        """Take a step; returns its loss."""
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.compare(self.model(features, generator=self.generator).sound, targets)
        loss.backward()
        if self.step < self.amplitudes_first:
            for name, parameter in self.module.named_parameters():
                if not name.startswith("to_amplitudes."):
                    parameter.grad = None  # which Adam passes over
        self.optimizer.step()
        return loss.detach()

    def _read_losses(self):
        """Losses as numbers. Not one by one: a GPU would be waited for at each step."""
        values = torch.stack(self.unread).tolist() if self.unread else []
        first = self.step - len(values)
        self.losses, self.unread = self.losses + values, []
        for number, value in enumerate(values):
            self.check_loss(value, f"at step {first + number}")

    def _evaluate(self, fold):
        self.model.eval()
        return evaluate(self.model, self.data[fold])

    def _validate(self):
        self._read_losses()
        metrics, observed = self._evaluate("validation")
        mean = sum(self.losses) / len(self.losses) if self.losses else None
        self.curve.append({"step": self.step, "loss": mean, **metrics, **observed})
        self.losses = []
        self.keep_best(metrics[SELECT], step=self.step)

    def _save(self):
        self._read_losses()
        names = ("step", "losses", "seconds", "devices")
        numbers = {name: getattr(self, name) for name in names}
        self.save(numbers, generator=self.generator.get_state())

    def _resume(self):
        if (found := self.resume()) is None:
            return
        numbers, tensors = found
        self.step, self.seconds = numbers["step"], numbers["seconds"]
        self.losses = numbers.get("losses", [])  # the first checkpoints were of validations
        ((here, _),) = self.devices
        self.devices = numbers.get("devices", self.devices)
        before = self.devices[-1][0]
        if before != here:
            self.devices = [*self.devices, [here, self.step]]
        if (kind := before.partition(" ")[0]) == self.device.type:
            self.generator.set_state(tensors["generator"])
        else:
            self.generator.manual_seed(self.seed + (self.step << 32))
            self.say_other_device(kind)


def _name(device):
    """The kind of a device, and of a GPU the model, which a record has nowhere else."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def carry_out(run: Run[Row, Budget]) -> dict:
    """Carry out a run."""
    setting, limits, device = run.setting, run.limits, run.device
    options = {
        "disjoint": limits.disjoint,
        "counts": setting.counts,
        "first_phase": setting.first_phase,
        "device": device,
    }
    data = {fold: prepare(fold, limits.signals, limits.frames, **options) for fold in FOLDS}
    model = make_model(setting, seed=run.seed).to(device)
    seconds = pretrain(model, setting.pretraining, data["train"].features, seed=run.seed)
    identity = {"seed": run.seed, "budget": run.budget, **run.configuration}
    this = AutoencoderTraining(
        model=model,
        compare=Comparison(setting).to(device),
        data=data,
        limits=limits,
        seed=run.seed,
        amplitudes_first=setting.amplitudes_first,
        checkpoint=run.checkpoint,
        identity=identity | {"scales": [*setting.scales]},  # as JSON has it
    )
    results = this.run(run.progress)
    weights = run.path.with_suffix(".safetensors")
    this.save_best(weights, {"row": run.row, "seed": run.seed})
    used = [f"{name} from step {step}" for name, step in this.devices]
    return {
        "configuration": run.configuration
        | {"device": ", ".join(used) if used[1:] else this.devices[0][0]},
        "results": results,
        "files": [weights.name],
        "reduced": limits.reduced,
        "seconds": seconds + this.seconds,
    }
