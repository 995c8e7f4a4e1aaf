"""Checkpoints of trainings: tensors and numbers in one file, written whole or not at all.

A file is a safetensors file whose metadata hold the numbers as JSON and a digest of them and of all
tensors, so that one that was cut off or altered is noticed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sotlib.companion.files import replacing

AGAIN = "move it away and repeat the run that wrote it"


class CheckpointError(ValueError):
    """A checkpoint is damaged or of another kind; the message names the file."""


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

    Raises
    ------
    TypeError
        On something else than tensors by name, or numbers that JSON cannot hold; a file that is
        there stays as it is, whatever goes wrong.

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
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(
                f"tensors[{name!r}] must be a torch.Tensor; got {type(tensor).__name__}. Put "
                "numbers into `numbers`."
            )
    # Cloned, as safetensors refuses tensors that share memory.
    tensors = {
        name: t.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, t in tensors.items()
    }
    text = json.dumps(numbers)
    # One entry: several come in any order, and files of equal contents would differ.
    metadata = {"checkpoint": f"{_digest(tensors, text)} {text}"}
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:  # as it calls a full disk
            raise OSError(f"{error}") from error


def load_checkpoint(path: str | os.PathLike) -> tuple[dict, dict]:
    """Read a checkpoint.

    Parameters
    ----------
    path : path
        A file that `save_checkpoint` has written.

    Returns
    -------
    tuple of dict
        Its tensors by name, on the CPU, and its numbers.

    Raises
    ------
    FileNotFoundError
        If there is none.
    CheckpointError
        If it is cut off or altered, or was not written by `save_checkpoint`.

    Notes
    -----
    Explained in chapter ``sot/table``. For an example see `save_checkpoint`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}: repeat the run that writes it")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"the checkpoint {path} is damaged ({error}); {AGAIN}") from None
    if {"numbers", "digest"} <= metadata.keys():  # as earlier files have it
        digest, text = metadata["digest"], metadata["numbers"]
    else:
        digest, _, text = metadata.get("checkpoint", "").partition(" ")
    if not text:
        raise CheckpointError(f"{path} is damaged, or was not written by save_checkpoint; {AGAIN}")
    if digest != _digest(tensors, text):
        raise CheckpointError(
            f"the checkpoint {path} is damaged (its contents have changed); {AGAIN}"
        )
    return tensors, json.loads(text)


def _digest(tensors: Mapping[str, torch.Tensor], numbers: str) -> str:
    layout = [(name, str(t.dtype), list(t.shape)) for name, t in sorted(tensors.items())]
    digest = hashlib.sha256(json.dumps([numbers, layout]).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
