"""Checks of what a caller passes in: each error names the argument, what came and the cure."""

import math
import numbers

import torch


def one_of(name, value, known):
    """Return `value` if it is among `known`, else raise ValueError listing them."""
    if value not in known:
        options = ", ".join(repr(k) for k in known)
        raise ValueError(f"{name} must be one of {options}; got {value!r}.")
    return value


def is_number(value):
    """Whether `value` is a real number of Python or NumPy; booleans are not."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def positive(name, value):
    """Return `value` if it is a finite number above zero."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number above 0; got {value!r}.")
    return value


def count(name, value, *, least=1):
    """Return `value` if it is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}.")
    return int(value)


def resolutions(fft_sizes, hop_lengths, win_lengths):
    """Return three sequences of equal length, zipped."""
    sequences = fft_sizes, hop_lengths, win_lengths
    if any(is_number(sizes) or isinstance(sizes, str) for sizes in sequences):
        raise ValueError(
            "fft_sizes, hop_lengths and win_lengths must be sequences of int; got "
            f"{fft_sizes!r}, {hop_lengths!r} and {win_lengths!r}."
        )
    if not len(fft_sizes) == len(hop_lengths) == len(win_lengths) > 0:
        raise ValueError(
            "fft_sizes, hop_lengths and win_lengths must have the same number of entries, at "
            f"least one; got {len(fft_sizes)}, {len(hop_lengths)} and {len(win_lengths)}."
        )
    return zip(*sequences, strict=True)


def floating(name, tensor, *, half=False):
    """Return `tensor` if it is one of float32 or float64 (`half`: or of half precision)."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(
            f"{name} must be a torch.Tensor; got {type(tensor).__name__}. "
            "Convert it with torch.as_tensor(...)."
        )
    if not tensor.is_floating_point():
        raise TypeError(
            f"{name} must hold floating-point numbers; got {tensor.dtype}. Convert it with "
            ".float(); integer audio also needs scaling to [-1, 1]."
        )
    if not half and tensor.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float32 or float64; got {tensor.dtype}. Use .float().")
    return tensor


def finite(name, tensor):
    """Return `tensor` if it holds neither NaN nor infinity."""
    bad = ~torch.isfinite(tensor.detach())
    if holds_anywhere(bad):
        raise ValueError(
            f"{name} must be finite; {int(bad.sum())} of its {tensor.numel()} values are NaN or "
            f"infinite, the first at index {tuple(bad.nonzero()[0].tolist())}. Look for a division "
            "by zero or a diverged model before this call."
        )
    return tensor


def holds_anywhere(condition):
    """Whether a boolean tensor is True anywhere; False where vmap forbids looking at values."""
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
    wrong = ~((low >= 0) & (high < float("inf")))  # NaN fails both; one wait for a GPU, not two
    if holds_anywhere(wrong):
        finite(name, tensor)
        raise ValueError(
            f"{name} must not be negative (its minimum is {low.item():.3g}): a transport moves "
            "mass. Take magnitudes or powers first."
        )
    return tensor


def first_derivative_only(name, *second):
    """Raise where a gradient that was computed by hand gets a gradient in turn."""
    if any(upstream is not None for upstream in second):
        raise RuntimeError(
            f"{name} has no second derivative: its gradient is computed by hand, and cannot be "
            "differentiated once more."
        )


def no_gradient_within(name, wanted):
    """Raise where forward mode meets a tensor that wants a gradient, too."""
    if wanted:
        raise RuntimeError(
            f"{name} has no second derivative, which forward mode of a tensor that requires a "
            "gradient may ask for. Detach it, or call it under torch.no_grad()."
        )
