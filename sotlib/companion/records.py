"""Recorded results: numbers that took long to compute, with what is needed to trust them.

A record is one JSON file under ``results/``: what was computed with which configuration and seeds,
and its provenance, that is the versions of the libraries, the commit, the machine and the date.
Neither host names nor paths are recorded.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from sotlib.companion._provenance import provenance
from sotlib.companion.files import write_atomically

SCHEMA = 1
BUDGETS = ("paper", "reduced")
_FIELDS = ("schema", "kind", "configuration", "seeds", "budget", "results", "provenance")


class RecordError(ValueError):
    """A recorded result is damaged or incomplete; the message names the file."""


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
        "provenance": provenance() | {"seconds": None if seconds is None else round(seconds, 1)},
    }
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, text)
    return record


def read_record(path: str | os.PathLike) -> dict:
    """Read one record.

    Raises
    ------
    RecordError
        If the file is missing, damaged or incomplete, or of another schema.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"the record {path} does not exist") from None
    except (ValueError, OSError) as error:
        raise RecordError(f"the record {path} is damaged: {error}") from None
    if not isinstance(record, dict):
        raise RecordError(f"the record {path} is damaged: it is not a JSON object")
    if missing := [field for field in _FIELDS if field not in record]:
        raise RecordError(f"the record {path} lacks {', '.join(missing)}: record it again")
    if record["schema"] != SCHEMA:
        raise RecordError(
            f"the record {path} has schema {record['schema']!r}, but this version reads {SCHEMA}"
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
