"""Which paths a scattering transform has."""

import math
from dataclasses import dataclass, fields

import numpy as np

from sotlib.scattering.filters import Wavelet


@dataclass(frozen=True, eq=False)
class PathTable:
    """The paths of a `TimeFrequencyScattering`, one entry per path in every column.

    Attributes
    ----------
    order : ndarray of int
        0, 1 or 2.
    n1, n2, n_fr : ndarray of int
        Index of the first-order wavelet (the channel at which the path is read), the second-order
        wavelet and the frequential filter; -1 where a path has none.
    frame : ndarray of int
        The frame of which a path is the value; -1 where it has all frames of the output, or where
        it is a mean over time.
    spin : ndarray of int
        Sign of the frequential centre frequency: 1, -1, or 0 for the low-pass (and order 0).
    xi1, sigma1, xi2, sigma2 : ndarray of float
        Centre frequency and bandwidth in time, cycles per sample; NaN where there is none.
    xi_fr, sigma_fr : ndarray of float
        Centre frequency and bandwidth over channels, cycles per channel: times Q, per octave.
    j1, j2, j_fr : ndarray of float
        log2 of the coarsest sampling step of each filter; NaN where there is none.

    Notes
    -----
    Explained in chapter ``pnp/scattering``.
    """

    order: np.ndarray
    n1: np.ndarray
    n2: np.ndarray
    n_fr: np.ndarray
    frame: np.ndarray
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


def order_of(keys: np.ndarray) -> np.ndarray:
    """0, 1 or 2 for each key."""
    return np.where(keys[:, 1] >= 0, 2, (keys.max(axis=1) >= 0).astype(int))


def path_table(keys: np.ndarray, psi1, psi2, psi_fr) -> PathTable:
    """Look up the filters of ``(n1, n2, n_fr, frame)`` keys; a row of -1 alone is order 0."""
    n1, n2, n_fr, frame = keys.T
    order = order_of(keys)
    columns = [_look_up(index, bank) for index, bank in ((n1, psi1), (n2, psi2), (n_fr, psi_fr))]
    spin = np.sign(np.nan_to_num(columns[2][0])).astype(int)
    return PathTable(order, n1, n2, n_fr, frame, spin, *columns[0], *columns[1], *columns[2])


def _look_up(index: np.ndarray, bank: list[Wavelet]) -> np.ndarray:
    absent = math.nan, math.nan, math.nan  # what the index -1 finds
    return np.array([*bank, absent])[index].T
