"""Compiled kernel of `circle.py`: cost and derivatives of rows, by linear merges of their two sums.

`_circle_sort.py` is the same mathematics written with sorts, and explains the units. All sums run
in double precision.
"""

import numpy as np
from numba import njit

from sotlib._core.compiled import compiled
from sotlib._core.pieces import in_pieces
from sotlib.transport._circle_sort import APART, HIGH, LOW, STEPS
from sotlib.transport._line_gradients import _slope, cost

# Numba notices changes in this file only: see `_line_merge.py`.
HELPERS = ("transport/_circle_sort.py", "transport/_line_gradients.py")
CLOSE = 2e-14  # shifts that are one, up to rounding
SUM = "44bdf5f5d1b7cb14"


@njit
def _cumulate(weights, sums):
    """Cumulative sums as shares of the whole; of no mass, of an even one.

    Returns the whole, or NaN where a weight is negative or not finite.
    """
    total, size, negative = 0.0, weights.shape[0], 0
    for k in range(size):
        negative += weights[k] < 0
        total += weights[k]
        sums[k] = total
    if negative > 0 or not total < np.inf:
        return np.nan
    for k in range(size):
        sums[k] = sums[k] / total if total > 0.0 else (k + 1) / size
        if sums[k] >= 1.0 - 1e-12:
            sums[k] = 1.0
    return total


@njit
def _first_above(sums, level):
    """The bin in which a level lies, and how many times around the circle."""
    turn = np.floor(level)
    k = np.searchsorted(sums, level - turn, side="right")
    return (0, turn + 1.0) if k == sums.shape[0] else (k, turn)


@njit
def _slopes(sums, positions, others, other_positions, theta, p, slopes):
    """Derivative of the cost with respect to each sum.

    Returns that with respect to `theta`, and how far up and down it stays so: until two sums meet.
    """
    size, total, up, down = sums.shape[0], 0.0, np.inf, np.inf
    j, turn = _first_above(others, sums[0] + theta)
    for k in range(size):
        level = sums[k] + theta
        while others[j] + turn <= level:
            j += 1
            if j == others.shape[0]:
                j, turn = 0, turn + 1.0
        at = other_positions[j] + turn
        following = positions[k + 1] if k + 1 < size else positions[0] + 1.0
        slopes[k] = cost(positions[k] - at, p) - cost(following - at, p)
        total += slopes[k]
        up = min(up, others[j] + turn - level)
        down = min(down, level - (others[j - 1] + turn if j > 0 else turn))
    return total, up, down


@njit
def _search(a, b, u, v, p, slopes):
    """The shift at which the cost, convex in it, is least.

    Where its derivative, which steps up, would be 0 if it were straight, and in the middle, in
    turn, until a single step is left.
    """
    low, high = LOW, HIGH
    at_low, at_high = (
        _slopes(a, u, b, v, low, p, slopes)[0],
        _slopes(a, u, b, v, high, p, slopes)[0],
    )
    first, last = low, high  # steps in between
    for k in range(2 * STEPS):
        if last - first < CLOSE or high - low < CLOSE:
            break
        share = at_low / (at_low - at_high) if k % 2 == 0 and at_low < at_high else 0.5
        theta = low + min(max(share, 0.01), 0.99) * (high - low)
        slope, up, down = _slopes(a, u, b, v, theta, p, slopes)
        if slope > 0.0:
            high, at_high, last = theta, slope, theta - down
        else:
            low, at_low, first = theta, slope, theta + up
    return min(max((first + last) / 2.0, low), high)


@njit
def _snapped(a, b, theta):
    """The shift at which two sums are level, where that is within rounding: no sliver remains."""
    found, nearest = theta, np.inf
    for k in range(a.shape[0]):
        j, turn = _first_above(b, a[k] + theta - APART)
        level = b[j] + turn - a[k]
        if level <= theta + APART and abs(level - theta) < nearest:
            found, nearest = level, abs(level - theta)
    return found


@njit
def _value(a, b, u, v, theta, p, gu, gv):
    """Cost of the shift; adds its derivatives by positions, where these have entries."""
    i, j, level, total = 0, 0, 0.0, 0.0
    while a[i] <= 0.0:
        i += 1
    j, turn = _first_above(b, theta)
    while level < 1.0:
        end_a, end_b = a[i], b[j] + turn - theta
        end = min(min(end_a, end_b), 1.0)
        if end > level:
            d = u[i] - v[j] - turn
            total += (end - level) * cost(d, p)
            if gu.shape[0] > 0:
                slope = (end - level) * _slope(d, p)
                gu[i] += slope
                gv[j] -= slope
            level = end
        if end_a <= end_b:
            i += 1
            if i == a.shape[0]:
                break
        else:
            j += 1
            if j == b.shape[0]:
                j, turn = 0, turn + 1.0
    return total


