"""Compiled loops of `_spectral_difference`."""

import numpy as np

from sotlib._compiled import compiled


@compiled(fastmath=True)
def magnitudes(spectrum, out):
    """Magnitudes (rows, bins) of a spectrum (rows, bins, 2)."""
    for row in range(out.shape[0]):
        for k in range(out.shape[1]):
            real, imaginary = spectrum[row, k, 0], spectrum[row, k, 1]
            out[row, k] = np.sqrt(real * real + imaginary * imaginary)


@compiled(fastmath={"reassoc", "nsz", "contract", "arcp"})
def differences(spectrum, ours, other, log_ours, log_other, linear, logarithmic, floor, p, size):
    """Sums of both terms; `spectrum` is overwritten with the gradient, as the inverse FFT needs it.

    Where a magnitude is 0 its direction is unknown and the gradient is 0.
    """
    sums = np.zeros(2)
    bins = ours.shape[1]
    for row in range(ours.shape[0]):
        linear_sum, log_sum = 0.0, 0.0
        for k in range(bins):
            magnitude = ours[row, k]
            difference = magnitude - other[row, k]
            if p == 1:
                slope = linear * np.sign(difference)
                linear_sum += abs(difference)
            else:
                slope = linear * 2.0 * difference
                linear_sum += difference * difference
            if logarithmic != 0.0:
                difference = log_ours[row, k] - log_other[row, k]
                if p == 1:
                    direction = np.sign(difference)
                    log_sum += abs(difference)
                else:
                    direction = 2.0 * difference
                    log_sum += difference * difference
                if magnitude >= floor:
                    slope += logarithmic * direction / magnitude
            if k > 0 and 2 * k < size:
                slope *= 0.5
            scale = slope / magnitude if magnitude > 0.0 else 0.0
            spectrum[row, k, 0] *= scale
            spectrum[row, k, 1] *= scale
        sums[0] += linear_sum
        sums[1] += log_sum
    return sums
