"""The transport of `line.py` by sorting, in batched tensor operations without a loop over rows.

It serves CUDA, where the compiled merge of `_line_merge.py` cannot run, and is the merge's oracle
in the tests: both follow the conventions stated in `line.py`.
"""

import torch


def first_reaching(cumulative, levels, right=False):
    """Index of the first bin whose cumulative sum is at least (`right`: above) each level."""
    index = torch.searchsorted(cumulative.contiguous(), levels.contiguous(), right=right)
    return index.clamp_(max=cumulative.shape[-1] - 1)


def take(positions, index):
    """Positions of bins `index`; positions may be shared by all rows."""
    return positions.expand(*index.shape[:-1], -1).gather(-1, index)


def solve_by_sorting(x, y, u, v, p, cutoff, tol, wanted):
    """Cost per row and its derivatives; those not `wanted` may be empty."""
    dtype = x.dtype
    x, y, u, v = (t.detach().double() for t in (x, y, u, v))
    a, b = x.cumsum(-1), y.cumsum(-1)
    total_a, total_b = a[..., -1:], b[..., -1:]  # not sum(): it rounds differently
    balanced = (total_a - total_b).abs() <= tol * torch.maximum(total_a, total_b)
    y = torch.where(balanced & (total_b > 0), y * (total_a / total_b), y)
    b = y.cumsum(-1)
    total_b = torch.where(balanced, total_a, total_b)
    a = torch.where(a >= total_a * (1 - 1e-12), total_a, a)
    b = torch.where(b >= total_b * (1 - 1e-12), total_b, b)
    end = torch.maximum(total_a, total_b)
    if cutoff:
        unit = torch.ones_like(end)
        end = torch.minimum(end, torch.where((total_a - 1).abs() <= tol, total_a, unit))

    levels = torch.cat([a, b], dim=-1).sort(dim=-1).values
    i, j = first_reaching(a, levels), first_reaching(b, levels)
    d = take(u, i) - take(v, j)
    clipped = torch.minimum(levels, end)
    width = clipped.diff(dim=-1, prepend=torch.zeros_like(end))
    value = (width * d.abs() ** p).sum(-1)

    empty = x.new_zeros(0)
    gx = gy = gu = gv = empty
    if wanted[2]:
        slope = width * p * d.sign() * d.abs() ** (p - 1)
        gu = torch.zeros_like(x).scatter_add_(-1, i, slope)
        gv = torch.zeros_like(y).scatter_add_(-1, j, -slope)
    if wanted[0] or wanted[1]:
        gx = _potential(a, b, u, v, end, p)
        gy = _potential(b, a, v, u, end, p)
        last = (u[..., -1:] - v[..., -1:]).abs() ** p
        grows = ~balanced & (end == torch.maximum(total_a, total_b))
        gx = gx + torch.where(grows & (total_a > total_b), last, 0.0)
        gy = gy + torch.where(grows & (total_b > total_a), last, 0.0)
        dual = (gx * x).sum(-1, keepdim=True) + (gy * y).sum(-1, keepdim=True)
        free = balanced & (end == torch.maximum(total_a, total_b))
        shift = torch.where(free, 0.5 * (value.unsqueeze(-1) - dual) / total_a, 0.0)
        silent = torch.maximum(total_a, total_b) == 0
        gx = torch.where(silent, 0.0, gx + shift)
        gy = torch.where(silent, 0.0, gy + shift)
    valid = torch.minimum(x.amin(-1), y.amin(-1)) >= 0
    value = torch.where(valid & torch.isfinite(value), value, torch.nan)
    return value.to(dtype), *(g.to(dtype) for g in (gx, gy, gu, gv))


def _potential(cumulative, other, positions, other_positions, end, p):
    """Derivative of the cost with respect to each weight, up to the tail added by the caller."""

    def change(index):
        at = take(other_positions, index)
        cost = (positions - at).abs() ** p
        moved = (positions[..., 1:] - at[..., :-1]).abs() ** p
        return torch.nn.functional.pad(cost[..., :-1] - moved, (0, 1))

    below = change(first_reaching(other, cumulative))
    above = change(first_reaching(other, cumulative, right=True))
    slope = torch.where(cumulative >= end, below, 0.5 * (below + above))
    slope = torch.where((cumulative <= 0) & (cumulative < end), above, slope)
    slope = torch.where(cumulative > end, 0.0, slope)
    return slope.flip(-1).cumsum(-1).flip(-1)
