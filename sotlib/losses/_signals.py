"""What every loss does with its two signals before comparing them."""

from typing import Literal

import torch

from sotlib._core import check

Reduction = Literal["mean", "sum", "none"]
LAYOUT = "(samples,), (batch, samples) or (batch, channels, samples)"


def one_signal(name, signal):
    """Check a batch of signals; return it as (batch, samples), in float32 or float64."""
    check.audio(name, signal, half=True)
    if not 1 <= signal.ndim <= 3:
        raise ValueError(f"{name} must have shape {LAYOUT}; got {tuple(signal.shape)}.")
    if signal.numel() == 0:
        raise ValueError(f"{name} must not be empty; got shape {tuple(signal.shape)}.")
    if signal.ndim > 1 and 100 * signal.shape[-1] < signal.shape[-2]:
        raise ValueError(
            f"{name} must have shape {LAYOUT}; got {tuple(signal.shape)}, which looks like "
            "(samples, channels): transpose it."
        )
    check.level(name, signal)
    return widen(signal).reshape(-1, signal.shape[-1])


def signal_pair(x, y):
    """Check two batches of signals; return them as (batch, samples) in one floating dtype."""
    one_signal("x", x)
    one_signal("y", y)
    if x.shape != y.shape:
        raise ValueError(
            f"x and y must have the same shape; got {tuple(x.shape)} and {tuple(y.shape)}. "
            "Cut or zero-pad the longer one, and repeat a single reference along the batch."
        )
    return tuple(widen(s).reshape(-1, s.shape[-1]) for s in same_kind(x, y))


def reduced(values, reduction, sounds):
    """Values `(batch,)` of sounds as `reduction` says; 'none' gives them the shape `sounds`."""
    if reduction == "none":
        return values.reshape(sounds)
    return values.mean() if reduction == "mean" else values.sum()


def checked_reduction(reduction):
    """Return `reduction` if it is known."""
    return check.one_of("reduction", reduction, ("mean", "sum", "none"))


def squared_once(transform, square_magnitude):
    """Return `square_magnitude` unless the transform has squared its magnitudes itself."""
    if check.flag("square_magnitude", square_magnitude) and getattr(
        transform, "square_magnitude", False
    ):
        raise ValueError(
            "square_magnitude=True would square once more what transform, which was made with "
            "square_magnitude=True, has squared. Leave it out here."
        )
    return square_magnitude


def same_kind(x, y):
    """Check that both lie on one device; return them in their common dtype."""
    if x.device != y.device:
        raise ValueError(f"x and y must lie on one device; got {x.device} and {y.device}.")
    dtype = torch.promote_types(x.dtype, y.dtype)
    return x.to(dtype), y.to(dtype)


def widen(tensor):
    """Half-precision input as float32: spectra and cumulative sums need its range."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
