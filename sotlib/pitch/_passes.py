"""Forward and backward pass of the pitch encoder's layers, compiled, one part after the other.

All layers of a part, which is 32 signals, fit into the cache: so the backward pass computes them
again instead of reading them from memory.
"""

from numba import njit

from sotlib._core.compiled import compiled
from sotlib._core.vector_code import address, row_of_three
from sotlib.pitch._kernels import (
    BESIDE,
    FIRST,
    FOURTH,
    NARROW,
    PAIRS,
    SIGNALS,
    TAPS,
    TILE,
    WIDE,
    correlate,
    mix,
    multiply,
    pointwise,
    pointwise_back,
    slope,
    spread,
    transform,
)

# Numba notices changes in this file only, so that it would go on with the machine code of old
# helpers: whoever changes one of these files writes their new sum here. A test tells it.
HELPERS = "pitch/_kernels.py", "_core/vector_code.py", "_core/vector_fft.py"
SUM = "76c420bc2f9eb064"


@njit
def _read(signals, start, bins, part):
    """Copy the signals of a part between zeros."""
    part[:] = 0
    for n in range(min(SIGNALS, signals.shape[0] - start)):
        part[n, TAPS // 2 : TAPS // 2 + bins] = signals[start + n]


@njit
def _residual(part, layers, fft, planes, room):
    """The layers up to the second convolution: its input, that one's spectrum, and its output."""
    x, z, y = planes[0], planes[1], planes[2]
    size = fft[2].shape[1]
    first, biases, matrices, residual_biases, leak = layers[:5]
    spread(part, first, biases, leak, x, layers[-1])
    transform(x, 0, fft, z)
    mix(z, matrices, residual_biases, size, y, room)
    transform(y, 1, fft, y)


@compiled()
def forward(signals, layers, weights, fft, space, start, stop, out):
    """Output (signals, FOURTH, bins) of parts `start` … `stop - 1` of signals (signals, bins)."""
    part, planes, room, tiles, _ = space
    bins, leak = signals.shape[1], layers[4]
    x, y, fourth = planes[0], planes[2], tiles[3]
    for k in range(start, stop):
        first = k * SIGNALS
        _read(signals, first, bins, part)
        _residual(part, layers, fft, planes, room)
        for plane in range(2):
            for low in range(0, bins, TILE):
                high = min(low + TILE, bins)
                a, b = x[plane, low:high].reshape(-1), y[plane, low:high].reshape(-1)
                pointwise(a, b, weights, leak, tiles, (high - low) * PAIRS)
                for p in range(min(PAIRS, signals.shape[0] - first - plane * PAIRS)):
                    target = out[first + plane * PAIRS + p]
                    for c in range(FOURTH):
                        for t in range(high - low):
                            target[c, low + t] = fourth[(t * PAIRS + p) * NARROW + c]


@compiled()
def backward(grad, signals, layers, weights, fft, space, start, stop, by_signals, by_layers):
    """Gradients of `forward`: those of the signals are written, the others are added.

    by_layers : of the first weights (16, WIDE), its biases (WIDE,), the kernel's spectrum
    (frequencies, 2, FIRST, WIDE), its biases (WIDE,), and the pointwise weights; flat.
    """
    part, planes, room, tiles, slopes = space
    bins, leak = signals.shape[1], layers[4]
    x, z, y, by_x = planes[0], planes[1], planes[2], planes[3]
    size = fft[2].shape[1]
    for k in range(start, stop):
        first = k * SIGNALS
        _read(signals, first, bins, part)
        _residual(part, layers, fft, planes, room)
        for plane in range(2):
            for low in range(0, bins, TILE):
                high = min(low + TILE, bins)
                rows = (high - low) * PAIRS
                a, b = x[plane, low:high].reshape(-1), y[plane, low:high].reshape(-1)
                pointwise(a, b, weights, leak, tiles, rows)
                _read_gradient(grad, first + plane * PAIRS, low, high, slopes[3])
                pointwise_back(slopes[3], weights, leak, tiles, slopes[:3], by_layers[4:], rows)
                _part_ways(slopes[0], leak, by_x[plane, low:high].reshape(-1), b)
            y[plane, bins:] = 0
        transform(y, 0, fft, y)
        correlate(z, y, size, by_layers[2], room)
        for n in range(BESIDE):
            by_layers[3][n % WIDE] += y[0, 0, n] + y[1, 0, n]
        mix(y, layers[5], weights[-1], size, z, room)
        transform(z, 1, fft, z)
        for plane in range(2):
            a, b = x[plane, :bins].reshape(-1), z[plane, :bins].reshape(-1)
            _come_together(a, b, leak, by_x[plane, :bins].reshape(-1))
        _spread_back(part, layers[6], by_x, bins, tiles[3], weights[-1], by_layers)
        for n in range(min(SIGNALS, signals.shape[0] - first)):
            by_signals[first + n] = part[n, TAPS // 2 : TAPS // 2 + bins]


@njit
def _part_ways(by_sum, leak, direct, mixed):
    """The gradient of the residual layer's sum, by its input and, instead of it, by `mixed`."""
    for k in range(direct.shape[0]):
        direct[k] = by_sum[k]
        mixed[k] = by_sum[k] * slope(mixed[k], leak)


@njit
def _come_together(x, convolved, leak, total):
    """Add both gradients by x, and go back through its activation."""
    for k in range(x.shape[0]):
        total[k] = (total[k] + convolved[k]) * slope(x[k], leak)


@njit
def _read_gradient(grad, first, low, high, tile):
    """The gradient of a tile's outputs, (bins, signals, channels), zeros beside it."""
    tile[:] = 0
    for p in range(min(PAIRS, grad.shape[0] - first)):
        for c in range(FOURTH):
            source = grad[first + p, c]
            for t in range(high - low):
                tile[(t * PAIRS + p) * NARROW + c] = source[low + t]


@njit
def _spread_back(part, transposed, by_x, bins, tile, none, by_layers):
    """Gradients of `spread`; `part` becomes that of the signals."""
    numbers, slopes = part.reshape(-1), by_x.reshape(-1)
    plane_size, zeros = by_x[0].size, (none, 0, 0)
    for n in range(SIGNALS):
        a = numbers, n * part.shape[1], 1, 1
        b = slopes, (n // PAIRS) * plane_size + (n % PAIRS) * WIDE, BESIDE
        c = by_layers[0], 0, WIDE
        multiply(a, b, c, c, TAPS + 1, WIDE, bins)
    part[:] = 0
    one, total = address(none, WIDE), address(by_layers[1], 0)
    for plane in range(2):
        b = address(slopes, plane * plane_size)
        row_of_three(one, 0, 0, b, WIDE, total, 0, total, 0, bins * PAIRS)
        for low in range(0, bins, TILE):
            high = min(low + TILE, bins)
            a = slopes, plane * plane_size + low * BESIDE, WIDE, 1
            b = transposed, 0, NARROW
            multiply(a, b, zeros, (tile, 0, NARROW), (high - low) * PAIRS, NARROW, FIRST)
            for t in range(high - low):
                for p in range(PAIRS):
                    target = part[plane * PAIRS + p, low + t : low + t + TAPS]
                    for k in range(TAPS):
                        target[k] += tile[(t * PAIRS + p) * NARROW + k]
