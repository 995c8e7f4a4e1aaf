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

import numpy as np
from numba import njit

from sotlib.transport._line_gradients import cost
from sotlib.transport._line_paths import HIGH, LOW, Line, Paths, Stem, grown, share, shoot, tie

NUDGE = 4e-15
LITTLE = 1e-260  # the least surplus that a block goes on with


@njit
def _free(i, j):
    """The stem of one cell whose f is the number."""
    return Stem(i, j, 0.0, False, 0.0, 0.0, 0.0, 0.0, 0.0, True)


@njit
def _pinned(i, j, f):
    """The stem of one cell whose potentials are known."""
    return Stem(i, j, 0.0, True, f, 0.0, 0.0, np.inf, np.inf, True)


@njit
def _found(line, paths, stem):
    """The stem of the whole block that begins with it, and its number, which two paths enclose."""
    stuck, cells, wanted, number = 0, -1, np.nan, np.nan
    for _ in range(2000):
        low, high = paths.number[LOW], paths.number[HIGH]
        if stem.pinned or high - low < 1.0:  # within the range of exponents
            stem = grown(line, paths, stem)
        nudge = NUDGE * (max(abs(low), abs(high)) + (0.0 if stem.pinned else 1.0))
        at_end = stem.i + 1 == line.a.shape[0] and stem.j + 1 == line.b.shape[0]
        if high - low <= (1.0 if at_end else 4.0 * nudge):
            break
        stuck = stuck + 1 if stem.i + stem.j == cells else 0
        cells = stem.i + stem.j
        if stuck % 4 == 2:  # where they part for the third time: does the block end there?
            wanted = tie(line, stem, low) + nudge
        elif stuck % 4 == 3 and number == wanted:  # not above
            wanted = number - 2.0 * nudge
        else:
            wanted = np.nan
        number = wanted if low < wanted < high else 0.5 * (low + high)
        shoot(line, paths, stem, number)
    low, high = paths.number[LOW], paths.number[HIGH]
    return stem, min(max(tie(line, stem, low), low), high)


@njit
def _settled(paths, i, j, stem, number):
    """Add its number to the potentials of a block that begins at (i, j); returns its end."""
    paths.f[0, i : stem.i + 1] += number
    paths.g[0, j : stem.j + 1] -= number
    return stem.i, stem.j


@njit
def _first(line, paths):
    """Find the first block, with its potentials; returns its end."""
    c = cost(line.u[0] - line.v[0], line.p)
    paths.f[0, 0], paths.g[0, 0] = 0.0, c
    stem, number, step = _free(0, 0), 0.5 * c, 0.02
    rising = shoot(line, paths, stem, number)
    while True:
        number += step if rising else -step
        if shoot(line, paths, stem, number) != rising:
            return _settled(paths, 0, 0, *_found(line, paths, stem))
        step *= 4.0


@njit
def _after(line, paths, i, j):
    """Find the block after the one that ends at (i, j), with its potentials; returns its end."""
    a, b, u, v, _, _, p = line
    f, g, c = paths.f[0], paths.g[0], cost(u[i + 1] - v[j + 1], p)
    next_f, next_g = cost(u[i + 1] - v[j], p) - g[j], cost(u[i] - v[j + 1], p) - f[i]
    f[i + 1], g[j + 1] = 0.0, c
    stem = _free(i + 1, j + 1)
    room = 1e-13 * (1.0 + abs(c - next_g) + abs(next_f))  # a tie within rounding is no end
    more = shoot(line, paths, stem, next_f + room)
    if not more and shoot(line, paths, stem, c - next_g - room):
        return _settled(paths, i + 1, j + 1, *_found(line, paths, stem))
    # Even the end of the range leaves a surplus, or none.
    sign = 1.0 if more else -1.0
    stem, number = _pinned(i, j, f[i]), sign * LITTLE
    if shoot(line, paths, stem, number) == more:
        number = sign * max(a[i + 1] * share(next_f) if more else b[j + 1] * share(next_g), LITTLE)
        while shoot(line, paths, stem, 2.0 * number) == more:
            number *= 16.0
        stem, _ = _found(line, paths, stem)
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
    turns, end = np.empty((4, n + m), np.bool_), np.zeros(4, np.int64)
    paths = Paths(f, g, turns, end, np.array([1, 2, 3]), np.empty(2))
    i, j = _first(line, paths)
    while i + 1 < n and j + 1 < m:
        i, j = _after(line, paths, i, j)
    # What hangs on the last block has a mass below its rounding.
    for k in range(i + 1, n):
        f[0, k] = cost(u[k] - v[j], p) - g[0, j]
    for k in range(j + 1, m):
        g[0, k] = cost(u[i] - v[k], p) - f[0, i]
