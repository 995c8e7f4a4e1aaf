"""Compiled kernel of `partial.py`: cost and derivatives of rows, by cheapest augmentations.

`p` and `q` are the parts of the masses `a` and `b` that are moved. They grow: each step adds the
same amount to the row and the column for which that costs least, and moves between them what lies
there. With them grows ``surplus``, the cumulative sum of p minus that of q, on the path of cells
that transport of p to q follows. Where the row comes first, potentials along the path with ties
taken as a surplus are the costs of an addition; where the column does, rows and columns change
places. Beside these, two bins next to each other can take from each other.
"""

import numpy as np
from numba import njit

from sotlib._core.compiled import compiled
from sotlib.transport._line_bins import cumulated, kept_bins, put_back
from sotlib.transport._line_gradients import cost, position_gradient

HELPERS = ("transport/_line_bins.py", "transport/_line_gradients.py")  # as in `_line_merge.py`
SUM = "71e8e35510f2e8bb"
ROUNDING = 1e-13  # of the smaller mass


@njit
def _cheapest(a, b, u, v, p, q, order, surpluses):
    """The cheapest addition to a row and to a column further along the path.

    Returns its cost, the row, the column, and how much can be added before the costs change.
    """
    n, m = a.shape[0], b.shape[0]
    i, j, step, surplus = 0, 0, 0, p[0] - q[0]
    f, g = 0.0, cost(u[0] - v[0], order)
    best, row, column, begin, end = np.inf, 0, 0, 0, 0
    source, source_f, source_step, new_row, new_column = -1, np.inf, 0, True, True
    while True:
        if new_row and a[i] - p[i] > ROUNDING and f < source_f:
            source, source_f, source_step = i, f, step
        if new_column and b[j] - q[j] > ROUNDING and source_f + g < best:
            best, row, column, begin, end = source_f + g, source, j, source_step, step
        if abs(surplus) <= ROUNDING:
            surplus = 0.0
        surpluses[step] = surplus
        step += 1
        if i + 1 == n and j + 1 == m:
            break
        new_column = i + 1 == n or (surplus >= 0.0 and j + 1 < m)
        new_row = not new_column
        if new_column:
            j += 1
            g = cost(u[i] - v[j], order) - f
            surplus -= q[j]
        else:
            i += 1
            f = cost(u[i] - v[j], order) - g
            surplus += p[i]
    most = np.inf
    if best < np.inf:
        most = min(a[row] - p[row], b[column] - q[column])
        for k in range(begin, end):
            if surpluses[k] < 0.0:
                most = min(most, -surpluses[k])
    return best, row, column, most


@njit
def _nearest(a, b, u, v, p, q, order):
    """The cheapest addition to two bins with room between which there is none with room."""
    n, m = a.shape[0], b.shape[0]
    i, j, row, column, best, best_row, best_column = 0, 0, -1, -1, np.inf, 0, 0
    while i < n or j < m:
        if j == m or (i < n and u[i] <= v[j]):
            if a[i] - p[i] > ROUNDING:
                row = i
            i += 1
        else:
            if b[j] - q[j] > ROUNDING:
                column = j
            j += 1
        if row >= 0 and column >= 0 and cost(u[row] - v[column], order) < best:
            best, best_row, best_column = cost(u[row] - v[column], order), row, column
    most = min(a[best_row] - p[best_row], b[best_column] - q[best_column])
    return best, best_row, best_column, most


@njit
def _stay(a, b, u, v, p, q, wanted):
    """Let mass stay that both measures have at one place; returns what is left to move."""
    i, j = 0, 0
    while i < a.shape[0] and j < b.shape[0] and wanted > 0.0:
        if u[i] == v[j]:
            most = min(a[i] - p[i], b[j] - q[j], wanted)
            p[i] += most
            q[j] += most
            wanted -= most
        if u[i] < v[j] or (u[i] == v[j] and a[i] == p[i]):
            i += 1
        else:
            j += 1
    return wanted


@njit
def _grow(a, b, u, v, p, q, wanted, order, surpluses):
    """Let p and q grow from nothing to a mass; returns the cost of the last addition by mass."""
    p[:], q[:] = 0.0, 0.0
    wanted = _stay(a, b, u, v, p, q, wanted)
    last = 0.0
    while wanted > ROUNDING:
        best, row, column, most = _cheapest(a, b, u, v, p, q, order, surpluses)
        back, column_back, row_back, most_back = _cheapest(b, a, v, u, q, p, order, surpluses)
        if back < best:
            best, row, column, most = back, row_back, column_back, most_back
        near, row_near, column_near, most_near = _nearest(a, b, u, v, p, q, order)
        if near < best:
            best, row, column, most = near, row_near, column_near, most_near
        if not best < np.inf:
            break  # all is moved but for rounding
        most = min(most, wanted)
        p[row] += most
        q[column] += most
        wanted -= most
        last = best
    return last


@njit
def _settle(a, b, p, q, rows, columns, f, g, last):
    """Fix the potentials of a block by a bin that has room: f = 0 for rows, `last` for columns."""
    low, high = np.inf, np.inf
    for i in rows:
        high = min(high, -f[i])
    for j in columns:
        low = min(low, last - g[j])
    shift = 0.5 * (high - low)
    for i in rows:
        if a[i] - p[i] > ROUNDING:
            shift = -f[i]
    for j in columns:
        if b[j] - q[j] > ROUNDING:
            shift = g[j] - last
    for i in rows:
        f[i] = min(f[i] + shift, 0.0)
    for j in columns:
        g[j] = min(g[j] - shift, last)


