"""The drum paper's prepared data in memory, put together from shards."""

import functools
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sotlib.companion.arrays import read_arrays, save_arrays
from sotlib.companion.experiments.drum import shards as drum_shards
from sotlib.companion.experiments.drum.task import FOLDS, TASKS
from sotlib.companion.records import RecordError, read_record
from sotlib.matching.metric import largest_eigenvalue

_LOCK = threading.Lock()  # runs in threads of one process share what is loaded


@dataclass(frozen=True)
class Fold:
    """Sounds of one fold; what is missing of them is computed from `scaled`."""

    ids: torch.Tensor
    """Cells of the data set, (sounds,)."""
    scaled: torch.Tensor
    """True parameters, (sounds, 5), float32."""
    spectra: torch.Tensor
    """What the network sees, (sounds, bins, frames)."""
    metric: torch.Tensor
    """M, (sounds, 5, 5), float64."""
    jtfs: torch.Tensor
    """Scattering features, (sounds, paths)."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Drums:
    """All folds, and what has to be known about their preparation."""

    folds: dict[str, Fold]
    largest: float
    """The largest eigenvalue of M over the training fold."""
    preparation: dict
    """Seconds, and sounds by ID whose metric was not finite."""


def shards_folder(folder, budget):
    """Where shards lie: ``results/drum_shards/B`` for ``results/drum_matching/B``.

    For a folder of another name: the folder ``shards`` in it.
    """
    folder = Path(folder)
    if folder.parts[-2:] == ("drum_matching", budget):
        return folder.parents[1] / "drum_shards" / budget
    return folder / "shards"


def load(budget, folder, *, device="cpu", progress=None, start=0):
    """All folds of a budget, from shards in `folder`; what is missing there is prepared.

    Processes that start at different shards share the preparation. Sounds whose metric is not
    finite even in double precision are left out of the training fold and listed.
    """
    options = {"budget": budget, "folder": folder, "device": device, "progress": progress}
    numbers = range(TASKS[budget].shards)
    with _LOCK:
        # Others may add shards meanwhile: each is looked for only when it is its turn.
        for number in [*numbers[start:], *numbers[:start]]:
            for row in FOLDS:
                drum_shards.run(row, number, **options)
        return _load(budget, Path(folder), str(device))


def start_of(row, budget):
    """A shard to begin with, different for different runs."""
    return zlib.crc32(row.encode()) % TASKS[budget].shards


@functools.lru_cache(maxsize=1)
def _load(budget, folder, device):
    folds, seconds, double, broken = {}, 0.0, {}, {}
    for row in FOLDS:
        numbers = range(TASKS[budget].shards)
        shards = [drum_shards.read(row, k, budget=budget, folder=folder) for k in numbers]
        records = [read_record(folder / f"{row}-{k}.json") for k in numbers]
        double[row] = sorted(i for r in records for i in r["results"]["in_double_precision"])
        broken[row] = sorted(i for r in records for i in r["results"]["not_finite"])
        seconds += sum(r["provenance"]["seconds"] for r in records)
        folds[row] = _fold(shards, broken[row] if row == "train" else [], device)
    return Drums(
        folds,
        float(largest_eigenvalue(folds["train"].metric)),
        {
            "sounds": sum(len(fold) for fold in folds.values()) + len(broken["train"]),
            "seconds": round(seconds, 1),
            "in_double_precision": double,
            "not_finite": broken,
        },
    )


def _fold(shards, without, device):
    together = {name: torch.cat([shard[name] for shard in shards]) for name in shards[0]}
    order = together["position"].argsort()
    order = order[~torch.isin(together["id"][order], torch.tensor(without, dtype=torch.int64))]
    take = {name: tensor[order].to(device) for name, tensor in together.items()}
    return Fold(take["id"], take["scaled"].float(), take["spectra"], take["metric"], take["jtfs"])


def sounds(folds):
    """Of each fold the IDs, scaled parameters, diagonals and largest eigenvalues of M."""
    arrays: dict[str, torch.Tensor] = {}
    for name, fold in folds.items():
        arrays |= {
            f"{name}_ids": fold.ids,
            f"{name}_scaled": fold.scaled,
            f"{name}_metric_diagonal": fold.metric.diagonal(dim1=-2, dim2=-1).float(),
            f"{name}_largest_eigenvalue": torch.linalg.eigvalsh(fold.metric)[:, -1].float(),
        }
    return arrays


def keep_sounds(path, folds):
    """Write `sounds` once for all runs, whose records name the file; returns its path.

    One that is there stays where it differs by rounding only, as from another device.
    """
    arrays = {name: tensor.cpu() for name, tensor in sounds(folds).items()}
    try:
        there = read_arrays(path)
    except RecordError:
        there = {}
    close = there.keys() == arrays.keys() and all(
        there[name].shape == tensor.shape and np.allclose(there[name], tensor, rtol=1e-3)
        for name, tensor in arrays.items()
    )
    if not close:
        save_arrays(path, arrays)
    return path
