"""Filtering and subsampling in Fourier, on the bins where a filter is not zero.

Spectra are one-sided (the signals are real) and hold Fourier coefficients, that is DFT / length
(``norm="forward"``), which do not depend on the rate at which the signal was sampled.
"""

from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

# A filter is cut off where it falls below this part of its peak.
NEGLIGIBLE = 1e-9

Array = TypeVar("Array", np.ndarray, Tensor)


class Band(NamedTuple, Generic[Array]):
    """Filters of equal rate, cut to their common band.

    ``positive`` holds their responses on the bins ``start``, ``start + 1``, …; ``negative`` on the
    last bins below zero, …, -2, -1. ``length`` is the number of samples of their outputs.
    """

    start: int
    positive: Array
    negative: Array
    length: int

    @property
    def bins(self) -> int:
        """How many bins of a one-sided spectrum the filters read."""
        return max(self.start + self.positive.shape[-1], self.negative.shape[-1] + 1)


def band(responses: np.ndarray, length: int) -> Band[np.ndarray]:
    """Cut responses of shape ``(filters, n)`` to their band, for outputs of ``length`` samples.

    Filters that are sampled at n / length reach less than ``length`` bins to each side, so that
    folding n bins to ``length`` adds two blocks, one from either side of zero.
    """
    n = responses.shape[-1]
    reach = min(length, n // 2)
    significant = np.abs(responses).max(axis=0) > NEGLIGIBLE * np.abs(responses).max()
    above = np.flatnonzero(significant[:reach])
    below = np.flatnonzero(significant[n - reach :])
    start, stop = (above[0], above[-1] + 1) if above.size else (0, 0)
    tail = reach - below[0] if below.size else 0
    return Band(int(start), responses[:, start:stop], responses[:, n - tail :], length)


def analyse(signal: Tensor) -> Tensor:
    """One-sided Fourier coefficients of a real signal."""
    return torch.fft.rfft(signal, norm="forward")


def filter_band(spectrum: Tensor, filters: Band[Tensor]) -> Tensor:
    """Outputs of the filters, complex, at their rate: ``(…, filters, length)``.

    ``spectrum`` has the shape ``(…, filters or 1, bins)``.
    """
    stop, tail = filters.start + filters.positive.shape[-1], filters.negative.shape[-1]
    upper = spectrum[..., filters.start : stop] * filters.positive
    lower = spectrum[..., 1 : tail + 1].flip(-1).conj() * filters.negative
    gap = filters.length - tail - stop
    if gap >= 0:
        zeros = upper.new_zeros(()).expand(*upper.shape[:-1], max(filters.start, gap))
        parts = [zeros[..., : filters.start], upper, zeros[..., :gap], lower]
        folded = torch.cat(parts, dim=-1)
    else:
        folded = pad(upper, (filters.start, filters.length - stop))
        folded = folded + pad(lower, (filters.length - tail, 0))
    return torch.fft.ifft(folded, norm="forward")


def low_pass(spectrum: Tensor, response: Tensor, length: int) -> Tensor:
    """Real signal of ``length`` samples from a one-sided spectrum and an even low-pass.

    ``response`` is given on the bins 0 … ``length``. What passes above the new Nyquist frequency
    folds back; at an unchanged rate it is the response that folds.
    """
    half = length // 2
    if spectrum.shape[-1] == half + 1:
        folded = spectrum * (response[: half + 1] + response[half:].flip(-1)[: half + 1])
    else:
        folded = spectrum[..., : half + 1] * response[: half + 1]
        above = spectrum[..., half : length + 1] * response[half:]
        folded = folded + above.flip(-1).conj()[..., : half + 1]
    return torch.fft.irfft(folded, n=length, norm="forward")
