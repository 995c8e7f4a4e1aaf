"""Constants of a module in both precisions."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.printed import PrintedModule

_PRECISIONS = {torch.float32: np.float32, torch.float64: np.float64}


class TableModule(PrintedModule):
    """A module whose constant tables follow the type of its input.

    Each table is kept in single and in double precision, whatever the module itself is cast to:
    a filter that has been rounded once does not become precise again. Tables are buffers and move
    with the module to its device, and are not part of its state.
    """

    def add_table(self, name: str, array: np.ndarray) -> None:
        """Keep a constant array under a name, in both precisions, on the default device.

        On 'meta', which keeps no numbers, that is the CPU.
        """
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"name must be a str without dots, such as 'weights'; got {name!r}.")
        numbers = _real_numbers(array)
        device = torch.get_default_device()
        device = torch.device("cpu") if device.type == "meta" else device
        for dtype, precision in _PRECISIONS.items():
            rounded = torch.from_numpy(np.ascontiguousarray(numbers, dtype=precision))
            self.register_buffer(f"{name}_{_suffix(dtype)}", rounded.to(device), persistent=False)

    def tables(self, dtype: torch.dtype) -> Callable[[str], Tensor]:
        """Find a table by name, in the precision of ``dtype``."""
        suffix = _suffix(check.dtype("dtype", dtype))

        def find(name: str) -> Tensor:
            table = self._buffers.get(f"{name}_{suffix}")
            if table is None:
                raise LookupError(
                    f"{type(self).__name__} has no table {name!r} in {dtype}; keep one with "
                    f"add_table({name!r}, ...)."
                )
            return table

        return find

    def _apply(self, fn, recurse=True):
        if recurse:
            for child in self.children():
                child._apply(fn)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = buffer.to(fn(buffer[:0]).device)
        return self


def _real_numbers(array) -> np.ndarray:
    """The array, if it holds finite real numbers. In NumPy: `torch.func` would wrap a tensor."""
    try:
        numbers = np.asarray(array)
        if numbers.dtype.kind not in "fiu":
            raise TypeError
    except (TypeError, ValueError, RuntimeError):
        kind = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"array must hold real numbers; got {kind}.") from None
    if not np.isfinite(numbers).all():
        raise ValueError("array must be finite; it holds NaN or infinite values.")
    return numbers


def _suffix(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
