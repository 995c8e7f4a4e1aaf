"""Layers of the pitch encoder for a part of the signals, forth and back; see `_passes.py`.

The channels at one bin lie beside each other, filled up to multiples of 16. The residual
convolution is a product of matrices at each frequency; there, two signals are the real and the
imaginary part of one, which a convolution by real weights keeps apart.

Of the channels that fill up the first is always 1: its weights are the biases of the next layer.
"""

import numpy as np
from numba import njit

from sotlib._core.vector_code import ROWS, address, block_of_one, block_of_three, block_of_two
from sotlib._core.vector_fft import transform as transform_columns

PAIRS = 16
SIGNALS = 2 * PAIRS  # of a part
CHANNELS = (40, 30, 30, 10)
FIRST, SECOND, THIRD, FOURTH = CHANNELS
WIDE, MIDDLE, NARROW = 48, 32, 16
WIDTHS = (WIDE, MIDDLE, MIDDLE, NARROW)  # the channels filled up
BESIDE = PAIRS * WIDE  # numbers at one bin: all channels of the real, or imaginary, signals
TILE = 4  # bins on which the pointwise layers work at once
TAPS = 15
ROOM = 4 * BESIDE


@njit
def multiply(a, b, c0, c, rows, columns, depth):
    """``c = c0 + a @ b``, of matrices within flat arrays: (array, where it begins, distances).

    Distances of rows, for `a` of columns too. `rows` is a multiple of 8; `columns` is 16, 32 or 48.
    """
    right = address(b[0], b[1])
    for r in range(0, rows, ROWS):
        left, start = address(a[0], a[1] + r * a[2]), address(c0[0], c0[1] + r * c0[2])
        out = address(c[0], c[1] + r * c[2])
        if columns == 48:
            block_of_three(left, a[2], a[3], right, b[2], start, c0[2], out, c[2], depth)
        elif columns == 32:
            block_of_two(left, a[2], a[3], right, b[2], start, c0[2], out, c[2], depth)
        else:
            block_of_one(left, a[2], a[3], right, b[2], start, c0[2], out, c[2], depth)


@njit
def slope(x, leak):
    """Of the activation; a choice of factors, unlike one of products, becomes vectors anywhere."""
    return type(leak)(1) if x > 0 else leak


@njit
def leaky(x, leak):
    for k in range(x.shape[0]):
        x[k] *= slope(x[k], leak)


@njit
def scale_by_slope(grad, x, leak):
    """Through `leaky`, of which x is the output or the input: their signs are the same."""
    for k in range(x.shape[0]):
        grad[k] *= slope(x[k], leak)


