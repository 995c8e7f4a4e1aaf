"""Displacement interpolation along an entropic plan, which is never formed over all pairs.

A pair of bins x and y moves its mass P(x, y) to (1 - t) x + t y, which shares it out between the
bins around it. Frequency and time go their ways apart, and of what one frame of a sends out, the
kernel along frequency is the same for all frames of b. So it is brought to its places once, and the
rest is a matrix product: its time goes with the number of pairs, its memory with those along
frequency.
"""

import torch

from sotlib.transport._plane import ground_cost_parts
from sotlib.transport.binning import between_bins


def interpolate(log_u, log_v, solution, t):
    """Return the mass on the way; `log_u` and `log_v` are log-scalings (bins, batch, frames)."""
    grid = solution.to_a.target
    along_f, along_t = (part / solution.eps for part in ground_cost_parts(grid, grid))
    to_bins, to_frames = (
        between_bins((1 - t) * axis[:, None] + t * axis, axis)
        for axis in (grid.freqs, grid.stretched)
    )
    found = torch.zeros_like(log_u)
    for item in range(log_u.shape[1]):
        for frame in range(log_u.shape[2]):
            sent = log_u[:, item, frame, None] - along_f
            top = sent.amax(0)  # with it, no number is larger than the mass
            moved = _place(torch.nan_to_num(sent - top, nan=-torch.inf).exp_(), *to_bins)
            moved = moved @ (top[:, None] + log_v[:, item] - along_t[frame]).exp_()
            place = (part[frame].expand_as(moved).mT for part in to_frames)
            found[:, item] += _place(moved.mT, *place).mT
    return found


def _place(values, index, share):
    """Bring each entry (inputs, columns) to row `index` and, its share, to the next one."""
    found, above = torch.zeros_like(values), values * share
    found.scatter_add_(0, index, values - above)
    return found.scatter_add_(0, (index + 1).clamp(max=len(values) - 1), above)
