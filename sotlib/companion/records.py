"""Recorded results: numbers that took long to compute, with what is needed to trust them.

A record is one JSON file under ``results/``: what was computed with which configuration and seeds,
and its provenance, that is the versions of the libraries, the commit, the machine and the date.
Neither host names nor paths are recorded. It holds a digest of itself, and of each file beside it
that belongs to it, so that damage is noticed wherever it is read.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from sotlib.companion._digests import content_digest, file_digest
from sotlib.companion._provenance import provenance
from sotlib.companion.files import write_atomically

SCHEMA = 2
BUDGETS = ("paper", "reduced")
_FIELDS = {
    "schema": int,
    "kind": str,
    "configuration": dict,
    "seeds": list,
    "budget": dict,
    "results": dict,
    "files": dict,
    "provenance": dict,
}
# Beside a record, but not in the repository (see .gitignore): a clone lacks them.
_MAY_BE_MISSING = ".safetensors"
AGAIN = "move it away and repeat the command that wrote it"


class RecordError(ValueError):
    """A recorded result cannot be used; the message names the file and says what to do."""


class OtherRecordError(RecordError):
    """It is intact, but of another run or another version."""


def write_record(
    path: str | os.PathLike,
    *,
    kind: str,
    configuration: Mapping,
    results: Mapping,
    seeds: Sequence[int] = (),
    budget: str = "paper",
    reduced: str = "",
    seconds: float | None = None,
    files: Sequence[str] = (),
) -> dict:
    """Write a result with its provenance; a reader never sees half a file.

    Parameters
    ----------
    path : path
        A ``.json`` file; its folder is created.
    kind : str
        What the results are, for instance ``benchmark``.
    configuration, results : mapping
        Numbers, strings, lists and mappings; NumPy arrays and tensors become lists. Numbers that
        are not finite are refused: JSON has none.
    seeds : sequence of int
        The seeds that were used.
    budget : {'paper', 'reduced'}
        Whether as much was computed as the paper did.
    reduced : str
        What was reduced, needed with ``budget='reduced'``.
    seconds : float, optional
        Wall time of the computation.
    files : sequence of str
        Names of files in the same folder that belong to it; they are read along with it.

    Returns
    -------
    dict
        The record, as `read_record` gives it.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be, with the place inside it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_record(f"{folder}/a.json", kind="example", configuration={}, results={"a": 1})
    ...     read_record(f"{folder}/a.json")["results"]
    {'a': 1}
    """
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"path must end in .json, but is {path}")
    if budget not in BUDGETS:
        raise ValueError(f"budget must be one of {', '.join(BUDGETS)}, but is {budget!r}")
    if (budget == "reduced") != bool(reduced):
        raise ValueError("reduced says what was reduced: give it with budget='reduced' and only so")
    record = {
        "schema": SCHEMA,
        "kind": kind,
        "configuration": _plain(configuration, "configuration"),
        "seeds": _plain(list(seeds), "seeds"),
        "budget": {"is": budget, "reduced": reduced},
        "results": _plain(results, "results"),
        "files": {name: file_digest(path.with_name(name)) for name in files},
        "provenance": provenance() | {"seconds": None if seconds is None else round(seconds, 1)},
    }
    record["digest"] = content_digest(record)
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, text)
    return record


def read_record(path: str | os.PathLike) -> dict:
    """Read one record, after verifying its digest and those of the files that it names.

    A file is read once in a process, as long as its size and date stay. Weights may be missing.

    Raises
    ------
    RecordError
        If a file is missing or damaged, or the record is of another version.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        digest = content_digest(record) if isinstance(record, dict) else None
    except FileNotFoundError:
        raise RecordError(f"the record {path} does not exist") from None
    except OSError as error:
        raise OtherRecordError(f"the record {path} cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"the record {path} is damaged: {error}; {AGAIN}") from None
    if fault := _fault(record, digest):
        raise RecordError(f"the record {path} is damaged: {fault}; {AGAIN}")
    if record["schema"] != SCHEMA:
        age = "an older" if record["schema"] < SCHEMA else "a newer"
        raise OtherRecordError(
            f"the record {path} is {age} file (schema {record['schema']}; this version reads "
            f"{SCHEMA}); {AGAIN}"
        )
    for name, expected in record["files"].items():
        file = path.with_name(name)
        if not file.is_file():
            if file.suffix != _MAY_BE_MISSING:
                raise RecordError(f"{file} is missing, which the record {path} needs; {AGAIN}")
        elif file_digest(file) != expected:
            raise RecordError(
                f"{file} is damaged, or not what the record {path} was written with; {AGAIN}"
            )
    return record


def read_records(folder: str | os.PathLike, *, kind: str | None = None) -> dict[str, dict]:
    """Read all records of a folder, by file name without ``.json``.

    Parameters
    ----------
    folder : path
        The folder; one that does not exist has no records.
    kind : str, optional
        Only records of this kind.

    Raises
    ------
    RecordError
        If one of them cannot be read.
    """
    records = {path.stem: read_record(path) for path in sorted(Path(folder).glob("*.json"))}
    return {k: r for k, r in records.items() if kind is None or r["kind"] == kind}


def missing_files(path: str | os.PathLike, record: Mapping) -> list[Path]:
    """Weights that a record names and that are not beside it."""
    files = [Path(path).with_name(name) for name in record["files"]]
    return [file for file in files if not file.is_file()]


def _fault(record: object, digest: str | None) -> str | None:
    """What is wrong with the content of a record, if anything."""
    if not isinstance(record, dict):
        return "it is not a JSON object"
    older = type(record.get("schema")) is int and record["schema"] < SCHEMA  # True is no number
    if "digest" not in record and not older:
        return "it has no digest"
    if record.get("digest", digest) != digest:
        return "its contents have changed since they were written"
    wrong = [k for k, kind in _FIELDS.items() if not older and type(record.get(k)) is not kind]
    if wrong:
        return f"{', '.join(wrong)} must be there, each of its type"
    names = () if older else record["files"]
    if bad := [name for name in names if name != os.path.basename(name) or name in ("", "..")]:
        return f"the file {bad[0]!r} is not beside it"
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _plain(value: object, where: str) -> object:
    """The value in terms of JSON; a fault names its place."""
    if isinstance(value, Mapping):
        if bad := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"{where} must have strings as keys, but has {bad[0]!r}")
        return {key: _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}, which JSON cannot hold: use None and say why")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{where} is a {type(value).__name__}: give numbers, strings, lists, mappings")
