"""The drum data set: 100 000 sounds on a grid, made when asked for."""

import math
from typing import Literal

import numpy as np
import torch

from sotlib.datasets._grid import GridSounds, ParameterGrid
from sotlib.synths.drum import LOG10, DrumSettings, Rejection, rectangular_drum

DRUMS = ParameterGrid(
    edges=np.stack(
        [
            2 * math.pi * np.geomspace(40, 1000, 11),
            np.linspace(0.07, 0.8, 11),
            np.geomspace(1e-5, 0.2, 11),
            np.geomspace(1e-5, 0.3, 11),
            np.linspace(0.0, 1.0, 11),
        ]
    ),
    log10=LOG10,
    middle=(2, 7),
    test_size=10_000,
)
"""Cells for omega (rad/s), tau (s), p, D and alpha."""


class DrumSounds(GridSounds):
    """Drum sounds of one fold, by index and seed; each is synthesised when it is taken.

    Sound number i of the fold lies in cell ``ids[i]`` of a grid of 10^5 cells:
    ID = 10^4 i_omega + 10^3 i_tau + 10^2 i_p + 10 i_D + i_alpha. Inside a cell the parameters are
    drawn uniformly, in linear units.

    Parameters
    ----------
    fold : {'train', 'validation', 'test', 'all'}, default 'train'
        Validation: the 6^5 = 7776 cells in the middle (all digits from 2 to 7). Test: 10 000 of
        the other 92 224, drawn at random. Train: the remaining 82 224.
    seed : int, default 0
        Decides the draws in the cells and which cells are the test fold.
    sample_rate, samples, rejection
        As for `rectangular_drum`.
    dtype : torch.dtype, default float32
        Of parameters and sounds.

    Attributes
    ----------
    ids : Tensor (sounds,), int64
        Cells of this fold, in ascending order.
    theta : Tensor (sounds, 5), float64
        Parameters in physical values.

    Notes
    -----
    The rule is the published one; the published draws are not reproduced, nor is the published
    choice of test cells. Validation is the middle of the cube: it has not the distribution of the
    training and test folds. Han, Lostanlen and Lagrange, ICASSP 2023. Explained in chapter
    ``pnp/drum``.

    Examples
    --------
    >>> sounds = DrumSounds("validation", seed=0, samples=1024)
    >>> len(sounds), sounds.ids[0].item()
    (7776, 22222)
    >>> theta, sound = sounds[0]
    >>> theta.shape, sound.shape
    (torch.Size([5]), torch.Size([1024]))
    >>> theta, batch = sounds.batch([0, 1, 2])
    >>> batch.shape
    torch.Size([3, 1024])
    """

    grid = DRUMS

    def __init__(
        self,
        fold: Literal["train", "validation", "test", "all"] = "train",
        *,
        seed: int = 0,
        sample_rate: float = 22050,
        samples: int = 2**16,
        rejection: Rejection = "mode",
        dtype: torch.dtype = torch.float32,
    ):
        self.settings = DrumSettings(sample_rate=sample_rate, samples=samples, rejection=rejection)
        super().__init__(fold, seed=seed, dtype=dtype)

    def _synthesise(self, theta: torch.Tensor) -> torch.Tensor:
        """Sounds (n, samples) of parameters (n, 5)."""
        return rectangular_drum(theta, **self.settings)
