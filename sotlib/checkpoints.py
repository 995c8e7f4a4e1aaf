"""Checkpoints of trainings: tensors and numbers in one file, written whole or not at all.

A file is a safetensors file whose metadata hold the numbers as JSON and a digest of all tensors, so
that one that was cut off or altered is noticed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file


class CheckpointError(ValueError):
    """A checkpoint is damaged; the message names the file."""


def save_checkpoint(path: str | os.PathLike, tensors: Mapping, numbers: Mapping) -> None:
    """Write tensors by name, and numbers, strings and lists that JSON can hold.

    Parameters
    ----------
    path : path
        A ``.safetensors`` file; its folder is created, and a file that is there is replaced.
    tensors : mapping of str to Tensor
        Copied to the CPU.
    numbers : mapping
        Anything that `json` writes.

    Notes
    -----
    Explained in chapter ``sot/table``.

    Examples
    --------
    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/a.safetensors", {"w": torch.ones(2)}, {"step": 3})
    ...     load_checkpoint(f"{folder}/a.safetensors")
    ({'w': tensor([1., 1.])}, {'step': 3})
    """
    path = Path(path)
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    metadata = {"numbers": json.dumps(numbers), "digest": _digest(tensors)}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, temporary, metadata)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: str | os.PathLike) -> tuple[dict, dict]:
    """Read a checkpoint: its tensors by name, and its numbers.

    Raises
    ------
    FileNotFoundError
        If there is none.
    CheckpointError
        If it is cut off or altered.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        numbers = json.loads(metadata["numbers"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise CheckpointError(f"the checkpoint {path} is damaged ({error})") from None
    if metadata.get("digest") != _digest(tensors):
        raise CheckpointError(f"the checkpoint {path} is damaged (its contents have changed)")
    return tensors, numbers


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
