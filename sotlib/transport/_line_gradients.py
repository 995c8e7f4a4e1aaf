"""Compiled derivatives of transport on a line, of one merged row; see `_line_merge.py`."""

import numpy as np
from numba import njit


@njit
def cost(d, p):
    """Of moving by `d`: abs(d) ** p."""
    if p == 2.0:
        return d * d
    if p == 1.0:
        return abs(d)
    return abs(d) ** p


@njit
def _slope(d, p):
    """The derivative of `cost`."""
    if p == 2.0:
        return 2.0 * d
    if p == 1.0:
        return np.sign(d)
    return p * np.sign(d) * abs(d) ** (p - 1.0)


@njit
def settle_edges(a, b, rank_a, rank_b, end):
    """Equal sums at level 0 or `end` have one side only: the bins above, and below, that level."""
    j = 0
    while b[j] <= 0.0:
        j += 1
    i = 0
    while a[i] <= 0.0:
        rank_a[i] = j
        i += 1
    first, k = np.int64(-1), b.shape[0] - 2
    while k >= 0 and b[k] >= end:
        if b[k] == end:
            if first < 0:  # of a to reach it; all sums of b at this level have the same rank
                first = np.int64(rank_b[k])
                while first > 0 and a[first - 1] == end:
                    first -= 1
            rank_b[k] = first
        k -= 1


@njit
def weight_gradient(grad, slopes, size, cum, other, nearest, u, v, rank, end, tail, p):
    """Derivative with respect to each weight, which raises its own and all later sums.

    Raising a sum prolongs the stay at one position at the expense of the next, while the other
    measure sits at bin `rank`. nearest[rank]: that sum of the other measure which may be equal.
    """
    slopes, counted = slopes[:size], size - 1
    while counted > 0 and cum[counted - 1] > end:
        counted -= 1
    tied = 0
    for k in range(counted):
        r = rank[k]
        slopes[k] = cost(u[k] - v[r], p) - cost(u[k + 1] - v[r], p)
        tied += (nearest[r] == cum[k]) & (cum[k] < end)
    slopes[counted:] = 0.0
    if tied > 0:
        _average_ties(slopes, counted, cum, other, u, v, rank, end, p)
    _sum_from_the_end(slopes, tail, grad)


@njit
def _average_ties(slopes, counted, cum, other, u, v, rank, end, p):
    """Where a sum of the other measure lies at the same level, it sits at two bins.

    It is at `left` just below that level and at `right` just above.
    """
    level = np.nan
    for k in range(counted):
        if cum[k] != level:
            level = cum[k]
            left = right = rank[k]
            while left > 0 and other[left - 1] == level:
                left -= 1
            while other[right] == level:
                right += 1
        if 0.0 < level < end:
            below = cost(u[k] - v[left], p) - cost(u[k + 1] - v[left], p)
            above = cost(u[k] - v[right], p) - cost(u[k + 1] - v[right], p)
            slopes[k] = 0.5 * (below + above)


@njit(fastmath={"reassoc"})
def _total(values):
    total = 0.0
    for k in range(values.shape[0]):
        total += values[k]
    return total


@njit
def _sum_from_the_end(slopes, tail, sums):
    """sums[k] = tail + slopes[k] + slopes[k + 1] + …, in four quarters side by side."""
    size = slopes.shape[0]
    quarter = size // 4
    s0, s1 = slopes[:quarter], slopes[quarter : 2 * quarter]
    s2, s3 = slopes[2 * quarter : 3 * quarter], slopes[3 * quarter :]
    t3 = tail
    t2 = t3 + _total(s3)
    t1 = t2 + _total(s2)
    t0 = t1 + _total(s1)
    for k in range(s3.shape[0] - 1, quarter - 1, -1):
        t3 += s3[k]
        sums[3 * quarter + k] = t3
    for k in range(quarter - 1, -1, -1):
        t0 += s0[k]
        t1 += s1[k]
        t2 += s2[k]
        t3 += s3[k]
        sums[k], sums[quarter + k] = t0, t1
        sums[2 * quarter + k], sums[3 * quarter + k] = t2, t3


@njit
def position_gradient(grad_u, grad_v, a, b, u, v, n, m, end, p):
    """Derivatives with respect to the positions: each bin moves what passes through it."""
    grad_u[:], grad_v[:] = 0.0, 0.0
    i, j, level = 0, 0, 0.0
    for _ in range(n + m):
        upper = min(min(a[i], b[j]), end)
        added = (upper - level) * _slope(u[i] - v[j], p)
        grad_u[min(i, n - 1)] += added
        grad_v[min(j, m - 1)] -= added
        level = upper
        if a[i] <= b[j]:
            i += 1
        else:
            j += 1
