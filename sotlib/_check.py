"""Checks on what a user passes in: each names the argument, what came and what would do."""

import math
from collections.abc import Collection

import torch


def finite(name: str, tensor: torch.Tensor) -> None:
    """Raise ValueError where `tensor` holds NaN or infinity."""
    bad = ~torch.isfinite(tensor.detach())
    if holds_anywhere(bad):
        where = tuple(bad.nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite; got {tensor[where].item()} at index {where}.")


def floating(name: str, tensor: torch.Tensor) -> None:
    """Raise TypeError unless `tensor` is a tensor of float32 or float64."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} must be a torch.Tensor; got {type(tensor).__name__}.")
    if tensor.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"{name} must be float32 or float64; got {tensor.dtype}. Convert it with .float()."
        )


def one_of(name: str, value: object, known: Collection) -> None:
    """Raise ValueError unless `value` is one of `known`."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}.")


def positive(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a finite number above zero."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number above 0; got {value!r}.")


def count(name: str, value: int, *, least: int = 1) -> None:
    """Raise ValueError unless `value` is a whole number, `least` or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number, {least} or more; got {value!r}.")


def is_number(value: object) -> bool:
    """Whether `value` is a Python number (booleans are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def holds_anywhere(condition: torch.Tensor) -> bool:
    """Whether a boolean tensor is True anywhere; False where vmap forbids looking at values."""
    try:
        return bool(condition.any())
    except RuntimeError as error:
        if "vmap" in str(error):
            return False
        raise
