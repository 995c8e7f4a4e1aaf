"""Arrays beside a record: npz files, written whole or not at all."""

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sotlib.companion.files import replacing
from sotlib.companion.records import AGAIN, RecordError


def save_arrays(path: str | os.PathLike, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors by name."""
    arrays: dict[str, Any] = {
        name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()
    }
    with replacing(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read all arrays of a file, by name.

    Raises
    ------
    RecordError
        If it is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_arrays(f"{folder}/a.npz", {"x": torch.ones(2)})
    ...     read_arrays(f"{folder}/a.npz")
    {'x': array([1., 1.], dtype=float32)}
    """
    try:
        with zipfile.ZipFile(path) as file:
            if damaged := file.testzip():
                raise zipfile.BadZipFile(f"{damaged} has changed")
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        raise RecordError(
            f"there is no file {path}: repeat the command that writes it, without the record "
            "beside it"
        ) from None
    except _DAMAGE as error:
        raise RecordError(f"{path} is damaged: {error}; {AGAIN}") from None


_DAMAGE = (
    *(ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, OSError, OverflowError, MemoryError),
)
