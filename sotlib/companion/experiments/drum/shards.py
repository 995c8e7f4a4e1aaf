"""Preparation of the drum paper's data in shards: features, scaled parameters and metrics.

A run is one shard, its seed the shard's number: shard k of n holds every n-th sound of its fold,
from the k-th on. Beside the record of a shard lies its data, ``<fold>-<number>.safetensors``, whose
checksum is verified whenever it is read.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from sotlib._core import check
from sotlib.companion.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from sotlib.companion.experiments.drum.metrics import finite_metrics
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
from sotlib.companion.records import RecordError, read_record, write_record

ROWS = {fold: fold for fold in FOLDS}


@dataclass(frozen=True)
class Budget:
    """How much is prepared; everything else is in the task."""

    steps: int = 1  # the runner's progress counts whole shards


BUDGETS = {name: Budget() for name in TASKS}


def default_seeds(budget: str) -> list[int]:
    """Numbers of all shards of a budget."""
    return list(range(TASKS[budget].shards))


def run(
    row: str,
    seed: int,
    *,
    budget: str = "reduced",
    folder: str | os.PathLike,
    device: str | torch.device = "cpu",
    progress: Callable[[int], object] | None = None,
) -> dict:
    """Prepare one shard, unless it is there and intact.

    Parameters
    ----------
    row : {'train', 'validation', 'test'}
        The fold.
    seed : int
        Number of the shard, below ``TASKS[budget].shards``.
    budget : str, default 'reduced'
        One of `BUDGETS`.
    folder : path
        Where ``<row>-<seed>.json`` and ``<row>-<seed>.safetensors`` are written.
    device : str, default 'cpu'
        Of the computation.
    progress : callable, optional
        Called with 0 from time to time.

    Returns
    -------
    dict
        The record. ``results`` names the sounds whose metric was not finite in single precision
        and was computed in double, and those where it was not finite even so.

    Raises
    ------
    ValueError
        On an unknown row or budget, or a shard that there is not.

    Notes
    -----
    Explained in chapter ``pnp/matching``.

    Examples
    --------
    >>> import tempfile
    >>> from sotlib.companion.experiments.drum import shards as drum_shards
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = drum_shards.run("test", 0, budget="smoke", folder=folder)
    ...     shard = drum_shards.read("test", 0, budget="smoke", folder=folder)
    >>> record["results"]["sounds"], shard["metric"].shape
    (3, torch.Size([3, 5, 5]))
    """
    _check_shard(row, seed, budget)
    path = Path(folder) / f"{row}-{seed}.json"
    if path.exists():
        try:
            verify(row, seed, budget=budget, folder=folder)
            return read_record(path)
        except (RecordError, CheckpointError) as error:
            tqdm.write(f"{error}; it is computed again", file=sys.stderr)
            path.unlink()
    started = time.monotonic()
    tensors, results = prepare(row, seed, TASKS[budget], device, progress)
    seconds = time.monotonic() - started
    save_checkpoint(path.with_suffix(".safetensors"), tensors, _identity(row, seed, budget))
    return write_record(
        path,
        kind="drum_shards",
        configuration={"fold": row, "shard": seed, "device": str(device), **asdict(TASKS[budget])},
        results=results,
        seeds=[seed],
        budget="paper" if budget == "paper" else "reduced",
        reduced=TASKS[budget].reduced,
        seconds=seconds,
    )


def verify(row: str, seed: int, *, budget: str, folder: str | os.PathLike) -> None:
    """Raise CheckpointError or RecordError, which name the file, unless a shard is intact.

    A recorded shard whose data are missing counts as damaged. The runner calls this before it
    takes a run for done.
    """
    read_record(Path(folder) / f"{row}-{seed}.json")
    try:
        read(row, seed, budget=budget, folder=folder)
    except FileNotFoundError as error:
        raise CheckpointError(f"the shard is damaged: {error}") from None


def read(row: str, seed: int, *, budget: str, folder: str | os.PathLike) -> dict[str, Tensor]:
    """Tensors of a shard by name, after verifying its checksum.

    Returns
    -------
    dict
        ``position`` (sounds,): place in the fold; ``id``; ``theta`` (sounds, 5), physical;
        ``scaled`` (sounds, 5); ``spectra`` (sounds, bins, frames); ``metric`` (sounds, 5, 5);
        ``jtfs`` (sounds, paths).

    Raises
    ------
    FileNotFoundError
        If there is none.
    CheckpointError
        If it is damaged, or of other settings.
    """
    _check_shard(row, seed, budget)
    path = Path(folder) / f"{row}-{seed}.safetensors"
    tensors, identity = load_checkpoint(path)
    if identity != _identity(row, seed, budget):
        raise CheckpointError(f"the checkpoint {path} is of other settings")
    return tensors


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
        parts.append(
            (
                spectrum(sound),
                perceive.features(sound),
                *finite_metrics(perceive, some),
            )
        )
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


def _identity(row, seed, budget):
    # A tuple becomes a list in JSON.
    settings = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(TASKS[budget]).items()}
    settings["scattering"] = [
        list(v) if isinstance(v, tuple) else v for v in settings["scattering"]
    ]
    del settings["chunk"], settings["reduced"]
    return {"fold": row, "shard": seed, **settings}


def _check_shard(row, seed, budget):
    check.one_of("row", row, tuple(ROWS))
    check.one_of("budget", budget, tuple(BUDGETS))
    if check.count("seed", seed, least=0) >= TASKS[budget].shards:
        raise ValueError(
            f"seed, the number of a shard, must be below {TASKS[budget].shards} with the budget "
            f"{budget}; got {seed}."
        )
