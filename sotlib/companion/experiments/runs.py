"""One run of an experiment: found where it is recorded, else carried out and recorded."""

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from sotlib._core import check
from sotlib.companion.checkpoints import CheckpointError
from sotlib.companion.records import RecordError, read_record, write_record


@dataclass(frozen=True)
class Run:
    """What carries out a run is told."""

    row: str
    setting: object
    """What the experiment has for this row."""
    seed: int
    budget: str
    limits: object
    """What the experiment has for this budget."""
    path: Path
    """Of the record; other files lie beside it, with other endings."""
    device: str | torch.device
    progress: Callable[[int], object] | None

    @property
    def checkpoint(self) -> Path:
        """Where its state lies until it is recorded."""
        return self.path.with_suffix(".checkpoint.safetensors")


def make_run(
    kind: str,
    rows: Mapping[str, object],
    budgets: Mapping[str, object],
    carry_out: Callable[[Run], dict],
    verify: Callable | None = None,
) -> Callable[..., dict]:
    """Make the function `run` of an experiment, see `sotlib.companion.experiments`.

    Parameters
    ----------
    kind : str
        What the records say that they are.
    rows, budgets : mapping
        Of the experiment.
    carry_out : callable
        Carries out a `Run`, from its checkpoint if there is one, and returns ``configuration``,
        ``results``, ``reduced`` and ``seconds`` of the record.
    verify : callable, optional
        The experiment's.
    """

    def run(
        row: str,
        seed: int,
        *,
        budget: str = "reduced",
        folder: str | os.PathLike,
        device: str | torch.device = "cpu",
        progress: Callable[[int], object] | None = None,
    ) -> dict:
        check.one_of("row", row, tuple(rows))
        check.one_of("budget", budget, tuple(budgets))
        check.count("seed", seed, least=0)
        path = Path(folder) / f"{row}-{seed}.json"
        intact = verify and functools.partial(verify, row, seed, budget=budget, folder=folder)
        if (found := find_record(path, intact)) is not None:
            return found
        this = Run(row, rows[row], seed, budget, budgets[budget], path, device, progress)
        outcome = carry_out(this)
        size = "paper" if budget == "paper" else "reduced"
        record = write_record(path, kind=kind, seeds=[seed], budget=size, **outcome)
        this.checkpoint.unlink(missing_ok=True)
        return record

    return run


def find_record(path: Path, verify: Callable[[], object] | None = None) -> dict | None:
    """The record of a run, or None; one that is damaged, or `verify` calls so, is put aside."""
    if not path.exists():
        return None
    try:
        record = read_record(path)
        if verify is not None:
            verify()
        return record
    except (RecordError, CheckpointError, FileNotFoundError) as error:
        tqdm.write(f"{error}; it is computed again", file=sys.stderr)
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            path.rename(path.with_suffix(f".damaged-{int(time.time())}"))
        return None
