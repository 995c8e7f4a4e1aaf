"""Compiled kernel of `unbalanced.py`: cost and derivatives of rows, see there for the mathematics.

All sums run in double precision. `_line_shooting.py` finds the potentials of two unit masses; bins
without mass have none of their own, and get what a little mass there would have.
"""

import math

import numpy as np
from numba import njit

from sotlib._core.compiled import compiled
from sotlib.transport._line_bins import cumulated, kept_bins, put_back
from sotlib.transport._line_gradients import cost, position_gradient
from sotlib.transport._line_shooting import potentials

HELPERS = (  # as in `_line_merge.py`
    "transport/_line_bins.py",
    "transport/_line_gradients.py",
    "transport/_line_paths.py",
    "transport/_line_shooting.py",
)
SUM = "ce1e5c36eea9b450"
NOTHING = 1e-30  # of the mass: what has less decides nothing
LEAST = math.log(1e-15)  # potential of such a bin: its derivative shall remain a number


@njit
def _same(one, other, n, m):
    for k in range(min(n, m)):
        if one[k] != other[k]:
            return False
    return n == m


@njit
def _sums_from(masses, count, rest):
    total = 0.0
    for k in range(count - 1, -1, -1):
        total += masses[k]
        rest[k] = total


@njit
def _reached(own, other, count, other_count, first, last):
    """The first and the last bin of the other measure that each bin shares mass with."""
    j = 0
    for k in range(count):
        first[k] = j
        while j + 1 < other_count and other[j] < own[k]:
            j += 1
        last[k] = j


@njit
def _everywhere(weights, at, kept, count, values, other_at, other_values, first, last, p, out):
    """Potentials of all bins: where there is no mass, the least cost minus the other's potential.

    Only bins that the two neighbours with mass reach can be the least; one more, for rounding.
    """
    k, other_count = 0, other_at.shape[0]
    for i in range(weights.shape[0]):
        if k < count and weights[i] > kept:
            out[i] = values[k]
            k += 1
            continue
        out[i] = np.inf
        for neighbour in (k - 1, k):
            if 0 <= neighbour < count:
                for side in (first[neighbour], last[neighbour]):
                    for j in range(max(side - 1, 0), min(side + 2, other_count)):
                        out[i] = min(out[i], cost(at[i] - other_at[j], p) - other_values[j])
        out[i] = max(out[i], LEAST)


@njit
def _marginal(masses, values, count, left):
    """What a potential leaves of the masses."""
    for k in range(count):
        left[k] = masses[k] * math.exp(-values[k])


@njit
def _lost(masses, values, count):
    """What the marginal that a potential leaves lacks of the masses."""
    lost = 0.0
    for k in range(count):
        lost -= masses[k] * math.expm1(-values[k])
    return lost


@njit
def _slopes(values, ratio, penalty, grad):
    """Derivative by each weight: its penalty, times the share that its marginal lacks."""
    for k in range(values.shape[0]):
        grad[k] = penalty * (1.0 - ratio - ratio * math.expm1(-values[k]))


@compiled()
def unbalanced_rows(xw, yw, xp, yp, p, reach, start, stop, value, gx, gy, gu, gv):
    """Cost of rows `start` … `stop - 1`, and those derivatives whose arrays have rows.

    xw, yw : (rows, n) and (rows, m); xp, yp : (1 or rows, ·), sorted, in units of the reach.
    """
    size_x, size_y = xw.shape[1], yw.shape[1]
    a, b, u, v = np.empty(size_x), np.empty(size_y), np.empty(size_x + 1), np.empty(size_y + 1)
    rest_a, rest_b = np.empty(size_x), np.empty(size_y)
    sum_a, sum_b = np.empty(size_x + 1), np.empty(size_y + 1)
    f, g = np.empty((4, size_x)), np.empty((4, size_y))
    all_f, all_g = np.empty(size_x), np.empty(size_y)
    first_a, last_a = np.empty(size_x, np.int64), np.empty(size_x, np.int64)
    first_b, last_b = np.empty(size_y, np.int64), np.empty(size_y, np.int64)
    penalty = reach**p
    for row in range(start, stop):
        at_x, at_y = xp[row % xp.shape[0]], yp[row % yp.shape[0]]
        n, total_x = kept_bins(xw[row], at_x, NOTHING, a, u)
        m, total_y = kept_bins(yw[row], at_y, NOTHING, b, v)
        value[row] = penalty * (total_x + total_y)
        gu[row : row + 1], gv[row : row + 1] = 0.0, 0.0  # none where it has no rows
        if n == 0 or m == 0:  # nothing, or silence, beside which all is lost
            gx[row : row + 1] = penalty if n > 0 else 0.0
            gy[row : row + 1] = penalty if m > 0 else 0.0
            continue
        a[:n] /= total_x
        b[:m] /= total_y
        if _same(a, b, n, m) and _same(u, v, n, m):
            f[0, :n], g[0, :n] = 0.0, 0.0
        else:
            _sums_from(a, n, rest_a)
            _sums_from(b, m, rest_b)
            potentials(a[:n], b[:m], u[:n], v[:m], rest_a, rest_b, p, f, g)
        shape = _lost(a, f[0], n) + _lost(b, g[0], m)
        _marginal(a, f[0], n, a)
        _marginal(b, g[0], m, b)
        cumulated(a, n, sum_a)
        cumulated(b, m, sum_b)
        _reached(sum_a, sum_b, n, m, first_a, last_a)
        _reached(sum_b, sum_a, m, n, first_b, last_b)
        least_x, least_y = NOTHING * total_x, NOTHING * total_y
        _everywhere(xw[row], at_x, least_x, n, f[0], v[:m], g[0], first_a, last_a, p, all_f)
        _everywhere(yw[row], at_y, least_y, m, g[0], u[:n], f[0], first_b, last_b, p, all_g)

        root_x, root_y = math.sqrt(total_x), math.sqrt(total_y)
        louder = (total_x - total_y) / (root_x + root_y)
        value[row] = penalty * (louder * louder + root_x * root_y * shape)
        if gx.shape[0] > 0:
            _slopes(all_f, root_y / root_x, penalty, gx[row])
        if gy.shape[0] > 0:
            _slopes(all_g, root_x / root_y, penalty, gy[row])
        if gu.shape[0] > 0:
            end = min(sum_a[n - 1], sum_b[m - 1])
            u[n], v[m] = u[n - 1], v[m - 1]
            position_gradient(f[1, :n], g[1, :m], sum_a, sum_b, u, v, n, m, end, p)
            unit = penalty / reach * root_x * root_y
            put_back(xw[row], least_x, f[1], unit, gu[row])
            put_back(yw[row], least_y, g[1], unit, gv[row])
