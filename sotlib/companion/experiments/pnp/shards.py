"""Preparation of an instrument's data in shards: what a network sees, parameters and metrics.

A run is one shard, its seed the shard's number: shard k of n holds every n-th sound of its fold,
from the k-th on. Beside the record of a shard lies its data, ``<fold>-<number>.safetensors``, whose
checksum is verified whenever it is read.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from sotlib._core import check
from sotlib.companion.checkpoints import AGAIN, CheckpointError, load_checkpoint, save_checkpoint
from sotlib.companion.experiments import FOLDS
from sotlib.companion.experiments.pnp.instrument import Instrument, Perception, Task
from sotlib.companion.experiments.pnp.metrics import finite_metrics
from sotlib.companion.experiments.runs import Run, make_run

MORE_ON_GPU = 4  # times the sounds at once: 4 GB of the drum's, and several times the speed
METRICS = ("metric", "single", "double")  # and where it was not finite in that precision


class Shards:
    """The experiment that prepares an instrument's data, of the name `kind`."""

    def __init__(self, kind: str, instrument: Instrument):
        self.rows = {fold: fold for fold in FOLDS}
        self.instrument, self.budgets = instrument, instrument.tasks
        self.seeds = {name: range(task.shards) for name, task in self.budgets.items()}
        self.run = make_run(kind, self.rows, self.budgets, self._carry_out, self.read)

    def read(
        self, row: str, seed: int, *, budget: str, folder: str | os.PathLike
    ) -> dict[str, Tensor]:
        """Tensors of a shard by name, after verifying its checksum and its settings.

        ``position`` (sounds,) is the place in the fold; ``id``; ``theta`` (sounds, d), physical;
        ``scaled`` (sounds, d); ``spectra`` (sounds, bins, frames); ``metric`` (sounds, d, d); and,
        but for the training fold, which is never judged by it, ``jtfs`` (sounds, coefficients).
        """
        expected = self._identity(row, seed, budget)
        path = Path(folder) / f"{row}-{seed}.safetensors"
        tensors, identity = load_checkpoint(path)
        if identity != expected:
            raise CheckpointError(f"the checkpoint {path} is of other settings; {AGAIN}")
        return tensors

    def prepare(
        self,
        fold: str,
        number: int,
        task: Task,
        device: str | torch.device = "cpu",
        progress: Callable[[int], object] | None = None,
    ) -> tuple[dict[str, Tensor], dict]:
        """Compute a shard: its tensors, and what its record says."""
        position = torch.arange(task.sounds[FOLDS.index(fold)])[number :: task.shards]
        ids, theta = (values[position] for values in self.instrument.fold_sounds(task, fold))
        scaled = self.instrument.scaler(theta)
        perceive = Perception(self.instrument, task).to(device)
        spectrum = self.instrument.features(task).to(device)
        parts, there = [], scaled.to(device)
        for some in there.split(task.chunk * (MORE_ON_GPU if there.is_cuda else 1)):
            with torch.no_grad():
                sound = perceive.synthesis(some.float())
                found = {"spectra": spectrum(sound)}
                if fold != "train":
                    found["jtfs"] = perceive.heard(sound)
                metrics = zip(METRICS, finite_metrics(perceive, some), strict=True)
                parts.append(found | dict(metrics))
            if progress is not None:
                progress(0)
        tensors = {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}
        single, double = tensors.pop("single"), tensors.pop("double")
        tensors |= {"position": position, "id": ids, "theta": theta, "scaled": scaled}
        return tensors, {
            "sounds": len(ids),
            "sample_rate": self.instrument.sample_rate,
            "coefficients": len(perceive.scattering.paths),
            "frames": tensors["spectra"].shape[2],
            "in_double_precision": ids[single].tolist(),
            "not_finite": ids[double].tolist(),
        }

    def _carry_out(self, run: Run[str, Task]) -> dict:
        """Prepare the shard whose number is the run's seed.

        The results name the sounds whose metric was not finite in single precision and was computed
        in double, and those where it was not finite even so.
        """
        started = time.monotonic()
        identity = self._identity(run.row, run.seed, run.budget)
        tensors, results = self.prepare(run.row, run.seed, run.limits, run.device, run.progress)
        seconds = time.monotonic() - started
        data = run.path.with_suffix(".safetensors")
        save_checkpoint(data, tensors, identity)
        place = {"fold": run.row, "shard": run.seed, "device": str(run.device)}
        return {
            "configuration": place | asdict(run.limits),
            "results": results,
            "files": [data.name],
            "reduced": run.limits.reduced,
            "seconds": seconds,
        }

    def _identity(self, row, number, budget):
        check.one_of("row", row, FOLDS)
        check.one_of("budget", budget, tuple(self.budgets))
        task = self.budgets[budget]
        if check.count("seed", number, least=0) >= task.shards:
            raise ValueError(
                f"seed, the number of a shard, must be below {task.shards} with the budget "
                f"{budget}; got {number}."
            )
        settings = asdict(task)
        del settings["chunk"], settings["reduced"]
        # As JSON has it: a tuple becomes a list.
        return {"fold": row, "shard": number, **json.loads(json.dumps(settings))}
