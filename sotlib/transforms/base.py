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

    A transform of one's own is a subclass with a `forward` from signals `(..., samples)` to values
    `(..., bins, frames)`, and a table of `frequencies` in Hz; losses that take a transform then
    know where its bins lie.

    Parameters
    ----------
    sample_rate : float
        In Hz.

    Raises
    ------
    ValueError
        If the sample rate is not positive.

    Notes
    -----
    Explained in chapter ``sot/options``.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sotlib import Transform, Wasserstein1DLoss
    >>> class ThreeBins(Transform):
    ...     def __init__(self):
    ...         super().__init__(sample_rate=16000)
    ...         self.add_table("frequencies", np.array([100.0, 200.0, 400.0]))
    ...     def forward(self, x):
    ...         return x.abs().unflatten(-1, (3, -1))
    >>> ThreeBins().positions("absolute")
    tensor([100., 200., 400.])
    >>> loss = Wasserstein1DLoss(ThreeBins(), bin_position_scaling="absolute", p=1)
    >>> loss(torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0]))
    tensor(300.)
    """

    def __init__(self, sample_rate: float):
        super().__init__()
        self.sample_rate = check.positive("sample_rate", sample_rate)

    @property
    def frequencies(self) -> Tensor:
        """Centre frequencies of the bins in Hz, shape `(bins,)`."""
        return self.tables(torch.float32)("frequencies")

    def positions(
        self, scaling: Literal["normalized", "normalized_linear", "absolute"] = "normalized"
    ) -> Tensor:
        """Where the bins lie.

        Parameters
        ----------
        scaling : {'normalized', 'normalized_linear', 'absolute'}, default 'normalized'
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
        scaling = check.one_of("scaling", scaling, SCALINGS)
        frequencies = self.frequencies
        if scaling == "absolute":
            return frequencies
        if scaling == "normalized_linear" or len(frequencies) == 1:
            return torch.linspace(0, 1, len(frequencies), device=frequencies.device)
        span = frequencies[-1] - frequencies[0]
        return (frequencies - frequencies[0]) / span

    def _check_input(self, x):
        check.audio("x", x)
        if x.ndim == 0:
            raise ValueError(f"x must have shape (..., samples); got a single number, {x.item()}.")
        if x.shape[-1] < self.shortest:
            raise ValueError(
                f"x is too short for {type(self).__name__}: it has {x.shape[-1]} samples and needs "
                f"at least {self.shortest}. Use a longer signal, zero-pad it, or {self.cure}."
            )
