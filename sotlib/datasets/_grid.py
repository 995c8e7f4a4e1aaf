"""Data sets with one sound in each cell of a grid of parameters, made when asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from sotlib._core import check

FOLDS = ("train", "validation", "test", "all")


@dataclass(frozen=True, eq=False)
class ParameterGrid:
    """Cells on a grid, numbered by their digits, the first parameter's first; and their folds.

    ``edges`` (parameters, cells + 1) are in physical values, ``log10`` says which parameters may be
    given as log10. Validation is where all digits lie in ``middle``, both ends included; the test
    fold is ``test_size`` of the other cells.
    """

    edges: np.ndarray
    log10: tuple[bool, ...]
    middle: tuple[int, int]
    test_size: int

    @property
    def cells(self) -> int:
        """How many along each axis."""
        return self.edges.shape[1] - 1

    @property
    def size(self) -> int:
        """How many in all."""
        return self.cells ** len(self.edges)

    def fold_ids(self, fold: str, *, seed: int = 0) -> torch.Tensor:
        """Cells of a fold, ascending: (sounds,), int64."""
        check.one_of("fold", fold, FOLDS)
        check.seed("seed", seed)
        ids = torch.arange(self.size, device="cpu")
        digits, (low, high) = self.cell_digits(ids), self.middle
        inside = ((digits >= low) & (digits <= high)).all(-1)
        outer = ids[~inside]
        order = np.random.default_rng([seed, 1]).permutation(len(outer))
        cells = {
            "all": ids,
            "validation": ids[inside],
            "test": outer[order[: self.test_size]],
            "train": outer[order[self.test_size :]],
        }
        return cells[fold].sort().values

    def cell_parameters(self, ids: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Parameters drawn in each cell: (sounds,) to (sounds, parameters), float64, physical.

        A cell's draw is uniform, in linear units, and depends on its ID and the seed alone.
        """
        check.seed("seed", seed)
        if ids.is_floating_point() or bool(((ids < 0) | (ids >= self.size)).any()):
            raise ValueError(f"ids must be whole numbers from 0 to {self.size - 1}; got {ids}.")
        ids, axes = ids.cpu(), np.arange(len(self.edges))
        # 1 - u lies in (0, 1]: a parameter whose first cell starts at 0 must not be 0.
        draws = np.random.default_rng([seed, 0]).random((self.size, len(axes)))
        digits = self.cell_digits(ids).numpy()
        low, high = self.edges[axes, digits], self.edges[axes, digits + 1]
        return torch.from_numpy(low + (high - low) * (1 - draws[ids.numpy()]))

    def cell_of(self, theta: torch.Tensor, *, log10: bool = False) -> torch.Tensor:
        """ID of the cell each sound lies in: (sounds, parameters) to (sounds,).

        Raises
        ------
        ValueError
            Where a parameter lies outside of the grid.
        """
        check.floating("theta", theta)
        columns = theta.detach().cpu().double().unbind(-1)
        ids = torch.zeros_like(columns[0], dtype=torch.int64)
        for axis, (column, in_log) in enumerate(zip(columns, self.log10, strict=True)):
            value = 10**column if log10 and in_log else column
            edges = self.edges[axis]
            digit = torch.searchsorted(torch.from_numpy(edges), value.contiguous()) - 1
            if bool(((digit < 0) | (digit >= self.cells)).any()):
                raise ValueError(f"theta[..., {axis}] lies outside of the grid's edges {edges}.")
            ids = self.cells * ids + digit
        return ids

    def cell_digits(self, ids: torch.Tensor) -> torch.Tensor:
        """The digits of each ID, one for each parameter: (sounds,) to (sounds, parameters)."""
        powers = reversed(range(len(self.edges)))
        return torch.stack([ids // self.cells**power % self.cells for power in powers], -1)


class GridSounds(Dataset):
    """Sounds of one fold of a `ParameterGrid`, by index and seed.

    A subclass names the grid and says how parameters become sounds.
    """

    grid: ParameterGrid

    def __init__(self, fold: str, *, seed: int, dtype: torch.dtype):
        seed = check.seed("seed", seed)
        self.ids = self.grid.fold_ids(fold, seed=seed)
        self.theta = self.grid.cell_parameters(self.ids, seed=seed)
        self.fold, self.dtype = fold, check.dtype("dtype", dtype)
        self._synthesise(self.theta[:0])  # wrong settings fail here, not later

    def _synthesise(self, theta: torch.Tensor) -> torch.Tensor:
        """Sounds (n, samples) of parameters (n, parameters)."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Parameters (parameters,) and sound (samples,) of one item."""
        theta, sound = self.batch([index])
        return theta[0], sound[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Several items in one synthesis: what a DataLoader asks for."""
        return list(zip(*self.batch(indices), strict=True))

    def batch(self, indices: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Parameters (n, parameters) and sounds (n, samples) of several items.

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
        return theta, self._synthesise(theta)
