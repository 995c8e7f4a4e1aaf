"""Compiled loops of `_spectral_difference`.

Real and imaginary parts alternate in rows without a further axis, and what differs at the edges
stands behind the loop: so the compiler works on many bins at once.
"""

import numpy as np

from sotlib._compiled import compiled


@compiled(fastmath=True)
def magnitudes(spectrum, out):
    """Magnitudes (rows, bins) of a spectrum (rows, 2 · bins)."""
    for row in range(out.shape[0]):
        pairs, magnitude = spectrum[row], out[row]
        for k in range(magnitude.shape[0]):
            real, imaginary = pairs[2 * k], pairs[2 * k + 1]
            magnitude[k] = np.sqrt(real * real + imaginary * imaginary)


# NumPy's division gives inf or NaN; Python's would need a branch to raise an error.
@compiled(fastmath={"reassoc", "nsz", "contract", "arcp"}, error_model="numpy")
def differences(spectrum, ours, other, log_ours, log_other, linear, logarithmic, floor, p, size):
    """Sums of both terms; `spectrum` is overwritten with the gradient, as the inverse FFT needs it.

    Weights and floor come in the dtype of the magnitudes. Where a magnitude is 0 its direction is
    unknown and the gradient is 0.
    """
    sums = np.zeros(2)
    zero = linear * 0
    bins = ours.shape[1]
    for row in range(ours.shape[0]):
        pairs, x, y = spectrum[row], ours[row], other[row]
        log_x, log_y = log_ours[row], log_other[row]
        linear_sum, log_sum = zero, zero
        for k in range(bins):
            difference = x[k] - y[k]
            if p == 1:
                slope = _signed(linear, difference)
                linear_sum += abs(difference)
            else:
                slope = linear * (difference + difference)
                linear_sum += difference * difference
            if logarithmic != zero:
                difference = log_x[k] - log_y[k]
                if p == 1:
                    direction = _signed(logarithmic, difference)
                    log_sum += abs(difference)
                else:
                    direction = logarithmic * (difference + difference)
                    log_sum += difference * difference
                slope += direction / x[k] if x[k] >= floor else zero
            # The inverse FFT counts inner bins twice.
            scale = slope / (x[k] + x[k]) if x[k] > zero else zero
            pairs[2 * k] *= scale
            pairs[2 * k + 1] *= scale
        pairs[0] *= 2
        if size % 2 == 0:
            pairs[2 * bins - 2] *= 2
        sums[0] += linear_sum
        sums[1] += log_sum
    return sums


@compiled()
def _signed(weight, difference):
    zero = weight * 0
    return weight if difference > zero else (-weight if difference < zero else zero)
