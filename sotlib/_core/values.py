"""Checks that look at the values of tensors, which `sotlib.unchecked` leaves out."""

import math
from contextvars import ContextVar

import torch


def finite(name, tensor):
    """Return `tensor` if it holds neither NaN nor infinity."""
    values = tensor.detach()
    if not holds_anywhere(~values.sum().isfinite()):  # one pass, as what is not finite stays so
        return tensor
    bad = ~values.isfinite()
    if holds_anywhere(bad):
        raise ValueError(
            f"{name} must be finite; {int(bad.sum())} of its {tensor.numel()} values are NaN or "
            f"infinite, the first at index {tuple(bad.nonzero()[0].tolist())}. Look for a division "
            "by zero, an overflow or a diverged model before this call."
        )
    return tensor


def level(name, signal):
    """Return `signal` if it is finite, and not so loud that its energy is not."""
    loudest = torch.finfo(torch.promote_types(signal.dtype, torch.float32)).max ** 0.5 / 2**20
    low, high = torch.aminmax(signal.detach())
    if holds_anywhere(~((low >= -loudest) & (high <= loudest))):  # NaN fails both
        finite(name, signal)
        raise ValueError(
            f"{name} is too loud: it has a sample beyond ±{loudest:.1g}, the energy of which "
            f"overflows {signal.dtype}. Scale the signal down; sounds lie in [-1, 1]."
        )
    return signal


LOOKS = ContextVar("looks", default=True)


def looks():
    """Whether values may be looked at, see `sotlib.unchecked`."""
    return LOOKS.get()


def holds_anywhere(condition):
    """Whether a boolean tensor is True anywhere; False where nothing is to be looked at.

    That is under `unchecked` and under vmap, which forbids it.
    """
    if not looks():
        return False
    try:
        return bool(condition.any())
    except RuntimeError as error:
        if "vmap" in str(error):
            return False
        raise


def non_negative(name, tensor):
    """Return `tensor` if all its values are finite and at least 0 (one pass over the data)."""
    if tensor.numel() == 0:
        raise ValueError(f"{name} must not be empty; got shape {tuple(tensor.shape)}.")
    # In the order of memory: torch would copy a transposed tensor first.
    order = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
    low, high = torch.aminmax(tensor.detach().permute(order))
    most = torch.finfo(tensor.dtype).max / tensor.numel()
    wrong = ~((low >= 0) & (high < most))  # NaN fails both; one wait for a GPU, not two
    if holds_anywhere(wrong):
        if low >= 0 and high < math.inf:
            raise ValueError(
                f"{name} is too large: the sum of values such as {high.item():.3g} overflows "
                f"{tensor.dtype}. Scale it down."
            )
        finite(name, tensor)
        raise ValueError(
            f"{name} must not be negative (its minimum is {low.item():.3g}): a transport moves "
            "mass. Take magnitudes or powers first."
        )
    return tensor
