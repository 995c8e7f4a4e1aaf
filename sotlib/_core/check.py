"""Checks of what a caller passes in: each error names the argument, what came and the cure."""

import math
import numbers

import numpy as np
import torch

from sotlib._core.values import finite as finite
from sotlib._core.values import holds_anywhere as holds_anywhere
from sotlib._core.values import level as level
from sotlib._core.values import looks as looks
from sotlib._core.values import non_negative as non_negative

LEAST, MOST = 1e-30, 1e30  # numbers whose squares single and double precision can work with


def one_of(name, value, known):
    """Return the one of `known` that equals `value`, else raise ValueError listing them."""
    if isinstance(value, str) or is_number(value):
        for one in known:
            if value == one:
                return one
    options = ", ".join(repr(k) for k in known)
    raise ValueError(f"{name} must be one of {options}; got {value!r}.")


def flag(name, value):
    """Return `value` as a bool of Python if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {value!r}.")
    return bool(value)


def flags(name, values):
    """Return `values`, a sequence, array or tensor, as a list of bool."""
    values = tensor(name, values) if isinstance(values, torch.Tensor) else values
    values = values.tolist() if isinstance(values, torch.Tensor | np.ndarray) else values
    if not isinstance(values, list | tuple):
        raise TypeError(f"{name} must be a sequence of bool; got {values!r}.")
    return [flag(f"{name}[{i}]", value) for i, value in enumerate(values)]


def is_number(value):
    """Whether `value` is a real number of Python or NumPy; booleans are not."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def number(name, value, *, least=-MOST, most=MOST, below=math.inf):
    """Return `value` as a number of Python if it lies from `least` to `most`, and below `below`."""
    if not is_number(value) or not (least <= value <= most and value < below):
        end = f"at most {most:g}" if math.isinf(below) else f"below {below:g}"
        raise ValueError(
            f"{name} must be a finite number of at least {least:g} and {end}; got {value!r}."
        )
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def positive(name, value):
    """Return `value` as a number of Python if it is finite and above zero."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number above 0; got {value!r}.")
    return number(name, value, least=LEAST)


def count(name, value, *, least=1, most=2**31 - 1):
    """Return `value` as an int if it is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}.")
    if value > most:
        raise ValueError(f"{name} must be an integer of at most {most}; got {value!r}.")
    return int(value)


def seed(name, value):
    """Return `value` as an int if it can start a generator of random numbers."""
    return count(name, value, least=0, most=2**63 - 1)


def counts(name, values, least=1):
    """Return `values` as a tuple of int, if it is a sequence of counts."""
    if not isinstance(values, list | tuple) or len(values) == 0:
        raise ValueError(f"{name} must be a sequence of at least one int; got {values!r}.")
    return tuple(count(f"{name}[{i}]", value, least=least) for i, value in enumerate(values))


def resolutions(fft_sizes, hop_lengths, win_lengths):
    """Return three sequences of equal length, zipped."""
    sequences = [
        counts("fft_sizes", fft_sizes),
        counts("hop_lengths", hop_lengths),
        counts("win_lengths", win_lengths),
    ]
    if len({len(sizes) for sizes in sequences}) > 1:
        raise ValueError(
            "fft_sizes, hop_lengths and win_lengths must have the same number of entries; got "
            f"{len(fft_sizes)}, {len(hop_lengths)} and {len(win_lengths)}."
        )
    return list(zip(*sequences, strict=True))


def instance(name, value, kind, cure=""):
    """Return `value` if it is an instance of a class."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}{cure}; got {type(value).__name__}.")
    return value


def generator(name, value):
    """Return `value` if it is a torch.Generator or None."""
    if value is not None and not isinstance(value, torch.Generator):
        raise TypeError(f"{name} must be a torch.Generator; got {type(value).__name__}.")
    return value


def function(name, value):
    """Return `value` if it can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be callable; got {type(value).__name__}.")
    return value


def dtype(name, value, *, half=False):
    """Return `value` if it is float32 or float64 (`half`: or a half precision)."""
    known = (torch.float32, torch.float64, *((torch.float16, torch.bfloat16) if half else ()))
    if value not in known if isinstance(value, torch.dtype) else True:
        options = ", ".join(str(k) for k in known)
        raise TypeError(f"{name} must be one of {options}; got {value!r}.")
    return value


def device(name, value):
    """Return `value` as a device, or None, which stands for the default."""
    try:
        return value if value is None else torch.device(value)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"{name} must be a device such as 'cpu' or 'cuda'; got {value!r}."
        ) from None


def tensor(name, value):
    """Return `value` if it is a dense tensor that holds numbers."""
    if not isinstance(value, torch.Tensor):
        raise TypeError(
            f"{name} must be a torch.Tensor; got {type(value).__name__}. "
            "Convert it with torch.as_tensor(...)."
        )
    if value.is_meta:
        raise ValueError(
            f"{name} must hold values; got a tensor on the meta device, which has none."
        )
    if value.layout is not torch.strided:
        raise TypeError(f"{name} must be a dense tensor; got {value.layout}. Use .to_dense().")
    return value


def floating(name, value, *, half=False, integers="Convert it with .float()."):
    """Return `value` if it is a tensor of float32 or float64 (`half`: or of half precision)."""
    tensor(name, value)
    if not value.is_floating_point():
        cure = "Take its .real or .abs()." if value.is_complex() else integers
        raise TypeError(f"{name} must hold floating-point numbers; got {value.dtype}. {cure}")
    if not half and value.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float32 or float64; got {value.dtype}. Use .float().")
    return value


def audio(name, value, *, half=False):
    """Return `value` if it is a tensor of floating-point samples."""
    cure = "Convert it with .float(); integer audio also needs scaling to [-1, 1]."
    return floating(name, value, half=half, integers=cure)


def real_numbers(name, value, device=None) -> torch.Tensor:
    """Return one number or several, a tensor or not, as a finite tensor in double precision."""
    if isinstance(value, torch.Tensor):
        tensor(name, value)
        device = value.device if device is None else device
    kind = str(getattr(value, "dtype", type(value).__name__))
    try:
        if "bool" in kind or "complex" in kind:
            raise TypeError
        found = torch.as_tensor(value, dtype=torch.float64, device=device)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(
            f"{name} must be real numbers, in a tensor or in sequences of equal length; got {kind}."
        ) from None
    if holds_anywhere(finite(name, found).detach().abs() > MOST):
        raise ValueError(f"{name} must lie between {-MOST:g} and {MOST:g}.")
    return found
