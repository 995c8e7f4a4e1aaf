"""Preparation of the drum paper's data in shards: features, scaled parameters and metrics.

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
from sotlib.companion.experiments.drum.task import (
    FOLDS,
    SAMPLE_RATE,
    TASKS,
    Perception,
    Task,
    fold_sounds,
    make_features,
    scaler,
)
from sotlib.companion.experiments.pnp.metrics import finite_metrics
from sotlib.companion.experiments.runs import Run, make_run

ROWS = {fold: fold for fold in FOLDS}


BUDGETS = TASKS
SEEDS = {name: range(task.shards) for name, task in TASKS.items()}


def carry_out(run: Run[str, Task]) -> dict:
    """Prepare the shard whose number is the run's seed.

    The results name the sounds whose metric was not finite in single precision and was computed in
    double, and those where it was not finite even so.
    """
    started = time.monotonic()
    identity = _identity(run.row, run.seed, run.budget)
    tensors, results = prepare(run.row, run.seed, run.limits, run.device, run.progress)
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


def read(row: str, seed: int, *, budget: str, folder: str | os.PathLike) -> dict[str, Tensor]:
    """Tensors of a shard by name, after verifying its checksum and its settings.

    ``position`` (sounds,) is the place in the fold; ``id``; ``theta`` (sounds, 5), physical;
    ``scaled`` (sounds, 5); ``spectra`` (sounds, bins, frames); ``metric`` (sounds, 5, 5); ``jtfs``
    (sounds, paths).
    """
    expected = _identity(row, seed, budget)
    path = Path(folder) / f"{row}-{seed}.safetensors"
    tensors, identity = load_checkpoint(path)
    if identity != expected:
        raise CheckpointError(f"the checkpoint {path} is of other settings; {AGAIN}")
    return tensors


verify = read


@torch.no_grad()
def prepare(
    fold: str,
    number: int,
    task: Task,
    device: str | torch.device = "cpu",
    progress: Callable[[int], object] | None = None,
) -> tuple[dict[str, Tensor], dict]:
    """Compute a shard: its tensors, and what its record says."""
    position = torch.arange(task.sounds[FOLDS.index(fold)])[number :: task.shards]
    ids, theta = (values[position] for values in fold_sounds(task, fold))
    scaled = scaler()(theta)
    perceive = Perception(task).to(device)
    spectrum = make_features(task).to(device)
    parts = []
    for some in scaled.to(device).split(task.chunk):
        sound = perceive.synthesis(some.float())
        metrics = finite_metrics(perceive, some)
        parts.append((spectrum(sound), perceive.features(sound), *metrics))
        if progress is not None:
            progress(0)
    spectra, jtfs, metric, single, double = (torch.cat(p).cpu() for p in zip(*parts, strict=True))
    tensors = {"position": position, "id": ids, "theta": theta, "scaled": scaled}
    tensors |= {"spectra": spectra, "jtfs": jtfs, "metric": metric}
    return tensors, {
        "sounds": len(ids),
        "sample_rate": SAMPLE_RATE,
        "paths": jtfs.shape[1],
        "frames": spectra.shape[2],
        "in_double_precision": ids[single].tolist(),
        "not_finite": ids[double].tolist(),
    }


def _identity(row, number, budget):
    check.one_of("row", row, FOLDS)
    check.one_of("budget", budget, tuple(TASKS))
    if check.count("seed", number, least=0) >= TASKS[budget].shards:
        raise ValueError(
            f"seed, the number of a shard, must be below {TASKS[budget].shards} with the budget "
            f"{budget}; got {number}."
        )
    settings = asdict(TASKS[budget])
    del settings["chunk"], settings["reduced"]
    # As JSON has it: a tuple becomes a list.
    return {"fold": row, "shard": number, **json.loads(json.dumps(settings))}


run = make_run("drum_shards", ROWS, BUDGETS, carry_out, verify)
