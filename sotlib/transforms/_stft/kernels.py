"""Compiled loops of the short-time Fourier transform: frames, overlap-add, and magnitudes.

Real and imaginary parts alternate in rows without a further axis, what differs at the edges stands
behind the loop, and constants are of the numbers' own type, since an integer beside a float32 makes
Numba go on in double precision: so the compiler works on many bins at once.
"""

import numpy as np

from sotlib._core.compiled import compiled


@compiled()
def frames(padded, window, hop, out):
    """Windowed frames (signals, frames, size) of signals (signals, samples)."""
    size = window.shape[0]
    for signal in range(out.shape[0]):
        for frame in range(out.shape[1]):
            samples = padded[signal, frame * hop : frame * hop + size]
            piece = out[signal, frame]
            for k in range(size):
                piece[k] = samples[k] * window[k]


@compiled()
def overlap_add(pieces, window, hop, out):
    """Add windowed frames (signals, frames, size) to signals (signals, samples)."""
    size = window.shape[0]
    for signal in range(pieces.shape[0]):
        for frame in range(pieces.shape[1]):
            samples = out[signal, frame * hop : frame * hop + size]
            piece = pieces[signal, frame]
            for k in range(size):
                samples[k] += piece[k] * window[k]


@compiled(fastmath=True)
def magnitudes(spectrum, power, out):
    """Magnitudes (rows, bins) of a spectrum (rows, 2 · bins), or their squares if `power` is 2."""
    for row in range(out.shape[0]):
        pairs, magnitude = spectrum[row], out[row]
        for k in range(magnitude.shape[0]):
            real, imaginary = pairs[2 * k], pairs[2 * k + 1]
            square = real * real + imaginary * imaginary
            magnitude[k] = square if power == 2 else np.sqrt(square)


# NumPy's division gives inf or NaN; Python's would need a branch to raise an error.
@compiled(error_model="numpy")
def slopes(spectrum, power, grad, magnitude, size):
    """Overwrite a spectrum with the gradient that the inverse FFT of `size` brings to the frames.

    `grad` is that with respect to `magnitude`, which `magnitudes` gave. Where a magnitude is 0 its
    direction is unknown and the gradient is 0.
    """
    for row in range(grad.shape[0]):
        pairs, slope, x = spectrum[row], grad[row], magnitude[row]
        one, infinite = grad.dtype.type(1), grad.dtype.type(np.inf)
        for k in range(slope.shape[0]):
            scale = slope[k]
            if power == 1:  # first the direction: the slope over a small magnitude may overflow
                half = one / (x[k] + x[k] if x[k] > 0 else infinite)
                pairs[2 * k] *= half
                pairs[2 * k + 1] *= half
            pairs[2 * k] *= scale
            pairs[2 * k + 1] *= scale
        _double_edges(pairs, size)


# Weights and floor come in the dtype of the magnitudes.
@compiled(fastmath={"reassoc", "nsz", "contract", "arcp"}, error_model="numpy")
def differences(
    spectrum, ours, other, log_ours, log_other, linear, logarithmic, floor, p, size, sums
):
    """Sums (signals, 2) of linear and logarithmic differences, added to `sums`.

    `spectrum` becomes their gradient, as in `slopes` with `power` 1; `ours` are its magnitudes.
    """
    frames = ours.shape[0] // sums.shape[0]
    zero, one, infinite = type(linear)(0), type(linear)(1), type(linear)(np.inf)
    for row in range(ours.shape[0]):
        pairs, x, y = spectrum[row], ours[row], other[row]
        log_x, log_y = log_ours[row], log_other[row]
        linear_sum, log_sum = zero, zero
        for k in range(x.shape[0]):
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
                slope += direction / (x[k] if x[k] >= floor else infinite)
            half = one / (x[k] + x[k] if x[k] > zero else infinite)
            pairs[2 * k] = pairs[2 * k] * half * slope
            pairs[2 * k + 1] = pairs[2 * k + 1] * half * slope
        _double_edges(pairs, size)
        sums[row // frames, 0] += linear_sum
        sums[row // frames, 1] += log_sum


@compiled(fastmath={"reassoc", "nsz", "contract", "arcp"}, error_model="numpy")
def convergence(spectrum, ours, other, log_ours, log_other, floor, share, norms, size, sums):
    """Spectral convergence plus mean distance of log magnitudes, of each signal, into `sums`.

    `ours` are powers of the spectrum and become magnitudes, `other` are magnitudes, logarithms are
    those of powers, all but the first floored; `share` is one over the number of bins of a signal.
    The spectrum becomes the gradient, as in `slopes` with `power` 1.
    """
    frames = ours.shape[0] // sums.shape[0]
    zero, one, infinite = type(share)(0), type(share)(1), type(share)(np.inf)
    for signal in range(sums.shape[0]):
        squares, logs = 0.0, 0.0
        for row in range(signal * frames, (signal + 1) * frames):
            x, y, log_x, log_y = ours[row], other[row], log_ours[row], log_other[row]
            square_sum, log_sum = zero, zero
            for k in range(x.shape[0]):
                inside = x[k] >= floor
                x[k] = np.sqrt(max(x[k], floor))
                square_sum += (x[k] - y[k]) * (x[k] - y[k])
                log_sum += abs(log_x[k] - log_y[k])
                # What is left of this array is the sign, and 0 where the floor hides the bin.
                log_x[k] = _signed(share, log_x[k] - log_y[k]) if inside else infinite
            squares += square_sum
            logs += log_sum
        distance = np.sqrt(squares)
        sums[signal] = distance / norms[signal] + logs * share / 2
        scale = type(share)(1.0 / (distance * norms[signal]) if distance > 0.0 else 0.0)
        for row in range(signal * frames, (signal + 1) * frames):
            pairs, x, y, direction = spectrum[row], ours[row], other[row], log_ours[row]
            for k in range(x.shape[0]):
                slope = scale * (x[k] - y[k]) + direction[k] / x[k]
                slope = slope * (one / (x[k] + x[k])) if direction[k] < infinite else zero
                pairs[2 * k] *= slope
                pairs[2 * k + 1] *= slope
            _double_edges(pairs, size)


@compiled()
def _signed(weight, difference):
    zero = type(weight)(0)
    return weight if difference > zero else (-weight if difference < zero else zero)


@compiled()
def _double_edges(pairs, size):
    """Bins without a mirror image: the inverse FFT counts all others twice."""
    pairs[0] *= 2
    if size % 2 == 0:
        pairs[-2] *= 2
