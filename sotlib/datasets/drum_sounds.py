"""The drum data set: 100 000 sounds on a grid, made when asked for."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from sotlib._core import check
from sotlib.synths.drum import LOG10, DrumSettings, Rejection, rectangular_drum

CELLS = 10  # along each of the five axes
SIZE = CELLS**5
TEST_SIZE = 10_000
FOLDS = ("train", "validation", "test", "all")

EDGES = np.stack(
    [
        2 * math.pi * np.geomspace(40, 1000, CELLS + 1),
        np.linspace(0.07, 0.8, CELLS + 1),
        np.geomspace(1e-5, 0.2, CELLS + 1),
        np.geomspace(1e-5, 0.3, CELLS + 1),
        np.linspace(0.0, 1.0, CELLS + 1),
    ]
)
"""Edges of the cells for omega (rad/s), tau (s), p, D and alpha: (5, 11)."""


class DrumSounds(Dataset):
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
        seed = check.seed("seed", seed)
        self.ids = fold_ids(fold, seed=seed)
        self.theta = cell_parameters(self.ids, seed=seed)
        self.fold = fold
        self.dtype = check.dtype("dtype", dtype)
        self.settings = DrumSettings(sample_rate=sample_rate, samples=samples, rejection=rejection)
        rectangular_drum(self.theta[:0], **self.settings)  # wrong settings fail here, not later

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Parameters (5,) and sound (samples,) of one item."""
        theta, sound = self.batch([index])
        return theta[0], sound[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Several items in one synthesis: what a DataLoader asks for."""
        return list(zip(*self.batch(indices), strict=True))

    def batch(self, indices: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Parameters (n, 5) and sounds (n, samples) of several items.

        Raises
        ------
        IndexError
            Where an index is not in the fold.
        """
        chosen = check.real_numbers("indices", indices, "cpu")
        if chosen.ndim != 1 or not chosen.equal(chosen.round()):
            raise TypeError(f"indices must be a sequence of whole numbers; got {indices!r}.")
        chosen = chosen.long()
        outside = (chosen < -len(self)) | (chosen >= len(self))
        if outside.any():
            raise IndexError(
                f"index must lie in -{len(self)} … {len(self) - 1} (the {self.fold} fold); "
                f"got {chosen[outside][0].item()}."
            )
        theta = self.theta[chosen].to(self.dtype)
        return theta, rectangular_drum(theta, **self.settings)


def fold_ids(fold: str, *, seed: int = 0) -> torch.Tensor:
    """Cells of a fold, ascending: (sounds,), int64. For the rule see `DrumSounds`.

    Examples
    --------
    >>> [len(fold_ids(fold)) for fold in ("train", "validation", "test")]
    [82224, 7776, 10000]
    """
    check.one_of("fold", fold, FOLDS)
    check.seed("seed", seed)
    ids = torch.arange(SIZE, device="cpu")
    digits = cell_digits(ids)
    middle = ((digits >= 2) & (digits <= 7)).all(-1)
    outer = ids[~middle]
    order = np.random.default_rng([seed, 1]).permutation(len(outer))
    cells = {
        "all": ids,
        "validation": ids[middle],
        "test": outer[order[:TEST_SIZE]],
        "train": outer[order[TEST_SIZE:]],
    }
    return cells[fold].sort().values


def cell_parameters(ids: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
    """Parameters drawn in each cell, in physical values: (sounds,) to (sounds, 5), float64.

    A cell's draw depends on its ID and the seed alone.

    Examples
    --------
    >>> theta = cell_parameters(torch.tensor([22222]))
    >>> cell_of(theta)
    tensor([22222])
    """
    check.seed("seed", seed)
    if ids.is_floating_point() or bool(((ids < 0) | (ids >= SIZE)).any()):
        raise ValueError(f"ids must be whole numbers from 0 to {SIZE - 1}; got {ids}.")
    ids = ids.cpu()
    # 1 - u lies in (0, 1]: alpha, whose first cell starts at 0, must not be 0.
    draws = 1 - np.random.default_rng([seed, 0]).random((SIZE, 5))[ids.numpy()]
    digits, axes = cell_digits(ids).numpy(), np.arange(5)
    low, high = EDGES[axes, digits], EDGES[axes, digits + 1]
    return torch.from_numpy(low + (high - low) * draws)


def cell_of(theta: torch.Tensor, *, log10: bool = False) -> torch.Tensor:
    """ID of the cell each drum lies in: (sounds, 5) to (sounds,).

    Raises
    ------
    ValueError
        Where a parameter lies outside of the grid.
    """
    check.floating("theta", theta)
    columns = theta.detach().cpu().double().unbind(-1)
    ids = torch.zeros_like(columns[0], dtype=torch.int64)
    for axis, (column, in_log) in enumerate(zip(columns, LOG10, strict=True)):
        value = 10**column if log10 and in_log else column
        digit = torch.searchsorted(torch.from_numpy(EDGES[axis]), value.contiguous()) - 1
        if bool(((digit < 0) | (digit >= CELLS)).any()):
            raise ValueError(f"theta[..., {axis}] lies outside of the grid's edges {EDGES[axis]}.")
        ids = CELLS * ids + digit
    return ids


def cell_digits(ids: torch.Tensor) -> torch.Tensor:
    """The five digits of each ID, one for each parameter: (sounds,) to (sounds, 5)."""
    return torch.stack([ids // CELLS**power % CELLS for power in (4, 3, 2, 1, 0)], -1)
