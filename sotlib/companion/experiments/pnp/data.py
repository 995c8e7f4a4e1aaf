"""An instrument's prepared data in memory, put together from shards."""

import threading
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from sotlib.companion.arrays import read_arrays, save_arrays
from sotlib.companion.experiments import FOLDS
from sotlib.companion.experiments.pnp.shards import Shards
from sotlib.companion.records import RecordError, read_record

_LOCK = threading.Lock()  # runs in threads of one process share what is loaded


@dataclass(frozen=True)
class Fold:
    """Sounds of one fold; what is missing of them is computed from `scaled`."""

    ids: torch.Tensor
    """Cells of the data set, (sounds,)."""
    scaled: torch.Tensor
    """True parameters, (sounds, d), float32."""
    spectra: torch.Tensor
    """What the network sees, (sounds, bins, frames)."""
    metric: torch.Tensor
    """M, (sounds, d, d), float64."""
    jtfs: torch.Tensor | None = None
    """Scattering features, (sounds, coefficients); none of the training fold's."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Prepared:
    """All folds, and what has to be known about their preparation."""

    folds: dict[str, Fold]
    unit: float
    """What dampings are counted in, see `typical_eigenvalue`."""
    preparation: dict
    """Seconds, and sounds by ID whose metric was not finite."""


def typical_eigenvalue(metric: torch.Tensor) -> float:
    """The median, over the sounds, of the largest eigenvalue of M."""
    return float(torch.linalg.eigvalsh(metric)[:, -1].median())


def shards_folder(folder, kind, budget):
    """Where an experiment's shards lie: ``results/KIND_shards/B`` for ``results/KIND/B``.

    For a folder of another name: the folder ``shards`` in it.
    """
    folder = Path(folder)
    if folder.parts[-2:] == (kind, budget):
        return folder.parents[1] / f"{kind}_shards" / budget
    return folder / "shards"


def load(shards: Shards, budget, folder, *, device="cpu", progress=None, start=0) -> Prepared:
    """All folds of a budget, from shards in `folder`; what is missing there is prepared.

    Processes that start at different shards share the preparation. Sounds whose metric is not
    finite even in double precision are left out of the training fold and listed.
    """
    options = {"budget": budget, "folder": folder, "device": device, "progress": progress}
    numbers = shards.seeds[budget]
    with _LOCK:
        # Others may add shards meanwhile: each is looked for only when it is its turn.
        for number in [*numbers[start:], *numbers[:start]]:
            for row in FOLDS:
                shards.run(row, number, **options)
        return _load(shards, budget, Path(folder), str(device))


def start_of(row, seed, budget, shards: Shards):
    """A shard to begin with, different for different runs."""
    return zlib.crc32(f"{row}-{seed}".encode()) % len(shards.seeds[budget])


@lru_cache(maxsize=1)
def _load(shards, budget, folder, device):
    folds, seconds, double, broken = {}, 0.0, {}, {}
    for row in FOLDS:
        numbers = shards.seeds[budget]
        parts = [shards.read(row, k, budget=budget, folder=folder) for k in numbers]
        records = [read_record(folder / f"{row}-{k}.json") for k in numbers]
        double[row] = sorted(i for r in records for i in r["results"]["in_double_precision"])
        broken[row] = sorted(i for r in records for i in r["results"]["not_finite"])
        seconds += sum(r["provenance"]["seconds"] for r in records)
        folds[row] = _fold(parts, broken[row] if row == "train" else [], device)
    return Prepared(
        folds,
        typical_eigenvalue(folds["train"].metric),
        {
            "sounds": sum(len(fold) for fold in folds.values()) + len(broken["train"]),
            "seconds": round(seconds, 1),
            "in_double_precision": double,
            "not_finite": broken,
        },
    )


def _fold(parts, without, device):
    together = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    order = together["position"].argsort()
    order = order[~torch.isin(together["id"][order], torch.tensor(without, dtype=torch.int64))]
    take = {name: tensor[order].to(device) for name, tensor in together.items()}
    return Fold(
        take["id"], take["scaled"].float(), take["spectra"], take["metric"], take.get("jtfs")
    )


def sounds(folds):
    """Of each fold the IDs, scaled parameters, diagonals and eigenvalues of M."""
    arrays: dict[str, torch.Tensor] = {}
    for name, fold in folds.items():
        arrays |= {
            f"{name}_ids": fold.ids,
            f"{name}_scaled": fold.scaled,
            f"{name}_metric_diagonal": fold.metric.diagonal(dim1=-2, dim2=-1).float(),
            f"{name}_eigenvalues": torch.linalg.eigvalsh(fold.metric).flip(-1).float(),
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
        there[name].shape == tensor.shape and _close(there[name], tensor.numpy())
        for name, tensor in arrays.items()
    )
    if not close:
        save_arrays(path, arrays)
    return path


def _close(a, b):
    # Metrics in single precision: up to 3e-3 apart on a CPU and on a GPU.
    return np.allclose(a, b, rtol=5e-3, atol=1e-6 * np.abs(b).max(initial=0))
