"""Complex FFT of many signals at once, whose numbers lie beside each other at each sample.

Each stage of the FFT takes the signal from one array to another, and its outputs come in their
natural order (Stockham's form of the algorithm of Cooley and Tukey): so no bits are reversed.
"""

import functools

import numpy as np
from numba import njit

from sotlib._core.vector_code import (
    LANES,
    RADICES,
    address,
    butterfly_2,
    butterfly_3,
    butterfly_4,
    butterfly_5,
)


def fast_size(least):
    """The smallest product of 2, 3 and 5 that is at least so large."""
    size = max(least, 2)
    while not _radices(size):
        size += 1
    return size


def _radices(size):
    """Factors of a size, or none if it has others."""
    factors = []
    for radix in RADICES:
        while size % radix == 0:
            factors.append(radix)
            size //= radix
    return factors if size == 1 else []


@functools.lru_cache(maxsize=16)
def stages(size, dtype):
    """What `transform` has to know: radices, and the cosines and sines between the stages."""
    radices, turns, rest = _radices(size), [], size
    for radix in radices:
        angle = np.outer(np.arange(rest // radix), np.arange(1, radix)) * (2 * np.pi / rest)
        turns.append(np.stack([np.cos(angle), np.sin(angle)], -1).ravel())
        rest //= radix
    return np.array(radices), np.concatenate(turns).astype(dtype)


@njit
def transform(planes, real, column, width, radices, turns, work, out):
    """FFT of columns `column` … `column + width - 1` of real and imaginary planes.

    planes, out : (2, at least size, columns), or the same array; `real`, 0 or 1, is the plane of
    real parts: 1, so that the parts change places, gives the inverse transform times the size.
    `width` must be a multiple of 16; work : (4, size, width).
    """
    size = work.shape[1]
    far, near = planes.shape[2], width
    re, im = real * planes.shape[1] * far + column, (1 - real) * planes.shape[1] * far + column
    source, a, b, step = planes, re, im, far
    block, at, rest = size * near, 0, size
    for stage in range(radices.shape[0]):
        c, d, out_step = (2 * (stage % 2)) * block, (2 * (stage % 2) + 1) * block, near
        radix, last = radices[stage], stage == radices.shape[0] - 1
        target = out if last else work
        if last:
            c, d, out_step = re, im, far
        _stage(source, a, b, step, target, c, d, out_step, radix, size, rest, turns, at, width)
        at += rest // radix * (radix - 1) * 2
        rest //= radix
        source, a, b, step = target, c, d, out_step


@njit
def _stage(source, a, b, step, target, c, d, out_step, radix, size, rest, turns, at, width):
    """Butterflies of one radix; `rest`: length of the transforms that this stage cuts up."""
    shorter, beside = rest // radix, size // rest
    across, out_across = beside * shorter * step, beside * out_step
    vectors = width // LANES
    for p in range(shorter):
        turn = address(turns, at + p * (radix - 1) * 2)
        for q in range(beside):
            i, o = (q + beside * p) * step, (q + beside * radix * p) * out_step
            re, im = address(source, a + i), address(source, b + i)
            out_re, out_im = address(target, c + o), address(target, d + o)
            if radix == 4:
                butterfly_4(re, im, across, out_re, out_im, out_across, turn, vectors)
            elif radix == 5:
                butterfly_5(re, im, across, out_re, out_im, out_across, turn, vectors)
            elif radix == 3:
                butterfly_3(re, im, across, out_re, out_im, out_across, turn, vectors)
            else:
                butterfly_2(re, im, across, out_re, out_im, out_across, turn, vectors)
