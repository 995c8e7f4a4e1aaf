"""The arpeggio data set: 27 000 sounds on a grid, made when asked for."""

from typing import Literal

import numpy as np
import torch

from sotlib.datasets._grid import GridSounds, ParameterGrid
from sotlib.synths.arpeggio import LOG10, ArpeggioSettings, arpeggio

ARPEGGIOS = ParameterGrid(
    edges=np.stack(
        [np.geomspace(512, 1024, 31), np.geomspace(4, 16, 31), np.geomspace(0.5, 4, 31)]
    ),
    log10=LOG10,
    middle=(8, 21),
    test_size=2700,
)
"""Cells for f0 (Hz), fm (Hz) and gamma (octaves/s)."""


class Arpeggios(GridSounds):
    """Arpeggios of one fold, by index and seed; each is synthesised when it is taken.

    Sound number i of the fold lies in cell ``ids[i]`` of a grid of 30^3 cells:
    ID = 900 i_f0 + 30 i_fm + i_gamma, in equal steps of the logarithm. Inside a cell the parameters
    are drawn uniformly, in linear units.

    Parameters
    ----------
    fold : {'train', 'validation', 'test', 'all'}, default 'train'
        Validation: the 14^3 = 2744 cells in the middle (all digits from 8 to 21). Test: 2700 of the
        other 24 256, drawn at random. Train: the remaining 21 556.
    seed : int, default 0
        Decides the draws in the cells and which cells are the test fold.
    sample_rate, samples
        As for `arpeggio`.
    dtype : torch.dtype, default float32
        Of parameters and sounds.

    Attributes
    ----------
    ids : Tensor (sounds,), int64
        Cells of this fold, in ascending order.
    theta : Tensor (sounds, 3), float64
        Parameters in physical values.

    Notes
    -----
    The rule is the published one; the published draws and the choice of test cells are not
    reproduced. Han, Lostanlen and Lagrange, arXiv 2311.14213. Explained in chapter
    ``pnp/arpeggio``.

    Examples
    --------
    >>> sounds = Arpeggios("test", seed=0, samples=1024)
    >>> theta, batch = sounds.batch([0, 1])
    >>> len(sounds), theta.shape, batch.shape
    (2700, torch.Size([2, 3]), torch.Size([2, 1024]))
    """

    grid = ARPEGGIOS

    def __init__(
        self,
        fold: Literal["train", "validation", "test", "all"] = "train",
        *,
        seed: int = 0,
        sample_rate: float = 8192,
        samples: int = 2**15,
        dtype: torch.dtype = torch.float32,
    ):
        self.settings = ArpeggioSettings(sample_rate=sample_rate, samples=samples)
        super().__init__(fold, seed=seed, dtype=dtype)

    def _synthesise(self, theta: torch.Tensor) -> torch.Tensor:
        """Sounds (n, samples) of parameters (n, 3)."""
        return arpeggio(theta, **self.settings)
