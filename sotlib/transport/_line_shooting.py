"""Compiled solver of `unbalanced.py`: the potentials of one row, by shooting along the line.

Masses ``a``, ``b`` and positions ``u``, ``v`` (in units of the reach, increasing) have potentials
``f``, ``g`` (in units of the penalty) with ``f + g <= c``. The plan has the marginals ``a exp(-f)``
and ``b exp(-g)`` and follows a path of cells (i, j) with ``f + g = c``: where the row has mass left
it goes on to the next column, else to the next row. So one number, f of the first row, gives
all others. It lowers what rows and raises what columns take; the surplus of the rows falls
with it, and the right one ends the path with a surplus of 0.

Where the surplus is 0 within the path, at a *tie*, the next cell is (i + 1, j + 1), and its
potential is free between those of the two ways around. A root that lies in such a jump ends a block
there, and the next block is found in the same way. If none of these potentials balances it, the
block before has something left, or lacks it, below its rounding; then that is the number sought,
and the block goes on with the potentials of the one before: it is *pinned*.
"""

import math

import numpy as np
from numba import njit

from sotlib.transport._line_gradients import cost
from sotlib.transport._line_paths import Line, Paths, Stem, grown, share, shoot, tie

NUDGE = 4e-15
LITTLE = 1e-260  # the least surplus that a block goes on with
LOW, HIGH, SPARE = 1, 2, 3  # paths; 0 is the result


@njit
def _block(line, paths, stem, low, high, unit):
    """Find the block on from a stem, whose number, the first to be tried, is `high` if that is one.

    Between infinite ones the number is searched, if pinned beyond `unit`, of its sign.
    Returns the stem at the block's end, for the number found, and 0; or any, and 1 where even
    `high` leaves a surplus, -1 where even `low` leaves none, or a pinned one has the other sign.
    """
    bounded, has_low, has_high = high < np.inf, False, False
    low_path, high_path, spare = LOW, HIGH, SPARE
    number, stuck, cells, wanted = stem.number, 0, -1, np.nan
    for trial in range(2000):
        if shoot(line, paths, spare, stem, number):
            low, low_path, spare, has_low = number, spare, low_path, True
        else:
            high, high_path, spare, has_high = number, spare, high_path, True
        if not (has_low and has_high):
            if bounded and (has_low or trial == 1):
                return stem, number, 1 if has_low else -1
            if bounded:
                number = low
            elif not stem.pinned:
                number += (0.02 if has_low else -0.02) * 4.0**trial
            elif trial > 0:
                number *= 16.0
            elif has_low == (unit > 0.0):
                number = 2.0 * unit
            else:
                return stem, number, -1
            continue
        if stem.pinned or high - low < 1.0:  # within the range of exponents
            stem = grown(line, paths, stem, low, low_path, high_path)
        nudge = NUDGE * (max(abs(low), abs(high)) + (0.0 if stem.pinned else 1.0))
        at_end = stem.i + 1 == line.a.shape[0] and stem.j + 1 == line.b.shape[0]
        if high - low <= (1.0 if at_end else 4.0 * nudge):
            break
        stuck = stuck + 1 if stem.i + stem.j == cells else 0
        cells = stem.i + stem.j
        if stuck % 4 == 2:  # where it parts for the third time: does the block end there?
            wanted = tie(line, stem, low) + nudge
        elif stuck % 4 == 3 and number == wanted:  # not above
            wanted = number - 2.0 * nudge
        else:
            wanted = np.nan
        number = wanted if low < wanted < high else 0.5 * (low + high)
    return stem, min(max(tie(line, stem, low), low), high), 0


@njit
def _single(i, j, number):
    """The stem of one cell, where f is `number`."""
    return Stem(i, j, number, False, number, 0.0, 0.0, 0.0, 0.0, True)


@njit
def _pinned(i, j, number, f):
    """The stem of one cell whose potentials are known."""
    return Stem(i, j, number, True, f, 0.0, 0.0, np.inf, np.inf, True)


@njit
def _after(line, paths, i, j):
    """Find the block after the one that ends at (i, j), with its potentials; returns its end."""
    a, b, u, v, _, _, p = line
    f, g, c = paths.f[0], paths.g[0], cost(u[i + 1] - v[j + 1], p)
    next_f, next_g = cost(u[i + 1] - v[j], p) - g[j], cost(u[i] - v[j + 1], p) - f[i]
    f[i + 1], g[j + 1] = 0.0, c
    room = 1e-13 * (1.0 + abs(c - next_g) + abs(next_f))  # a tie within rounding is no end
    low, high = c - next_g - room, next_f + room
    stem, number, side = _block(line, paths, _single(i + 1, j + 1, high), low, high, 0.0)
    if side == 0:
        f[i + 1 : stem.i + 1] += number
        g[j + 1 : stem.j + 1] -= number
        return stem.i, stem.j
    more = side > 0
    unit = a[i + 1] * share(next_f) if more else -b[j + 1] * share(next_g)
    unit = math.copysign(max(abs(unit), LITTLE), unit)
    stem = _pinned(i, j, math.copysign(LITTLE, unit), f[i])
    stem, _, side = _block(line, paths, stem, -np.inf, np.inf, unit)
    if side == 0:
        return stem.i, stem.j
    f[i + 1], g[j + 1] = next_f, next_g  # of these two the one that goes on
    return i + more, j + (not more)


@njit
def potentials(a, b, u, v, rest_a, rest_b, p, f, g):
    """Write the potentials of positive masses; `rest_a` and `rest_b` are sums from each to the end.

    `f` and `g` have four rows: the first for the result, the others for paths.
    """
    n, m = a.shape[0], b.shape[0]
    line = Line(a, b, u, v, rest_a, rest_b, p)
    paths = Paths(f, g, np.empty((4, n + m), np.bool_), np.zeros(4, np.int64))
    c = cost(u[0] - v[0], p)
    f[0, 0], g[0, 0] = 0.0, c
    stem, number, _ = _block(line, paths, _single(0, 0, 0.5 * c), -np.inf, np.inf, 0.0)
    i, j = stem.i, stem.j
    f[0, : i + 1] += number
    g[0, : j + 1] -= number
    while i + 1 < n and j + 1 < m:
        i, j = _after(line, paths, i, j)
    # What hangs on the last block has a mass below its rounding.
    for k in range(i + 1, n):
        f[0, k] = cost(u[k] - v[j], p) - g[0, j]
    for k in range(j + 1, m):
        g[0, k] = cost(u[i] - v[k], p) - f[0, i]
