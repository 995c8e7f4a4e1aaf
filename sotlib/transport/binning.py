"""Masses at any positions, shared out between the bins of a grid."""

import torch
from torch import Tensor

from sotlib._core import check
from sotlib.transport._line_arguments import prepared


def linear_binning(masses: Tensor, positions: Tensor, grid: Tensor) -> Tensor:
    r"""Share each mass out between the two bins of a grid that it lies between.

    A mass m at position u between the bins :math:`g_i \le u \le g_{i+1}` gives

    .. math:: m \, \frac{g_{i+1} - u}{g_{i+1} - g_i} \text{ to bin } i, \qquad
              m \, \frac{u - g_i}{g_{i+1} - g_i} \text{ to bin } i + 1,

    which keeps the total mass and its mean position; what lies on a bin stays there.

    Parameters
    ----------
    masses : Tensor, shape (..., n)
        Masses, finite and non-negative, as `interpolate_1d` gives.
    positions : Tensor, shape (n,) or (..., n)
        Where they lie, within the grid unless they are 0.
    grid : Tensor, shape (bins,)
        Increasing positions of the bins.

    Returns
    -------
    Tensor, shape (..., bins)
        The mass of each bin, differentiable in masses and positions.

    Raises
    ------
    TypeError
        If an argument is not a floating-point tensor.
    ValueError
        If masses are negative or not finite, if mass lies beyond the grid, if shapes do not
        fit.

    Notes
    -----
    M. P. Wand, "Fast computation of multivariate kernel estimators," Journal of Computational and
    Graphical Statistics, 1994. Explained in chapter ``tfot/between``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import linear_binning
    >>> linear_binning(torch.tensor([1.0, 2.0]), torch.tensor([0.25, 2.0]), torch.arange(3.0))
    tensor([0.7500, 0.2500, 2.0000])
    """
    names = "masses", "masses", "positions", "positions"
    prepared(masses, masses, positions, None, names)  # for its checks
    check.non_negative("masses", masses)
    grid = _checked_grid(grid, masses)
    low, high = grid[0], grid[-1]
    slack = 1e-5 * (high - low) + 1e-6 * torch.maximum(low.abs(), high.abs())  # of float32
    where = torch.where(masses.detach() > 0, positions.detach().double(), low)
    if check.holds_anywhere((where < low - slack) | (where > high + slack)):
        raise ValueError(
            f"positions of masses must lie within the grid, from {float(low):g} to "
            f"{float(high):g}; they go from {float(where.min()):g} to {float(where.max()):g}. "
            "Extend the grid."
        )
    index, share = between_bins(positions.double(), grid)
    mass = masses.double()
    index, share = index.expand(mass.shape), share.expand(mass.shape)
    binned = mass.new_zeros(*mass.shape[:-1], len(grid))
    binned = binned.scatter_add(-1, index, mass * (1 - share))
    above = (index + 1).clamp(max=len(grid) - 1)
    return binned.scatter_add(-1, above, mass * share).to(masses.dtype)


def between_bins(positions, grid):
    """Return the bin below each position and how far it lies on the way to the next, 0 to 1."""
    index = torch.searchsorted(grid, positions.detach().contiguous(), right=True) - 1
    index = index.clamp(0, max(len(grid) - 2, 0))
    if len(grid) == 1:
        return index, torch.zeros_like(positions)
    share = (positions - grid[index]) / (grid[index + 1] - grid[index])
    return index, share.clamp(0, 1)


def _checked_grid(grid, masses):
    check.finite("grid", check.floating("grid", grid))
    if grid.ndim != 1 or len(grid) == 0:
        raise ValueError(f"grid must have shape (bins,); got {tuple(grid.shape)}.")
    if grid.device != masses.device:
        raise ValueError(
            f"grid must lie on the device of the masses, {masses.device}; got {grid.device}."
        )
    grid = grid.detach().double()
    if (grid.diff() <= 0).any():
        raise ValueError("grid must increase strictly; sort it.")
    return grid
