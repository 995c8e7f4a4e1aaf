"""Filters over the channels n1 of one second-order wavelet, as two small matrices.

A circular convolution over a few hundred zero-padded channels, read at a stride, is a matrix with
one column for each channel that is present. All filters together make one matrix product over
time, equal to the padded Fourier transforms and as fast, and linear algebra is what every
device and every mode of differentiation does well.
"""

import math
from dataclasses import dataclass

import numpy as np

from sotlib.scattering.bands import NEGLIGIBLE
from sotlib.scattering.filters import Wavelet, gaussian, morlet


@dataclass(frozen=True, eq=False)
class ChannelOperator:
    """All that happens over the channels of one second-order wavelet, as small matrices.

    ``convolve`` (complex, rows x channels) holds the low-pass and the filters of spin +1, each at
    its stride, which have so many ``rows``; those of spin -1 are their conjugates. ``averages``
    (real, paths x rows of one of these filters) are what follows the modulus, none where nothing
    does; ``low_average`` is the low-pass's. ``n1`` and ``n_fr`` name the resulting paths, those of
    spin -1 last.
    """

    convolve: np.ndarray
    rows: list[int]
    averages: list[np.ndarray]
    low_average: np.ndarray | None
    n1: np.ndarray
    n_fr: np.ndarray


def frequential_impulses(padded: int, bank: list[Wavelet], J_fr: int) -> list[np.ndarray]:
    """Impulse responses over ``padded`` channels, the low-pass first."""
    first = gaussian(padded, 2**J_fr)
    others = [morlet(padded, wavelet.xi, wavelet.sigma) for wavelet in bank[1:]]
    return [np.fft.ifft(response) for response in (first, *others)]


def channel_operator(channels: int, bank, impulses, F, indices) -> ChannelOperator:
    """Matrices for the filters ``indices`` on the first ``channels`` channels.

    The indices are those of the low-pass, of the wavelets of spin +1 and, where there are more, of
    the same with spin -1. A circular convolution of the zero-padded channels has the entry
    h[(out - in) mod padded].
    """
    blocks, averages, n1, n_fr = [], [], [], []
    up = len(bank) // 2 + 1
    for index in indices[:up]:
        log2_stride = bank[index].j
        if index > 0 and F != "global" and F > 0:
            log2_stride = min(log2_stride, int(math.log2(F)))
        convolve, average, positions = _one_filter(
            channels, impulses[index], 2**log2_stride, F, is_lowpass=index == 0
        )
        blocks.append(convolve)
        averages.append(average)
        n1.append(positions)
        n_fr.append(np.full(len(positions), index))
    if len(indices) > up:
        n1 += n1[1:]
        n_fr += [index + up - 1 for index in n_fr[1:]]
    first, *others = averages
    return ChannelOperator(
        np.concatenate(blocks),
        [len(block) for block in blocks],
        [average for average in others if average is not None],
        first,
        np.concatenate(n1),
        np.concatenate(n_fr),
    )


def full_rate_operator(channels: int, outputs: int, impulses: dict[int, np.ndarray], indices):
    """Matrix for filters given by index, all of them read at the first ``outputs`` channels.

    The impulses are those of the low-pass and of spin +1; ``indices`` are those of all filters.
    """
    read = np.arange(outputs)
    blocks = [_circulant_rows(h, read, np.arange(channels)) for h in impulses.values()]
    n1, n_fr = np.tile(read, len(indices)), np.repeat(indices, outputs)
    rows = [outputs] * len(blocks)
    return ChannelOperator(np.concatenate(blocks), rows, [], None, n1, n_fr)


def _one_filter(channels: int, impulse: np.ndarray, stride: int, F, *, is_lowpass: bool):
    padded = len(impulse)
    present = np.arange(0, channels, stride)
    if F == "global" or F == 0 or is_lowpass:
        average = np.full((1, len(present)), 1 / len(present)) if F == "global" else None
        positions = np.array([-1]) if F == "global" else present
        return _circulant_rows(impulse, present, np.arange(channels)), average, positions
    rows = np.arange(0, padded, stride)
    convolve = _circulant_rows(impulse, rows, np.arange(channels))
    positions = np.arange(0, channels, 2 ** int(math.log2(F)))
    # Read at a stride, the low-pass must keep its sum over the rows that remain.
    lowpass = stride * np.fft.ifft(gaussian(padded, F)).real
    average = _circulant_rows(lowpass, positions, rows)
    reach = np.abs(convolve).max(axis=1) * np.abs(average).max(axis=0)
    kept = reach > NEGLIGIBLE * reach.max()
    return convolve[kept], average[:, kept], positions


def _circulant_rows(impulse: np.ndarray, outputs: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    return impulse[(outputs[:, None] - inputs[None, :]) % len(impulse)]
