"""Compiled helpers of kernels on a line: the bins that have mass, and values put back to them."""

import numpy as np
from numba import njit


@njit
def kept_bins(weights, at, nothing, masses, places):
    """Write the masses above a share of all, and their positions; returns how many, and the sum.

    NaN where a weight is negative or not finite.
    """
    total = 0.0
    for k in range(weights.shape[0]):
        if not weights[k] >= 0.0:
            return 0, np.nan
        total += weights[k]
    count = 0
    for k in range(weights.shape[0]):
        if weights[k] > nothing * total:
            masses[count], places[count] = weights[k], at[k]
            count += 1
    return count, total if total < np.inf else np.nan


@njit
def put_back(weights, least, values, unit, grad):
    """Values of the bins that have mass, times a unit, among all."""
    k = 0
    for i in range(weights.shape[0]):
        if weights[i] > least:
            grad[i] = unit * values[k]
            k += 1


@njit
def cumulated(masses, count, sums):
    """Cumulative sums, with an infinite one at the end."""
    total = 0.0
    for k in range(count):
        total += masses[k]
        sums[k] = total
    sums[count] = np.inf
