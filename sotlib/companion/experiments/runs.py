"""One run of an experiment: found where it is recorded, else carried out and recorded."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from tqdm import tqdm

from sotlib._core import check
from sotlib.companion.checkpoints import CheckpointError
from sotlib.companion.files import drop_leftovers, put_aside
from sotlib.companion.records import OtherRecordError, RecordError, read_record, write_record

Setting = TypeVar("Setting")
Limits = TypeVar("Limits")
_TEXTS = ("reduced",)  # what of a configuration only describes it


@dataclass(frozen=True)
class Run(Generic[Setting, Limits]):
    """What carries out a run is told."""

    kind: str
    """The experiment."""
    row: str
    setting: Setting
    """What the experiment has for this row."""
    seed: int
    budget: str
    limits: Limits
    """What the experiment has for this budget."""
    path: Path
    """Of the record; other files lie beside it, with other endings."""
    device: str | torch.device = "cpu"
    progress: Callable[[int], object] | None = None

    @property
    def checkpoint(self) -> Path:
        """Where its state lies until it is recorded."""
        return self.path.with_suffix(".checkpoint.safetensors")

    @property
    def configuration(self) -> dict:
        """Its row with all settings and limits."""
        return {"row": self.row, **_fields(self.setting), **_fields(self.limits)}

    def recorded(self, verify: Callable | None = None) -> dict | None:
        """Its record, or None where there is none.

        Raises
        ------
        OtherRecordError
            If the record is of another run, or of another version.
        RecordError, CheckpointError, FileNotFoundError
            If it is damaged, or something beside it is, or the experiment's `verify` raises so.
        """
        if not self.path.exists():
            return None
        record = read_record(self.path)
        if difference := self._difference(record):
            raise OtherRecordError(
                f"the record {self.path} is of another run ({difference}): give another folder, "
                "or move it away"
            )
        if verify is not None:
            verify(self.row, self.seed, budget=self.budget, folder=self.path.parent)
        return record

    def _difference(self, record: Mapping) -> str | None:
        """The first thing that the record has other than this run."""
        size = {"kind": self.kind, "seeds": [self.seed]}
        for name, here in size.items():
            if record[name] != here:
                return f"{name} {record[name]!r} instead of {here!r}"
        there = record["configuration"]
        # A setting that the record does not know came later, and was what is now the default.
        defaults = _defaults(self.setting) | _defaults(self.limits)
        for name, here in _as_json(self.configuration).items():
            was = there.get(name, defaults.get(name, here))
            if name not in _TEXTS and was != here:
                return f"{name} {was!r} instead of {here!r}"
        return None


def _fields(value: object) -> dict:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else {}  # type: ignore[arg-type]


def _defaults(value: Any) -> dict:
    fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
    return _as_json({f.name: f.default for f in fields if f.default is not dataclasses.MISSING})


def _as_json(values: Mapping) -> dict:
    """As a record has them: tuples become lists."""
    return json.loads(json.dumps(values))


def make_run(
    kind: str,
    rows: Mapping[str, Setting],
    budgets: Mapping[str, Limits],
    carry_out: Callable[[Run[Setting, Limits]], dict],
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
        ``results``, ``reduced``, ``seconds`` and ``files`` of the record.
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
        this = Run(kind, row, rows[row], seed, budget, budgets[budget], path, device, progress)
        if (found := find_record(this, verify)) is not None:
            return found
        drop_leftovers(path.parent)
        outcome = carry_out(this)
        size = "paper" if budget == "paper" else "reduced"
        record = write_record(path, kind=kind, seeds=[seed], budget=size, **outcome)
        this.checkpoint.unlink(missing_ok=True)
        return record

    return run


def find_record(run: Run, verify: Callable | None = None) -> dict | None:
    """The record of a run, or None; one that is damaged is put aside.

    Raises OtherRecordError where the record is intact, but not of this run.
    """
    try:
        return run.recorded(verify)
    except OtherRecordError:
        raise
    except (RecordError, CheckpointError, FileNotFoundError) as error:
        tqdm.write(f"{error}. It is put aside and computed again", file=sys.stderr)
        put_aside(run.path)
        return None