@njit
def _potentials(a, b, u, v, p, q, order, last, f, g):
    """Derivatives by rows, f, and, above `last`, by columns, g: 0 for those that have room."""
    f[: a.shape[0]], g[: b.shape[0]] = 0.0, last
    rows, columns = np.nonzero(p > ROUNDING)[0], np.nonzero(q > ROUNDING)[0]
    n, m = rows.shape[0], columns.shape[0]
    i, j, first_i, first_j = 0, 0, 0, 0
    surplus, begins = 0.0, True
    while i < n and j < m:
        row, column = rows[i], columns[j]
        if begins:
            f[row], surplus = 0.0, p[row] - q[column]
            g[column] = cost(u[row] - v[column], order)
        ends = abs(surplus) <= ROUNDING or (i + 1 == n and j + 1 == m)
        begins = ends
        if ends:
            block = rows[first_i : i + 1], columns[first_j : j + 1]
            _settle(a, b, p, q, block[0], block[1], f, g, last)
            i, j = i + 1, j + 1
            first_i, first_j = i, j
        elif (surplus > 0.0 and j + 1 < m) or i + 1 == n:
            j += 1
            g[columns[j]] = cost(u[row] - v[columns[j]], order) - f[row]
            surplus -= q[columns[j]]
        else:
            i += 1
            f[rows[i]] = cost(u[rows[i]] - v[column], order) - g[column]
            surplus += p[rows[i]]


@compiled()
def partial_rows(xw, yw, xp, yp, order, amount, relative, start, stop, value, gx, gy, gu, gv):
    """Cost of rows `start` … `stop - 1`, and those derivatives whose arrays have rows.

    xw, yw : (rows, n) and (rows, m); xp, yp : (1 or rows, ·), sorted.
    """
    size_x, size_y = xw.shape[1], yw.shape[1]
    a, b, u, v = np.empty(size_x), np.empty(size_y), np.empty(size_x + 1), np.empty(size_y + 1)
    p, q, f, g = np.empty(size_x), np.empty(size_y), np.empty(size_x), np.empty(size_y)
    sum_p, sum_q, surpluses = np.empty(size_x + 1), np.empty(size_y + 1), np.empty(size_x + size_y)
    for row in range(start, stop):
        at_x, at_y = xp[row % xp.shape[0]], yp[row % yp.shape[0]]
        n, total_x = kept_bins(xw[row], at_x, 10 * ROUNDING, a, u)
        m, total_y = kept_bins(yw[row], at_y, 10 * ROUNDING, b, v)
        smaller = min(total_x, total_y)
        value[row] = 0.0 * (total_x + total_y)  # NaN tells the caller that a weight is not one
        gx[row : row + 1], gy[row : row + 1] = 0.0, 0.0  # none where it has no rows
        gu[row : row + 1], gv[row : row + 1] = 0.0, 0.0
        if n == 0 or m == 0:
            continue
        a[:n] /= smaller
        b[:m] /= smaller
        wanted = min(amount if relative else amount / smaller, 1.0)
        p_, q_ = p[:n], q[:m]
        last = _grow(a[:n], b[:m], u[:n], v[:m], p_, q_, wanted, order, surpluses)
        cumulated(p, n, sum_p)
        cumulated(q, m, sum_q)
        u[n], v[m] = u[n - 1], v[m - 1]
        end = min(sum_p[n - 1], sum_q[m - 1])
        value[row] = smaller * _moved(sum_p, sum_q, u, v, n, m, end, order)
        if gx.shape[0] > 0 or gy.shape[0] > 0:
            _potentials(a[:n], b[:m], u[:n], v[:m], p_, q_, order, last, f, g)
            g[:m] -= last
            if relative:  # what is moved grows with the smaller mass
                balanced = abs(total_x - total_y) <= ROUNDING * smaller
                share = 0.5 * amount if balanced else amount
                f[:n] += share * last if balanced or total_x < total_y else 0.0
                g[:m] += share * last if balanced or total_y < total_x else 0.0
            if gx.shape[0] > 0:
                put_back(xw[row], 10 * ROUNDING * total_x, f, 1.0, gx[row])
            if gy.shape[0] > 0:
                put_back(yw[row], 10 * ROUNDING * total_y, g, 1.0, gy[row])
        if gu.shape[0] > 0:
            position_gradient(f[:n], g[:m], sum_p, sum_q, u, v, n, m, end, order)
            put_back(xw[row], 10 * ROUNDING * total_x, f, smaller, gu[row])
            put_back(yw[row], 10 * ROUNDING * total_y, g, smaller, gv[row])


@njit
def _moved(sum_p, sum_q, u, v, n, m, end, order):
    """The cost of the transport between two measures with these cumulative sums."""
    i, j, level, total = 0, 0, 0.0, 0.0
    for _ in range(n + m):
        upper = min(min(sum_p[i], sum_q[j]), end)
        total += (upper - level) * cost(u[i] - v[j], order)
        level = upper
        if sum_p[i] <= sum_q[j]:
            i += 1
        else:
            j += 1
    return total
