"""Compiled kernels on the CPU for the rows of tensors of any shape, on any device."""

import numpy as np
import torch

from sotlib._core.autograd import uncompiled
from sotlib._core.pieces import in_pieces


@uncompiled  # it is compiled already, by other means
def solve_rows(kernel, x, y, u, v, options, wanted):
    """Costs and derivatives that a kernel finds, as a `Solver` of `_rows.py` gives them.

    The kernel gets masses and positions as rows, the options, the first row and the one after the
    last, and arrays for the costs and for the derivatives by masses and positions, which have no
    rows where they are not wanted.
    """
    arrays = [_rows(t) for t in (x, y, u, v)]
    rows, leading = len(arrays[0]), x.shape[:-1]
    sizes = (array.shape[1] if want else 0 for want, array in zip(wanted, arrays, strict=True))
    results = [np.empty(rows), *(np.empty((rows if size else 0, size)) for size in sizes)]

    def work(low, high):
        kernel(*arrays, *map(float, options), low, high, *results)

    in_pieces(work, rows, torch.get_num_threads())
    value, *grads = (torch.from_numpy(array).to(x.device, x.dtype) for array in results)
    return value.reshape(leading), *(g.reshape(*leading, -1) if len(g) else g for g in grads)


def _rows(tensor):
    flat = tensor.detach().reshape(-1, tensor.shape[-1])
    return flat.to("cpu", torch.float64).contiguous().numpy()
