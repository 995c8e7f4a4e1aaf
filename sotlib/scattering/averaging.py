"""Averages over time: a low-pass read at a stride, or the mean over the signal's support."""

from typing import NamedTuple

import numpy as np

# A weight is cut off where all frames' fall below this part of the largest.
NEGLIGIBLE = 1e-9


class Average(NamedTuple):
    """Weighted sums of the samples ``start`` … ``stop`` - 1, one for each column of weights."""

    start: int
    stop: int
    weights: np.ndarray


def mean_over_support(padded: int, left: int, samples: int, log2_stride: int) -> Average:
    """Mean over the support of a signal that is known at every 2**log2_stride-th sample.

    The mean of the samples inside the support alone would be a left Riemann sum, wrong by up to
    several per cent where a coarse rate leaves few of them. The weights here are those of the
    mean, over all ``samples`` instants, of the cubic interpolation; they differ from the plain
    mean's only at the two ends, where they also use the neighbours outside (the outermost with a
    slightly negative weight).

    Examples
    --------
    >>> mean = mean_over_support(64, 16, 32, 3)
    >>> mean.start, mean.stop, float(mean.weights.sum().round(12))
    (1, 8, 1.0)
    """
    length = padded >> log2_stride
    position = np.arange(left, left + samples) / 2**log2_stride
    before = np.floor(position).astype(int)
    fraction = position - before
    weights = np.zeros(length)
    nodes = (-1, 0, 1, 2)
    for node in nodes:
        others = [other for other in nodes if other != node]
        cardinal = np.prod([(fraction - other) / (node - other) for other in others], axis=0)
        np.add.at(weights, (before + node) % length, cardinal / samples)
    used = np.flatnonzero(weights)
    start, stop = int(used[0]), int(used[-1]) + 1
    return Average(start, stop, weights[start:stop, None])


def mean_over_padding(padded: int, log2_stride: int) -> Average:
    """Mean over the whole padded axis, zeros included."""
    length = padded >> log2_stride
    return Average(0, length, np.full((length, 1), 1 / length))


def few_frames(response: np.ndarray, length: int, step: int, inside: slice) -> Average:
    """Frames of a low-pass, every ``step``-th of ``length`` samples of an input, as a matrix.

    ``response`` is that of `sotlib.scattering.bands.low_pass`, on the bins 0 … length / step.
    """
    kernel = np.fft.irfft(response[: length // 2 + 1], n=length)
    if step == 1:  # bins above the Nyquist frequency fold
        kernel = np.fft.irfft((response + response[::-1])[: length // 2 + 1], n=length)
    frames, time = np.arange(inside.start, inside.stop), np.arange(length)
    weights = kernel[(step * frames - time[:, None]) % length]
    reach = np.abs(weights).max(axis=1)
    used = np.flatnonzero(reach > NEGLIGIBLE * reach.max())
    start, stop = int(used[0]), int(used[-1]) + 1
    return Average(start, stop, weights[start:stop])


def frames_inside(padded: int, left: int, samples: int, log2_stride: int) -> slice:
    """Which of the outputs at a stride lie on the support; never none."""
    length = padded >> log2_stride
    start, stop = (-(-edge >> log2_stride) for edge in (left, left + samples))
    start = min(start, length - 1)
    return slice(start, max(stop, start + 1))
