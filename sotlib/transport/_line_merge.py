"""Compiled kernel of `line.py`: cost and derivatives of rows, by a linear merge of their two sums.

`line.py` explains the conventions; `_line_sort.py` is the same mathematics written with sorts. All
sums run in double precision. Arrays of a row carry one entry more than the measure has bins: an
infinite sum at the end, and the last position repeated, so that a measure stays at its last bin
beyond its own mass.
"""

import numpy as np
from numba import njit

from sotlib._core.compiled import compiled
from sotlib._core.pieces import in_pieces
from sotlib.transport._line_gradients import cost, position_gradient, settle_edges, weight_gradient

# Numba notices changes in this file only, so that it would go on with the machine code of old
# helpers: whoever changes one of these files writes their new sum here. A test tells it.
HELPERS = ("transport/_line_gradients.py",)
SUM = "8e175de55cb52d49"
CHAINS = 4


@njit
def _cumulate(weights, sums):
    """Cumulative sums; returns the total, or NaN where a weight is negative or not finite.

    Each addition waits for the one before: four quarters are summed side by side.
    """
    quarter, size = weights.shape[0] // 4, weights.shape[0]
    w0, w1, w2 = weights[:quarter], weights[quarter : 2 * quarter], weights[2 * quarter :]
    w3, s0, s1 = weights[3 * quarter :], sums[:quarter], sums[quarter : 2 * quarter]
    s2, s3 = sums[2 * quarter : 3 * quarter], sums[3 * quarter : size]
    t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
    for k in range(quarter):
        t0 += w0[k]
        t1 += w1[k]
        t2 += w2[k]
        t3 += w3[k]
        s0[k], s1[k], s2[k], s3[k] = t0, t1, t2, t3
    for k in range(quarter, s3.shape[0]):
        t3 += w3[k]
        s3[k] = t3
    s1 += t0
    s2 += t0 + t1
    s3 += t0 + t1 + t2
    sums[-1] = np.inf
    total, negative = s3[-1], 0
    for k in range(size):
        negative += weights[k] < 0
    return total if negative == 0 and total < np.inf else np.nan


@njit
def _snap(cumulative, size, total):
    """Set sums this close to the total to it: rounding must not reorder the last bins."""
    k = size - 1
    while k >= 0 and cumulative[k] >= total * (1.0 - 1e-12):
        cumulative[k] = total
        k -= 1
    return k + 1


@njit
def _split(a, b, n, m, diagonal):
    """How many of the first `diagonal` merged sums come from `a` (ties: `a` first)."""
    low, high = max(0, diagonal - m), min(diagonal, n)
    while low < high:
        i = (low + high) // 2
        if a[i] <= b[diagonal - i - 1]:
            low = i + 1
        else:
            high = i
    return low


@njit
def _step(a, b, u, v, rank_a, rank_b, i, j, level, end, p):
    """One step of the merge without a branch; ranks are overwritten until they are final."""
    rank_a[i] = j
    rank_b[j] = i
    upper = min(min(a[i], b[j]), end)
    added = (upper - level) * cost(u[i] - v[j], p)
    from_a = np.uint64(a[i] <= b[j])
    return i + from_a, j + (np.uint64(1) - from_a), upper, added


@njit
def _merge_row(a, b, u, v, rank_a, rank_b, n, m, end, p):
    """Cost up to level `end`.

    rank_a[i]: the first bin of b whose sum reaches a[i]; rank_b[j]: the first of a that exceeds it.

    The merge is a chain of dependent loads and comparisons. It is cut into four chains of equal
    length, worked on in turn, so that the processor overlaps their latencies.
    """
    quarter = (n + m) // CHAINS
    starts = np.empty(CHAINS, np.int64)
    levels = np.zeros(CHAINS)
    for c in range(CHAINS):
        i = _split(a, b, n, m, c * quarter)
        j = c * quarter - i
        starts[c] = i
        if i > 0:
            levels[c] = a[i - 1]
        if j > 0:
            levels[c] = max(levels[c], b[j - 1])
        levels[c] = min(levels[c], end)
    one, two, three = np.uint64(quarter), np.uint64(2 * quarter), np.uint64(3 * quarter)
    i0, i1 = np.uint64(starts[0]), np.uint64(starts[1])
    i2, i3 = np.uint64(starts[2]), np.uint64(starts[3])
    j0, j1, j2, j3 = np.uint64(0), one - i1, two - i2, three - i3
    l0, l1, l2, l3 = levels[0], levels[1], levels[2], levels[3]
    cost0, cost1, cost2, cost3 = 0.0, 0.0, 0.0, 0.0
    for _ in range(quarter):
        i0, j0, l0, c0 = _step(a, b, u, v, rank_a, rank_b, i0, j0, l0, end, p)
        i1, j1, l1, c1 = _step(a, b, u, v, rank_a, rank_b, i1, j1, l1, end, p)
        i2, j2, l2, c2 = _step(a, b, u, v, rank_a, rank_b, i2, j2, l2, end, p)
        i3, j3, l3, c3 = _step(a, b, u, v, rank_a, rank_b, i3, j3, l3, end, p)
        cost0 += c0
        cost1 += c1
        cost2 += c2
        cost3 += c3
    for _ in range(n + m - CHAINS * quarter):
        i3, j3, l3, c3 = _step(a, b, u, v, rank_a, rank_b, i3, j3, l3, end, p)
        cost3 += c3
    for c in range(1, CHAINS):  # the chain before may have written over these ranks
        i, j = starts[c], c * quarter - starts[c]
        while i + j < n + m and (i == starts[c] or j == c * quarter - starts[c]):
            if a[i] <= b[j]:
                rank_a[i] = j
                i += 1
            else:
                rank_b[j] = i
                j += 1
    return cost0 + cost1 + cost2 + cost3


