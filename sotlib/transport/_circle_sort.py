"""The transport of `circle.py` by sorting, in batched tensor operations without a loop over rows.

It serves CUDA, where the compiled `_circle_merge.py` cannot run, and is its oracle in the tests.
Levels are shares of the mass and positions shares of the circumference, so that both measures go
on with period 1; `theta` is how much further the level of b is than that of a it is paired with.
"""

import torch

from sotlib.transport._line_sort import take

# Where a search for the shift begins and ends. An optimal one lies within ±1; these are such that
# halving does not meet the simple fractions at which levels coincide.
LOW, HIGH, STEPS = -1.31417, 1.27183, 46
APART = 1e-13  # to both sides of the optimal shift: more than rounding, and than is left in between


def solve_by_sorting(a, b, u, v, p, period, wanted):
    """Cost per row and its derivatives; those not `wanted` may be empty."""
    dtype = a.dtype
    a, b, u, v = (t.detach().double() for t in (a, b, u, v))
    u, v = u.expand(a.shape) / period, v.expand(b.shape) / period
    mass = (a.sum(-1, keepdim=True) + b.sum(-1, keepdim=True)) / 2
    sums_a, sums_b = _sums(a), _sums(b)
    one, other = (sums_a, u), (sums_b, v)
    theta = _by_halving(one, other, p)
    around = theta - APART, theta + APART
    theta = _snapped(theta, around, one, other)

    ends = torch.cat([sums_a, _fraction(sums_b - theta)], dim=-1).sort(dim=-1).values
    width = ends.diff(dim=-1, prepend=torch.zeros_like(theta))
    middle = ends - width / 2
    at_a, i = _reach(one, middle)
    at_b, j = _reach(other, middle + theta)
    value = (width * (at_a - at_b).abs() ** p).sum(-1)

    empty = a.new_zeros(0)
    ga = gb = gu = gv = empty
    if wanted[2]:
        slope = mass * width * p * (at_a - at_b).sign() * (at_a - at_b).abs() ** (p - 1)
        slope = slope * period ** (p - 1)
        gu = torch.zeros_like(a).scatter_add_(-1, i, slope)
        gv = torch.zeros_like(b).scatter_add_(-1, j, -slope)
    if wanted[0] or wanted[1]:
        f = _potential(one, other, around, p)
        g = _transform(f, one, other, around, -1, p)
        f = _transform(g, other, one, around, 1, p)
        shift = (_mean(g, b) - _mean(f, a)) / 2
        ga, gb = ((h * period**p * (mass > 0)) for h in (f + shift, g - shift))
    valid = (torch.minimum(a.amin(-1), b.amin(-1)) >= 0) & mass[..., 0].isfinite()
    value = torch.where(valid, value * mass[..., 0] * period**p, torch.nan)
    return value.to(dtype), *(t.to(dtype) for t in (ga, gb, gu, gv))


def _sums(masses):
    """Cumulative sums as shares of the whole; of no mass, those of an even one."""
    sums = masses.cumsum(-1)
    even = torch.arange(1, sums.shape[-1] + 1, dtype=sums.dtype, device=sums.device)
    sums = torch.where(sums[..., -1:] > 0, sums, even)
    sums = sums / sums[..., -1:]
    return torch.where(sums >= 1 - 1e-12, 1.0, sums)


def _fraction(levels):
    rest = levels - levels.floor()
    return torch.where(rest >= 1, 0.0, rest)  # what rounding makes of a tiny negative number


def _reach(measure, levels):
    """Position at which a measure passes each level, and the index of its bin there."""
    sums, positions = measure
    rest = _fraction(levels)
    index = torch.searchsorted(sums.contiguous(), rest.contiguous(), right=True)
    index = index.clamp_(max=sums.shape[-1] - 1)
    return take(positions, index) + (levels - rest).round(), index


def _slopes(one, other, theta, p):
    """Derivative of the cost with respect to each sum of one measure; together, to `theta`."""
    sums, positions = one
    at, _ = _reach(other, sums + theta)
    following = torch.cat([positions[..., 1:], positions[..., :1] + 1], dim=-1)
    return (positions - at).abs() ** p - (following - at).abs() ** p


def _by_halving(one, other, p):
    """The shift at which the cost, convex in it, is least."""
    low = torch.full_like(one[0][..., :1], LOW)
    high = torch.full_like(low, HIGH)
    for _ in range(STEPS):
        theta = (low + high) / 2
        rises = _slopes(one, other, theta, p).sum(-1, keepdim=True) > 0
        low, high = torch.where(rises, low, theta), torch.where(rises, theta, high)
    return (low + high) / 2


def _snapped(theta, around, one, other):
    """The shift at which two sums are level, where that is within rounding: no sliver remains."""
    sums, others = one[0], other[0]
    levels = sums + around[0]
    _, below = _reach(other, levels)
    _, above = _reach(other, sums + around[1])
    level = others.gather(-1, below) + (levels - _fraction(levels)).round() - sums
    level = torch.where(below == above, torch.inf, level)
    found = level.gather(-1, (level - theta).abs().argmin(-1, keepdim=True))
    return torch.where(found.isfinite(), found, theta)


def _potential(one, other, around, p):
    """Kantorovich potential of the first measure, on its support.

    Its differences are those of the cost with respect to the sums, to either side of the optimal
    shift, mixed so that they add up to zero around the circle.
    """
    falls, rises = (_slopes(one, other, theta, p) for theta in around)
    down, up = falls.sum(-1, keepdim=True), rises.sum(-1, keepdim=True)
    share = torch.where(up > down, (up / (up - down)).clamp(0, 1), 0.5)
    mixed = share * falls + (1 - share) * rises
    return mixed - mixed.cumsum(-1)


def _transform(potential, one, other, around, sign, p):
    """The largest potential of the other measure beside it: also where that has no mass.

    Of all bins of the one measure only those at the level of the other one's bin compete.
    """
    sums, positions = other
    found = []
    for theta in around:
        at, index = _reach(one, sums + sign * theta)
        found.append((positions - at).abs() ** p - potential.gather(-1, index))
    return torch.minimum(*found)


def _mean(potential, masses):
    total = masses.sum(-1, keepdim=True)
    return (potential * masses).sum(-1, keepdim=True) / torch.where(total > 0, total, 1.0)
