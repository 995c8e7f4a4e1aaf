"""Compiled helpers of `_line_shooting.py`: paths of cells, and what a sheaf of them shares.

All paths between two that enclose the root begin with the cells that these two share, the *stem*,
which is followed once. They part at a tie, and the root is there or on one side of it.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from sotlib.transport._line_gradients import cost

LOW, HIGH, SPARE = 0, 1, 2
HIGHEST = 600.0  # exponents beyond it are out of range, and far from any root
TINY, HUGE = 1e-280, 1e250  # outside, masses are compared by the least potentials


class Line(NamedTuple):
    """Masses and their positions, the sums of masses from each to the end, and the cost's order."""

    a: np.ndarray
    b: np.ndarray
    u: np.ndarray
    v: np.ndarray
    rest_a: np.ndarray
    rest_b: np.ndarray
    p: float


class Paths(NamedTuple):
    """Four paths, the first of them the result, and which of the others now are what."""

    f: np.ndarray
    g: np.ndarray
    turns: np.ndarray
    """Whether (i, j) is followed by a column, at i + j."""
    end: np.ndarray
    """i + j of the last cell."""
    now: np.ndarray
    """The nearest path with a surplus, the nearest without, and the one to be overwritten."""
    number: np.ndarray
    """Of the first two."""


class Stem(NamedTuple):
    """What holds at the last cell, (i, j), of a stem for a certain number."""

    i: int
    j: int
    number: float
    """f of the first row; where pinned, what columns take besides."""
    pinned: bool
    f: float
    """Of row i."""
    rows: float
    """What rows leave, and columns take, up to here."""
    columns: float
    least_f: float
    """Of all f and g up to here."""
    least_g: float
    first: bool
    """Whether there is no cell before."""


@njit
def share(potential):
    return math.exp(min(-potential, HIGHEST))


@njit
def _moved(line, stem, number):
    """f, rows, columns and the least f and g of a stem for another number."""
    change = number - stem.number
    if stem.pinned:
        rows, columns = stem.rows + max(-number, 0.0), stem.columns + max(number, 0.0)
        return stem.f, rows, columns, stem.least_f, stem.least_g
    if stem.first:  # by any change
        g = cost(line.u[stem.i] - line.v[stem.j], line.p) - number
        rows, columns = line.a[stem.i] * share(number), line.b[stem.j] * share(g)
        return number, rows, columns, number, g
    ratio = math.exp(-change)
    least_f, least_g = stem.least_f + change, stem.least_g - change
    return stem.f + change, stem.rows * ratio, stem.columns / ratio, least_f, least_g


@njit
def _surplus(rows, columns, f, g):
    return rows >= columns if TINY < rows + columns < HUGE else f <= g


@njit
def tie(line, stem, low):
    """The number for no surplus at the end of a stem, given one, `low`, for which it holds."""
    _, rows, columns, least_f, least_g = _moved(line, stem, low)
    if stem.pinned:
        return low + (rows - columns)
    if TINY < rows + columns < HUGE:
        return low + 0.5 * (math.log(max(rows, TINY)) - math.log(max(columns, TINY)))
    return low + 0.5 * (least_g - least_f)


@njit
def shoot(line, paths, stem, number):
    """Follow the path on from a stem; it becomes one of the nearest. Returns whether `LOW`."""
    a, b, u, v, rest_a, rest_b, p = line
    f, g, turns = paths.f, paths.g, paths.turns
    n, m, k = a.shape[0], b.shape[0], paths.now[SPARE]
    i, j = stem.i, stem.j
    f[k, i], rows, columns, least_f, least_g = _moved(line, stem, number)
    g[k, j] = cost(u[i] - v[j], p) - f[k, i]
    while i + 1 < n or j + 1 < m:
        surplus = _surplus(rows, columns, least_f, least_g)
        turns[k, i + j] = i + 1 == n or (surplus and j + 1 < m)
        if turns[k, i + j]:
            j += 1
            g[k, j] = cost(u[i] - v[j], p) - f[k, i]
            kept, least_g = share(g[k, j]), min(least_g, g[k, j])
            if surplus and v[j] >= u[i] and i + 1 < n:
                most = columns + kept * rest_b[j]  # that columns take if the row goes on
                if _surplus(rows, most, least_f, least_g):
                    break
            columns += kept * b[j]
        else:
            i += 1
            f[k, i] = cost(u[i] - v[j], p) - g[k, j]
            kept, least_f = share(f[k, i]), min(least_f, f[k, i])
            if not surplus and u[i] >= v[j] and j + 1 < m:
                most = rows + kept * rest_a[i]
                if not _surplus(most, columns, least_f, least_g):
                    break
            rows += kept * a[i]
    paths.end[k] = i + j
    side = LOW if _surplus(rows, columns, least_f, least_g) else HIGH
    paths.number[side] = number
    paths.now[side], paths.now[SPARE] = k, paths.now[side]
    return side == LOW


@njit
def grown(line, paths, stem):
    """The stem with all cells on from it that the two nearest paths share, for the low number.

    Potentials go to the result, free ones less that number.
    """
    one, other, low = paths.now[LOW], paths.now[HIGH], paths.number[LOW]
    i, j = stem.i, stem.j
    f, g, turns, others = paths.f[one], paths.g[one], paths.turns[one], paths.turns[other]
    _, rows, columns, least_f, least_g = _moved(line, stem, 0.0 if stem.pinned else low)
    shift = 0.0 if stem.pinned else low
    end = min(paths.end[one], paths.end[other])
    while i + j < end and turns[i + j] == others[i + j]:
        if turns[i + j]:
            j += 1
            columns += line.b[j] * share(g[j])
            least_g = min(least_g, g[j])
            paths.g[0, j] = g[j] + shift
        else:
            i += 1
            rows += line.a[i] * share(f[i])
            least_f = min(least_f, f[i])
            paths.f[0, i] = f[i] - shift
    first = stem.first and i == stem.i and j == stem.j
    return Stem(i, j, low, stem.pinned, f[i], rows, columns, least_f, least_g, first)
