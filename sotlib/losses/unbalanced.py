"""Unbalanced transport between the spectra of two signals: pitch, timbre and loudness at once."""

from typing import Literal

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses._signals import (
    Reduction,
    checked_reduction,
    reduced,
    signal_pair,
    squared_once,
)
from sotlib.transforms.base import SCALINGS, Transform
from sotlib.transport.line import checked_order
from sotlib.transport.unbalanced import checked_reach, unbalanced_cost

NAMES = "x", "y", "positions", "positions"  # of the arguments, in errors


class UnbalancedWasserstein1DLoss(PrintedModule):
    r"""Unbalanced transport between the spectra of two signals, frame by frame.

    Each frame of each signal becomes a mass on the frequency axis, of its own size; the loss is the
    mean over frames of `unbalanced_wasserstein_1d`. What lies within the reach is moved, what has
    no counterpart there is faded out or in, and a difference in loudness costs
    :math:`\rho\,(\sqrt{m_x} - \sqrt{m_y})^2` by itself.

    Parameters
    ----------
    transform : STFT, MelSpectrogram or CQT
        Spectral view of the signals; gives bins their positions.
    reach : float
        Distance over which mass is moved, in the unit of the positions: Hz by default.
    p : float, default 2
        Order of the ground cost, at least 1; :math:`\rho` is the reach to the power p.
    square_magnitude : bool, default False
        Square the output of the transform: for an `STFT` of power 1, the energy is the mass.
    bin_position_scaling : {'normalized', 'normalized_linear', 'absolute'}, default 'absolute'
        Where the bins lie, see `STFT.positions`.
    relative : bool, default True
        Divide both by the mean mass of a frame of y, so that two sounds scaled alike are compared
        alike. False: masses are what the transform gives.
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over sounds; 'none' gives one value for each, `(batch,)` or `(batch, channels)`.

    Raises
    ------
    TypeError, ValueError
        On unknown options; when called, on signals that are not floating point, not finite, of
        different shapes, or too short.

    Notes
    -----
    Séjourné, Vialard and Peyré (AISTATS 2022) for the transport. Take energies: by a mass the
    derivative grows as :math:`\sqrt{b / a}` where a has less, which the derivative of a square
    makes good. Two silent sounds cost 0; beside silence a sound costs its mass times :math:`\rho`,
    relative to its own mean where y is silent, and no gradient reaches the silent one. Explained in
    chapter ``sot/transport-options``.

    Examples
    --------
    A tone of half the amplitude, 50 Hz higher, costs nearly
    :math:`400^2 (1/2 - 1)^2 + 1/2 \cdot 50^2 = 41250`:

    >>> from sotlib import STFT, UnbalancedWasserstein1DLoss, sinusoid
    >>> stft = STFT(window="hann", padding="none", sample_rate=16000, square_magnitude=True)
    >>> loss = UnbalancedWasserstein1DLoss(stft, reach=400.0)
    >>> tone = {"samples": 4096, "sample_rate": 16000}
    >>> x = 0.5 * sinusoid(1050.0, **tone)
    >>> loss(x, sinusoid(1000.0, **tone)).round(decimals=-2)
    tensor(41300.)
    """

    def __init__(
        self,
        transform: Transform,
        *,
        reach: float,
        p: float = 2,
        square_magnitude: bool = False,
        bin_position_scaling: Literal["normalized", "normalized_linear", "absolute"] = "absolute",
        relative: bool = True,
        reduction: Reduction = "mean",
    ):
        super().__init__()
        self.transform = check.instance(
            "transform", transform, Transform, ", such as STFT(…, sample_rate=…)"
        )
        self.p = checked_order(p)
        self.reach = checked_reach(reach, self.p)
        self.square_magnitude = squared_once(transform, square_magnitude)
        self.scaling = check.one_of("bin_position_scaling", bin_position_scaling, SCALINGS)
        self.relative = check.flag("relative", relative)
        self.reduction = checked_reduction(reduction)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compare signals `(samples,)`, `(batch, samples)` or `(batch, channels, samples)`."""
        signals = signal_pair(x, y)
        sounds = x.shape[:-1]
        with torch.autocast(x.device.type, enabled=False):
            x, y = (self.transform(s).transpose(-1, -2) for s in signals)
            if self.square_magnitude:
                x, y = x.square(), y.square()
            if self.relative:
                scale = _loudness(x, y)
                x, y = x / scale, y / scale
            positions = self.transform.positions(self.scaling)
            cost = unbalanced_cost(x, y, positions, None, reach=self.reach, p=self.p, names=NAMES)
        return reduced(cost.mean(-1), self.reduction, sounds)


def _loudness(x, y):
    """Mean mass of a frame of y, or of x where y is silent, or 1."""
    mass_x, mass_y = (s.sum(-1, keepdim=True).mean(-2, keepdim=True) for s in (x.detach(), y))
    tiny = torch.finfo(x.dtype).tiny * x.shape[-1]
    instead = torch.where(mass_x > tiny, mass_x, 1.0)
    return torch.where(mass_y > tiny, mass_y, instead)
