"""Compiled Sinkhorn updates of scalings for small grids, where calls would cost most of the time.

Four products of small matrices make an update. One by one through torch they take more than twice
as long: each call costs about as much as its arithmetic, and threads are woken for it in vain.
"""

import numpy as np
import torch

from sotlib._core.compiled import compiled
from sotlib._core.pieces import in_pieces

# The library under NumPy multiplies matrices of up to so many products on one thread.
SMALL_PRODUCT = 2**18


def fits(a, b):
    """Whether masses (bins, batch, frames) lie where the loop is compiled, on a small grid."""
    bins, frames = max(len(a), len(b)), max(a.shape[2], b.shape[2])
    return a.device.type == "cpu" and bins * frames * max(bins, frames) <= SMALL_PRODUCT


def alternate(along_f, along_t, a, b, u, *, budget, tol, check_every):
    """Update scalings from ``u`` on until the marginals fit, each item of the batch for itself.

    Parameters
    ----------
    along_f, along_t : Tensor (bins of a, bins of b), (frames of a, frames of b)
        Factors of the kernel.
    a, b, u : Tensor (bins, batch, frames)
        Masses, and the scalings over a's grid to start from.
    budget, tol, check_every : int, float, int
        At most so many updates; the L1 error of a marginal to stop at; between two looks at it.

    Returns
    -------
    gathered, spread : Tensor (bins, batch, frames)
        The kernel times the scalings over b's grid, and over a's.
    steps : int
        Updates of the item that took most.
    """
    frequency, time = (np.ascontiguousarray(k.numpy()) for k in (along_f, along_t))
    frequency_back, time_back = (np.ascontiguousarray(k.T) for k in (frequency, time))
    a, b, u = (t.movedim(1, 0).contiguous().numpy() for t in (a, b, u))
    gathered, spread, steps = np.empty_like(a), np.empty_like(b), np.zeros(len(a), np.int64)

    def work(low, high):
        _alternate(
            frequency, time, frequency_back, time_back, a, b, u, gathered, spread, steps,
            low, high, budget, tol, check_every,
        )  # fmt: skip

    in_pieces(work, len(a), torch.get_num_threads())
    gathered, spread = (torch.from_numpy(t).movedim(0, 1) for t in (gathered, spread))
    return gathered.contiguous(), spread.contiguous(), int(steps.max())


@compiled(error_model="numpy")
def _alternate(
    frequency, time, frequency_back, time_back, a, b, u, gathered, spread, steps,
    low, high, budget, tol, check_every,
):  # fmt: skip
    rows_b = np.empty((a.shape[1], b.shape[2]))
    rows_a = np.empty((b.shape[1], a.shape[2]))
    v = np.empty(b.shape[1:])
    for item in range(low, high):
        for step in range(1, budget + 1):
            np.dot(u[item], time, rows_b)
            np.dot(frequency_back, rows_b, spread[item])
            done = False
            if step > 1 and step % check_every == 1:
                done = np.abs(b[item] - v * spread[item]).sum() <= tol
            _divide(b[item], spread[item], v)
            np.dot(v, time_back, rows_a)
            np.dot(frequency, rows_a, gathered[item])
            _divide(a[item], gathered[item], u[item])
            steps[item] = step
            if done:
                break


@compiled(error_model="numpy")
def _divide(mass, total, out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = mass[i, j] / total[i, j]
