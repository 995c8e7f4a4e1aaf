"""Which paths a scattering transform has, and the small matrices that filter over channels."""

import math
from dataclasses import dataclass, fields

import numpy as np

from .filters import BANDWIDTH_AT_UNIT_SCALE, Wavelet, filterbank, gaussian, morlet

# Rows of a frequential convolution whose largest entry is below this part of the filter's largest
# entry are zero to every precision in use; they lie far outside the channels that are present.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True, eq=False)
class PathTable:
    """The paths of a transform, one entry per path in every column.

    Attributes
    ----------
    order : ndarray of int
        0, 1 or 2.
    n1, n2, n_fr : ndarray of int
        Index of the first-order wavelet (the channel at which the path is read), the second-order
        wavelet and the frequential filter; -1 where a path has none.
    spin : ndarray of int
        Sign of the frequential centre frequency: 1, -1, or 0 for the low-pass (and order 0).
    xi1, sigma1, xi2, sigma2 : ndarray of float
        Centre frequency and bandwidth in time, cycles per sample; NaN where there is none.
    xi_fr, sigma_fr : ndarray of float
        Centre frequency and bandwidth over channels, cycles per channel: times Q, per octave.
    j1, j2, j_fr : ndarray of float
        log2 of the coarsest sampling step of each filter; NaN where there is none.
    """

    order: np.ndarray
    n1: np.ndarray
    n2: np.ndarray
    n_fr: np.ndarray
    spin: np.ndarray
    xi1: np.ndarray
    sigma1: np.ndarray
    j1: np.ndarray
    xi2: np.ndarray
    sigma2: np.ndarray
    j2: np.ndarray
    xi_fr: np.ndarray
    sigma_fr: np.ndarray
    j_fr: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    @property
    def keys(self) -> np.ndarray:
        """The columns n1, n2 and n_fr, shape ``(paths, 3)``."""
        return np.stack([self.n1, self.n2, self.n_fr], axis=1)

    def as_dict(self) -> dict[str, np.ndarray]:
        """Every column by name, ready for a data frame."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def path_table(keys: np.ndarray, psi1, psi2, psi_fr) -> PathTable:
    """Look up the filters of ``(n1, n2, n_fr)`` keys; a row of three -1 is order 0."""
    n1, n2, n_fr = keys.T
    order = np.where(n_fr < 0, 0, np.where(n2 < 0, 1, 2))
    columns = [_look_up(index, bank) for index, bank in ((n1, psi1), (n2, psi2), (n_fr, psi_fr))]
    spin = np.sign(np.nan_to_num(columns[2][0])).astype(int)
    return PathTable(order, n1, n2, n_fr, spin, *columns[0], *columns[1], *columns[2])


def _look_up(index: np.ndarray, bank: list[Wavelet]) -> np.ndarray:
    absent = [Wavelet(math.nan, math.nan, math.nan)]  # what the index -1 finds
    return np.array(bank + absent)[index].T


def frequential_bank(J_fr: int, Q_fr: int) -> list[Wavelet]:
    """Low-pass of width 2**J_fr, the wavelets of spin +1, the same with spin -1."""
    lowpass = Wavelet(0.0, BANDWIDTH_AT_UNIT_SCALE / 2**J_fr, J_fr)
    up = filterbank(J_fr, Q_fr)
    down = [wavelet._replace(xi=-wavelet.xi) for wavelet in up]
    return [lowpass, *up, *down]


@dataclass(frozen=True, eq=False)
class ChannelOperator:
    """All that happens over the channels of one second-order wavelet, as two matrices.

    ``convolve`` (complex, rows x channels) holds every frequential filter at its stride;
    ``average`` (real, paths x rows) is what follows the modulus, or None where nothing does.
    ``n1`` and ``n_fr`` name the resulting paths.
    """

    convolve: np.ndarray
    average: np.ndarray | None
    n1: np.ndarray
    n_fr: np.ndarray


def frequential_responses(padded: int, bank: list[Wavelet], J_fr: int) -> list[np.ndarray]:
    """Impulse responses over ``padded`` channels, the low-pass first."""
    first = gaussian(padded, 2**J_fr)
    others = [morlet(padded, wavelet.xi, wavelet.sigma) for wavelet in bank[1:]]
    return [np.fft.ifft(response) for response in (first, *others)]


def channel_operator(channels: int, bank, impulses, F, indices) -> ChannelOperator:
    """Matrices for the filters ``indices`` on the first ``channels`` channels.

    A circular convolution of the zero-padded channels has the entry h[(out - in) mod padded].
    """
    blocks, averages, n1, n_fr = [], [], [], []
    for index in indices:
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
    average = None if all(a is None for a in averages) else _block_diagonal(averages, blocks)
    return ChannelOperator(np.concatenate(blocks), average, np.concatenate(n1), np.concatenate(n_fr))


def _one_filter(channels: int, impulse: np.ndarray, stride: int, F, *, is_lowpass: bool):
    padded = len(impulse)
    present = np.arange(0, channels, stride)
    if F == "global" or F == 0 or is_lowpass:
        average = np.full((1, len(present)), 1 / len(present)) if F == "global" else None
        positions = np.array([-1]) if F == "global" else present
        return _circulant_rows(impulse, present, np.arange(channels)), average, positions
    rows = np.arange(0, padded, stride)
    convolve = _circulant_rows(impulse, rows, np.arange(channels))
    kept = np.abs(convolve).max(axis=1) > NEGLIGIBLE * np.abs(impulse).max()
    positions = np.arange(0, channels, 2 ** int(math.log2(F)))
    # Read at a stride, the low-pass must keep its sum over the rows that remain.
    lowpass = stride * np.fft.ifft(gaussian(padded, F)).real
    return convolve[kept], _circulant_rows(lowpass, positions, rows[kept]), positions


def _circulant_rows(impulse: np.ndarray, outputs: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    return impulse[(outputs[:, None] - inputs[None, :]) % len(impulse)]


def _block_diagonal(averages, blocks) -> np.ndarray:
    full = [np.eye(len(b)) if a is None else a for a, b in zip(averages, blocks, strict=True)]
    result = np.zeros((sum(len(a) for a in full), sum(a.shape[1] for a in full)))
    row = column = 0
    for a in full:
        result[row : row + a.shape[0], column : column + a.shape[1]] = a
        row, column = row + a.shape[0], column + a.shape[1]
    return result