@compiled()
def merge_rows(xw, yw, xp, yp, p, cutoff, tol, start, stop, value, gx, gy, gu, gv):
    """Cost of rows `start` … `stop - 1`, and those derivatives whose arrays have rows.

    xw, yw : (rows, n) and (rows, m); xp, yp : (1 or rows, ·), sorted.
    """
    n, m = xw.shape[1], yw.shape[1]
    below, b, u, v = np.empty(n + 2), np.empty(m + 1), np.empty(n + 1), np.empty(m + 1)
    below[0], a = -np.inf, below[1:]  # below[i] = a[i - 1]
    rank_a, rank_b = np.zeros(n + 1, np.uint32), np.zeros(m + 1, np.uint32)
    slopes = np.empty(max(n, m))
    for row in range(start, stop):
        if row == start or xp.shape[0] > 1:
            u[:n] = xp[row % xp.shape[0]]
            u[n] = u[n - 1]
        if row == start or yp.shape[0] > 1:
            v[:m] = yp[row % yp.shape[0]]
            v[m] = v[m - 1]
        total_x, total_y = _cumulate(xw[row], a), _cumulate(yw[row], b)
        value[row] = total_x + total_y  # NaN tells the caller that a weight is not one
        if not value[row] > 0.0:
            gx[row : row + 1], gy[row : row + 1] = 0.0, 0.0  # none where it has no rows
            gu[row : row + 1], gv[row : row + 1] = 0.0, 0.0
            continue
        larger = max(total_x, total_y)
        balanced = abs(total_x - total_y) <= tol * larger
        if balanced:
            b[:m] *= total_x / total_y
            larger = total_y = total_x
        first_x, first_y = _snap(a, n, total_x), _snap(b, m, total_y)
        end = larger
        if cutoff:
            end = min(end, total_x if abs(total_x - 1.0) <= tol else 1.0)

        value[row] = _merge_row(a, b, u, v, rank_a, rank_b, n, m, end, p)
        settle_edges(a, b, rank_a, rank_b, end)
        grows = not balanced and end == larger
        last = cost(u[n - 1] - v[m - 1], p)
        if gx.shape[0] > 0:
            tail = last if grows and total_x > total_y else 0.0
            weight_gradient(gx[row], slopes, n, a, b, b, u, v, rank_a, end, tail, p)
        if gy.shape[0] > 0:
            tail = last if grows and total_y > total_x else 0.0
            weight_gradient(gy[row], slopes, m, b, a, below, v, u, rank_b, end, tail, p)
        if gx.shape[0] > 0 and gy.shape[0] > 0 and balanced and end == larger:
            # Equal masses fix the potentials up to a constant: on the support f + g is the cost.
            pair = cost(u[first_x] - v[first_y], p)
            shift = 0.5 * (pair - gx[row, first_x] - gy[row, first_y])
            gx[row] += shift
            gy[row] += shift
        if gu.shape[0] > 0:
            position_gradient(gu[row], gv[row], a, b, u, v, n, m, end, p)


def merge(xw, yw, xp, yp, p, cutoff, tol, wanted, threads):
    """Run `merge_rows` over all rows on `threads` threads."""
    rows = xw.shape[0]
    value = np.empty(rows)
    grads = [
        np.empty((rows if want else 0, like.shape[1]), like.dtype)
        for want, like in zip(wanted, (xw, yw, xp, yp), strict=True)
    ]
    arguments = (xw, yw, xp, yp, float(p), bool(cutoff), float(tol))
    if rows * (xw.shape[1] + yw.shape[1]) < 50_000:
        threads = 1
    in_pieces(lambda low, high: merge_rows(*arguments, low, high, value, *grads), rows, threads)
    return value, *grads