@njit
def spread(signals, weights, biases, leak, x, bins):
    """First convolution and its activation; x : (2, size, BESIDE), zeros behind the bins."""
    rows, length = -(-bins // ROWS) * ROWS, signals.shape[1]
    numbers, out = signals.reshape(-1), x.reshape(-1)
    for n in range(SIGNALS):
        a = numbers, n * length, 1, 1
        c = out, (n // PAIRS) * x[0].size + (n % PAIRS) * WIDE, BESIDE
        multiply(a, (weights, 0, WIDE), (biases, 0, 0), c, rows, WIDE, TAPS)
    for plane in range(2):
        leaky(x[plane, :bins].reshape(-1), leak)
        x[plane, bins:] = 0


@njit
def transform(x, inverse, fft, out):
    radices, turns, work = fft
    width = work.shape[2]
    for column in range(0, BESIDE, width):
        transform_columns(x, inverse, column, width, radices, turns, work, out)


@njit
def mix(z, matrices, biases, size, y, room):
    """Multiply the channels at each frequency by a complex matrix.

    matrices : (frequencies, 3, FIRST, WIDE) flat, which makes three real products of four;
    `biases` are those of the outputs in time.
    """
    none = np.zeros_like(biases)
    for f in range(size // 2 + 1):
        at = f * 3 * FIRST * WIDE
        _mix_row(z, f, False, matrices, at, biases if f == 0 else none, y, room)
        if 0 < f < size - f:
            _mix_row(z, size - f, True, matrices, at, none, y, room)


@njit
def _mix_row(z, row, negative, matrices, at, biases, y, room):
    """A negative frequency has the conjugate matrix: instead, inputs and outputs are conjugated."""
    space, total, conjugate = room.reshape(-1), room[0], room[1]
    numbers, out, begin, each = z.reshape(-1), y.reshape(-1), row * BESIDE, FIRST * WIDE
    re, im, result = z[0, row], z[1, row], y[1, row]
    a_re, a_im = (numbers, begin, WIDE, 1), (numbers, z[0].size + begin, WIDE, 1)
    if negative:
        for n in range(BESIDE):
            conjugate[n] = -im[n]
            total[n] = re[n] - im[n]
        a_im = space, ROOM, WIDE, 1
    else:
        for n in range(BESIDE):
            total[n] = re[n] + im[n]
    a, common = (space, 0, WIDE, 1), (space, 2 * ROOM, WIDE)
    multiply(a, (matrices, at, WIDE), (biases, 0, 0), common, PAIRS, WIDE, FIRST)
    c = out, y[0].size + begin, WIDE
    multiply(a_re, (matrices, at + each, WIDE), common, c, PAIRS, WIDE, FIRST)
    c = out, begin, WIDE
    multiply(a_im, (matrices, at + 2 * each, WIDE), common, c, PAIRS, WIDE, FIRST)
    if negative:
        for n in range(BESIDE):
            result[n] = -result[n]


@njit
def correlate(z, g, size, by_kernel, room):
    """Add ``conj(z) g`` of all signals at each frequency to `by_kernel`.

    by_kernel : (frequencies, 2, FIRST, WIDE), of inputs and outputs. The conjugate of what a
    negative frequency gives belongs to the positive one. ``room[0]`` lists the inputs, the others
    what they are multiplied by for the real and for the imaginary part.
    """
    space, each = room.reshape(-1), FIRST * WIDE
    for f in range(size // 2 + 1):
        depth = SIGNALS
        _list_factors(z, g, f, 1, room, 0)
        if 0 < f < size - f:
            depth = 2 * SIGNALS
            _list_factors(z, g, size - f, -1, room, 2 * BESIDE)
        for part in range(2):
            c = by_kernel, (2 * f + part) * each, WIDE
            b = space, (1 + part) * ROOM, WIDE
            multiply((space, 0, 1, WIDE), b, c, c, FIRST, WIDE, depth)


@njit
def _list_factors(z, g, f, sign, room, at):
    half, end = at + BESIDE, at + 2 * BESIDE
    _copy(z[0, f], 1, room[0, at:half])
    _copy(z[1, f], 1, room[0, half:end])
    _copy(g[0, f], 1, room[1, at:half])
    _copy(g[1, f], 1, room[1, half:end])
    _copy(g[1, f], sign, room[2, at:half])
    _copy(g[0, f], -sign, room[2, half:end])


@njit
def _copy(x, sign, out):
    """A loop, since an assignment would first look for overlaps."""
    for n in range(BESIDE):
        out[n] = x[n] if sign > 0 else -x[n]


@njit
def pointwise(x, mixed, weights, leak, tiles, rows):
    """The sum of the residual layer and the three pointwise ones, on `rows` rows of channels."""
    summed, second, third, fourth = tiles
    for k in range(rows * WIDE):
        summed[k] = x[k] + mixed[k] * slope(mixed[k], leak)
    none = (weights[-1], 0, 0)
    a, c = (summed, 0, WIDE, 1), (second, 0, MIDDLE)
    multiply(a, (weights[0], 0, MIDDLE), none, c, rows, MIDDLE, FIRST + 1)
    leaky(second[: rows * MIDDLE], leak)
    a, c = (second, 0, MIDDLE, 1), (third, 0, MIDDLE)
    multiply(a, (weights[1], 0, MIDDLE), none, c, rows, MIDDLE, SECOND + 1)
    leaky(third[: rows * MIDDLE], leak)
    a, c = (third, 0, MIDDLE, 1), (fourth, 0, NARROW)
    multiply(a, (weights[2], 0, NARROW), none, c, rows, NARROW, THIRD + 1)
    leaky(fourth[: rows * NARROW], leak)


@njit
def pointwise_back(by_output, weights, leak, tiles, slopes, by_weights, rows):
    """Gradients of `pointwise`; ``slopes[0]`` becomes that of the sum, `by_output` is lost."""
    summed, second, third, fourth = tiles
    by_summed, by_second, by_third = slopes
    none = (weights[-1], 0, 0)
    scale_by_slope(by_output[: rows * NARROW], fourth, leak)
    c = by_weights[2], 0, NARROW
    multiply((third, 0, 1, MIDDLE), (by_output, 0, NARROW), c, c, MIDDLE, NARROW, rows)
    a, c = (by_output, 0, NARROW, 1), (by_third, 0, MIDDLE)
    multiply(a, (weights[5], 0, MIDDLE), none, c, rows, MIDDLE, FOURTH)
    scale_by_slope(by_third[: rows * MIDDLE], third, leak)
    c = by_weights[1], 0, MIDDLE
    multiply((second, 0, 1, MIDDLE), (by_third, 0, MIDDLE), c, c, MIDDLE, MIDDLE, rows)
    a, c = (by_third, 0, MIDDLE, 1), (by_second, 0, MIDDLE)
    multiply(a, (weights[4], 0, MIDDLE), none, c, rows, MIDDLE, THIRD)
    scale_by_slope(by_second[: rows * MIDDLE], second, leak)
    c = by_weights[0], 0, MIDDLE
    multiply((summed, 0, 1, WIDE), (by_second, 0, MIDDLE), c, c, WIDE, MIDDLE, rows)
    a, c = (by_second, 0, MIDDLE, 1), (by_summed, 0, WIDE)
    multiply(a, (weights[3], 0, WIDE), none, c, rows, WIDE, SECOND)
