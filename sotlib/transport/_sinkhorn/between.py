"""Displacement interpolation along an entropic plan, whose pairs of bins are made in parts.

A pair of bins x and y moves its mass P(x, y) to (1 - t) x + t y, which shares it out between the
bins around it. The plan is a product of scalings and a separable kernel, but where a pair goes
depends on both its bins: unlike all else here this takes time by the number of pairs. Those of two
frames with next to no mass between them are left out, and bins with next to none.
"""

import torch

from sotlib.transport._plane import ground_cost_parts
from sotlib.transport._sinkhorn.axes import KEPT
from sotlib.transport.binning import between_bins

LEFT_OUT = 1e-9  # of the mass, at most


def interpolate(log_u, log_v, solution, t):
    """Return the mass on the way; `log_u` and `log_v` are log-scalings (bins, batch, frames)."""
    grid, eps = solution.to_a.target, solution.eps
    along_f, along_t = (part / eps for part in ground_cost_parts(grid, grid))
    to_bins, to_frames = (
        between_bins((1 - t) * axis[:, None] + t * axis, axis)
        for axis in (grid.freqs, grid.stretched)
    )
    # Log of the mass that each bin sends and gets.
    sent = log_u + solution.to_a.logsumexp(log_v)
    got = log_v + solution.to_b.logsumexp(log_u)
    spread, _ = solution.to_a.axes
    found = torch.zeros_like(log_u)
    for item in range(log_u.shape[1]):
        u, v = log_u[:, item], log_v[:, item]
        least = torch.logsumexp(sent[:, item].flatten(), 0) + _log_share(log_u)
        heard = (got[:, item] > least).any(1)
        gathered = spread.logsumexp(v)  # from b's bins, without the cost along time
        for frame in range(u.shape[1]):
            rows = sent[:, item, frame] > least
            if not rows.any():
                continue
            column = u[rows, frame, None]
            frames = torch.logsumexp(column + gathered[rows], 0) - along_t[frame] > least
            column = column - along_f[rows][:, heard]
            bins, share = (part[rows][:, heard].flatten() for part in to_bins)
            for some in frames.nonzero()[:, 0].split(max(1, KEPT // column.numel())):
                pairs = column[..., None] + (v[heard][:, some] - along_t[frame, some])
                moved = _rows(pairs.exp_().flatten(0, 1), bins, share, len(u))
                when, later = (part[frame, some] for part in to_frames)
                found[:, item] += _rows(moved.T, when, later, u.shape[1]).T
    mass = sent.exp().sum((0, 2), keepdim=True)
    return found * (mass / found.sum((0, 2), keepdim=True))


def _log_share(log_u):
    """Log of the share of a bin, or of a pair of frames, that may be left out."""
    pairs = max(log_u.shape[0] * log_u.shape[2], log_u.shape[2] ** 2)
    return torch.tensor(LEFT_OUT / 3 / pairs, dtype=log_u.dtype, device=log_u.device).log()


def _rows(values, index, share, count):
    """Share rows of values out between rows `index` and the next ones, of `count`."""
    found = values.new_zeros(count, values.shape[1])
    above = values * share[:, None]
    found.index_add_(0, index, values - above)
    return found.index_add_(0, (index + 1).clamp(max=count - 1), above)
