"""Compiled solver of `unbalanced.py`: the potentials of one row, by shooting along the line.

Masses ``a``, ``b`` and positions ``u``, ``v`` (in units of the reach, increasing) have potentials
``f``, ``g`` (in units of the penalty) with ``f + g <= c``. The plan has the marginals ``a exp(-f)``
and ``b exp(-g)`` and follows a path of cells (i, j) with ``f + g = c``: where the row has mass left
it goes on to the next column, else to the next row. So one number, f of the first row, gives
all others. It lowers what rows and raises what columns take; the surplus of the rows falls
with it, and the right one ends the path with a surplus of 0.

Where the surplus is 0 within the path, at a *tie*, the next cell is (i + 1, j + 1), and its
potential is free between those of the two ways around. A root that lies in such a jump ends a block
there, and the next block is found in the same way.
"""

import math

import numpy as np
from numba import njit

from sotlib.transport._line_gradients import cost

NUDGE = 4e-15
HIGHEST = 600.0  # exponents beyond it are out of range, and far from any root
TINY, HUGE = 1e-280, 1e300


@njit
def _mass(weight, potential):
    return weight * math.exp(min(-potential, HIGHEST))


@njit
def _shoot(a, b, u, v, rest_a, rest_b, p, i, j, start, f, g):
    """Follow the path from the cell (i, j), where f is `start`; potentials go to f and g.

    Returns whether the rows have a surplus, the shift of `start` that would balance the end, the
    shift to the nearest tie, whether there is no nearer one, and the cell of that tie.
    """
    n, m = a.shape[0], b.shape[0]
    close = 1.0 - 20.0 * NUDGE * (1.0 + abs(start))  # what may be rounding is no nearer tie
    f[i], g[j] = start, cost(u[i] - v[j], p) - start
    rows, columns = _mass(a[i], f[i]), _mass(b[j], g[j])
    above, above_i, above_j, above_sure = HUGE, i, j, False
    below, below_i, below_j, below_sure = 1 / HUGE, i, j, False
    while True:
        ratio = rows / columns if columns > TINY else HUGE if rows > TINY else 1.0
        last_row, last_column = i + 1 == n, j + 1 == m
        surplus = rows >= columns
        if last_row == last_column:  # else there is one way only
            if surplus and ratio < above * close:
                above, above_i, above_j, above_sure = ratio, i, j, True
            elif not surplus and ratio * close > below:
                below, below_i, below_j, below_sure = ratio, i, j, True
        if last_row and last_column:
            break
        if last_row or (surplus and not last_column):
            j += 1
            g[j] = cost(u[i] - v[j], p) - f[i]
            if surplus and v[j] >= u[i] and not last_row:
                most = columns + _mass(rest_b[j], g[j])  # that columns take if the row goes on
                if rows > most:
                    if rows < above * most * close:
                        above, above_sure = rows / most, False
                    break
            columns += _mass(b[j], g[j])
        else:
            i += 1
            f[i] = cost(u[i] - v[j], p) - g[j]
            if not surplus and u[i] >= v[j] and not last_column:
                most = rows + _mass(rest_a[i], f[i])
                if columns > most:
                    if most * close > below * columns:
                        below, below_sure = most / columns, False
                    break
            rows += _mass(a[i], f[i])
    step = 0.5 * (math.log(max(rows, TINY)) - math.log(max(columns, TINY)))
    if rows >= columns:
        return True, step, 0.5 * math.log(above), above_sure, above_i, above_j
    return False, step, 0.5 * math.log(below), below_sure, below_i, below_j


@njit
def _block(a, b, u, v, rest_a, rest_b, p, i, j, low, high, f, g):
    """Find the potentials of the block that begins at (i, j), between `low` and `high` there.

    Returns the cell that it ends with; one before (i, j) where all potentials between leave a
    surplus (the row before), or lack (the column before).
    """
    first = high == np.inf
    has_low, low_path, low_tie, low_sure, low_i, low_j = False, 1, 0.0, False, i, j
    has_high, high_path, high_tie, high_sure, high_i, high_j = False, 2, 0.0, False, i, j
    spare = 3
    now = 0.5 * cost(u[0] - v[0], p) if first else high
    for trial in range(300):
        more, step, tie, sure, ci, cj = _shoot(
            a, b, u, v, rest_a, rest_b, p, i, j, now, f[spare], g[spare]
        )
        nudge = NUDGE * (1.0 + abs(now))
        if not first and trial == 0 and more:
            return i, j - 1
        if not first and trial == 1 and not more:
            return i - 1, j
        if more:
            low, low_tie, low_sure, low_i, low_j = now, now + tie, sure, ci, cj
            low_path, spare, has_low = spare, low_path, True
            wanted = low_tie + nudge if trial % 3 == 1 else now + step + nudge
        else:
            high, high_tie, high_sure, high_i, high_j = now, now + tie, sure, ci, cj
            high_path, spare, has_high = spare, high_path, True
            wanted = high_tie - nudge if trial % 3 == 1 else now + step - nudge
        if not first and trial == 0:
            now = low
            continue
        if not (has_low and has_high):
            wanted = now + (wanted - now) * 2.0**trial
        else:
            if (low_sure or high_sure) and low_tie >= high_tie - 4.0 * nudge:
                break
            if high - low <= nudge:
                break
            if trial % 3 == 2 or not low < wanted < high:
                wanted = 0.5 * (low + high)
        now = wanted
    path, shift, ci, cj = low_path, low_tie - low, low_i, low_j
    if high_sure and not (low_sure and low_i + low_j <= high_i + high_j):
        path, shift, ci, cj = high_path, high_tie - high, high_i, high_j
    for k in range(i, ci + 1):
        f[0, k] = f[path, k] + shift
    for k in range(j, cj + 1):
        g[0, k] = g[path, k] - shift
    return ci, cj


@njit
def potentials(a, b, u, v, rest_a, rest_b, p, f, g):
    """Write the potentials of positive masses; `rest_a` and `rest_b` are sums from each to the end.

    `f` and `g` have four rows: the first for the result, the others for paths.
    """
    n, m = a.shape[0], b.shape[0]
    i, j = _block(a, b, u, v, rest_a, rest_b, p, 0, 0, -np.inf, np.inf, f, g)
    while i + 1 < n or j + 1 < m:
        ci, cj = (i + 1, j) if j + 1 == m else (i, j + 1)
        if i + 1 < n and j + 1 < m:
            low = cost(u[i + 1] - v[j + 1], p) - cost(u[i] - v[j + 1], p) + f[0, i]
            high = cost(u[i + 1] - v[j], p) - g[0, j]
            room = 1e-13 * (1.0 + abs(low) + abs(high))  # a tie within rounding is no end
            ci, cj = _block(
                a, b, u, v, rest_a, rest_b, p, i + 1, j + 1, low - room, high + room, f, g
            )
        # What hangs on the block before has a mass below its rounding.
        if ci == i:
            g[0, cj] = cost(u[i] - v[cj], p) - f[0, i]
        elif cj == j:
            f[0, ci] = cost(u[ci] - v[j], p) - g[0, j]
        i, j = ci, cj