@njit
def _potential(a, b, u, v, theta, p, falls, f):
    """Kantorovich potential of the first measure, on its support."""
    down = _slopes(a, u, b, v, theta - APART, p, falls)[0]
    up = _slopes(a, u, b, v, theta + APART, p, f)[0]
    share = min(max(up / (up - down), 0.0), 1.0) if up > down else 0.5
    level = 0.0
    for k in range(a.shape[0]):
        slope = share * falls[k] + (1.0 - share) * f[k]
        f[k] = level
        level -= slope


@njit
def _transform(f, a, u, b, v, theta, p, g):
    """The largest potential of the second measure beside `f`: also where that has no mass."""
    g[:] = np.inf
    for side in (-APART, APART):
        i, turn = _first_above(a, b[0] + theta + side)
        for k in range(b.shape[0]):
            level = b[k] + theta + side
            while a[i] + turn <= level:
                i += 1
                if i == a.shape[0]:
                    i, turn = 0, turn + 1.0
            g[k] = min(g[k], cost(v[k] - u[i] - turn, p) - f[i])


@njit
def _balance(f, g, a, b):
    """Let both potentials have the same share in the cost."""
    gap = g[0] * b[0] - f[0] * a[0]
    for k in range(1, a.shape[0]):
        gap -= f[k] * (a[k] - a[k - 1])
    for k in range(1, b.shape[0]):
        gap += g[k] * (b[k] - b[k - 1])
    f += gap / 2.0
    g -= gap / 2.0


@compiled()
def merge_rows(aw, bw, up, vp, p, period, start, stop, value, ga, gb, gu, gv):
    """Cost of rows `start` … `stop - 1`, and those derivatives whose arrays have rows."""
    n, m = aw.shape[1], bw.shape[1]
    a, b, u, v = np.empty(n), np.empty(m), np.empty(n), np.empty(m)
    f, g, slopes = np.empty(n), np.empty(m), np.empty(n)
    du, dv = np.zeros(n if gu.shape[0] > 0 else 0), np.zeros(m if gu.shape[0] > 0 else 0)
    unit = period**p
    for row in range(start, stop):
        total_a, total_b = _cumulate(aw[row], a), _cumulate(bw[row], b)
        mass = (total_a + total_b) / 2.0
        value[row] = mass  # NaN tells the caller that a weight is not one
        if not mass > 0.0:
            ga[row : row + 1], gb[row : row + 1] = 0.0, 0.0
            gu[row : row + 1], gv[row : row + 1] = 0.0, 0.0
            continue
        u[:] = up[row % up.shape[0]] / period
        v[:] = vp[row % vp.shape[0]] / period
        theta = _search(a, b, u, v, p, slopes)
        du[:], dv[:] = 0.0, 0.0
        value[row] = mass * unit * _value(a, b, u, v, _snapped(a, b, theta), p, du, dv)
        if gu.shape[0] > 0:
            gu[row] = du * (mass * period ** (p - 1.0))
            gv[row] = dv * (mass * period ** (p - 1.0))
        if ga.shape[0] > 0 or gb.shape[0] > 0:
            _potential(a, b, u, v, theta, p, slopes, f)
            _transform(f, a, u, b, v, -theta, p, g)
            _transform(g, b, v, a, u, theta, p, f)
            _balance(f, g, a, b)
            if ga.shape[0] > 0:
                ga[row] = f * unit
            if gb.shape[0] > 0:
                gb[row] = g * unit


def merge(aw, bw, up, vp, p, period, wanted, threads):
    """Run `merge_rows` over all rows on `threads` threads."""
    rows = aw.shape[0]
    value = np.empty(rows)
    grads = [
        np.empty((rows if want else 0, like.shape[1]), like.dtype)
        for want, like in zip(wanted, (aw, bw, up, vp), strict=True)
    ]
    arguments = (aw, bw, up, vp, float(p), float(period))
    if rows * (aw.shape[1] + bw.shape[1]) < 2_000:
        threads = 1
    in_pieces(lambda low, high: merge_rows(*arguments, low, high, value, *grads), rows, threads)
    return value, *grads
