"""What all transforms share.

Each transform maps `(..., samples)` to non-negative values `(..., bins, frames)` and knows the
positions of its bins.
"""

from typing import Literal

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.tables import TableModule

SCALINGS = ("normalized", "normalized_linear", "absolute")


class Transform(TableModule):
    """What all transforms share: checked input, and positions under three scalings.

    Subclasses add the table `frequencies` (Hz) and set `shortest`, the least number of samples.
    """

    def __init__(self, sample_rate: float):
        super().__init__()
        self.sample_rate = check.positive("sample_rate", sample_rate)

    @property
    def frequencies(self) -> Tensor:
        """Centre frequencies of the bins in Hz, shape `(bins,)`."""
        return self._table(torch.float32)("frequencies")

    def positions(
        self, scaling: Literal["normalized", "normalized_linear", "absolute"] = "normalized"
    ) -> Tensor:
        """Where the bins lie.

        Parameters
        ----------
        scaling : {'normalized', 'normalized_linear', 'absolute'}
            True spacing mapped to [0, 1]; bin index mapped to [0, 1]; or Hz.

        Returns
        -------
        Tensor, shape (bins,)
            Increasing positions.

        Raises
        ------
        ValueError
            If `scaling` is unknown.
        """
        check.one_of("scaling", scaling, SCALINGS)
        frequencies = self.frequencies
        if scaling == "absolute":
            return frequencies
        if scaling == "normalized_linear" or len(frequencies) == 1:
            return torch.linspace(0, 1, len(frequencies)).to(frequencies)
        span = frequencies[-1] - frequencies[0]
        return (frequencies - frequencies[0]) / span

    def _check_input(self, x):
        check.floating("x", x)
        if x.ndim == 0:
            raise ValueError(f"x must have shape (..., samples); got a single number, {x.item()}.")
        if x.shape[-1] < self.shortest:
            raise ValueError(
                f"x is too short for {type(self).__name__}: it has {x.shape[-1]} samples and needs "
                f"at least {self.shortest}. Use a longer signal, zero-pad it, or {self.cure}."
            )
