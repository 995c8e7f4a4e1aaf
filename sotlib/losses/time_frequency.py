"""Losses that move the mass of a whole spectrogram over the time-frequency plane."""

from typing import Any, Literal

import torch

from sotlib._core import check
from sotlib.losses._signals import Reduction
from sotlib.losses._spectrogram_transport import SpectrogramTransport
from sotlib.transforms.base import Transform
from sotlib.transport.divergence import sinkhorn_divergence
from sotlib.transport.line import checked_order
from sotlib.transport.sinkhorn import checked_settings, sinkhorn_grid
from sotlib.transport.sliced import sliced_wasserstein


class SinkhornSpectrogramLoss(SpectrogramTransport):
    r"""Entropic transport between the spectrograms of two signals, over time and frequency.

    Parameters
    ----------
    transform : Transform or {'identity'}
        Spectral view of the signals, an STFT, MelSpectrogram or CQT, which gives bins their
        frequencies and frames their times. 'identity' (or None) takes representations
        `(batch, bins, frames)` instead of signals, and their axes: piano rolls, for example.
    square_magnitude : bool, default False
        Square the output of the transform: for an `STFT` of power 1, the energy is the mass
        instead of the magnitude (the slides of the paper name both).
    time_scale : float, default 1000.0
        Hz that cost as much as one second. With the paper's k in the ground cost
        :math:`k (t-t')^2 + (\omega-\omega')^2`, it is :math:`\sqrt{k}`: the default is k = 10⁶.
        The paper's own k is not known.
    epsilon : float, default 1e-2
        Regularisation as a fraction of the largest ground cost.
    debiased : bool, default True
        The Sinkhorn divergence, which vanishes at equal spectrograms, instead of the plain
        regularised cost (the paper's).
    marginal_penalty : float, optional
        Penalty of the marginals, see `sinkhorn_grid`: keeps loudness, both spectrograms being
        divided by the mass of y. Default: each has unit mass.
    unit : float, default 1.0
        The unit of distance in Hz, which divides the loss by its square: 1000 for kHz².
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over sounds; 'none' gives one value for each, `(batch,)` or `(batch, channels)`.
    max_iter, tol
        As for `sinkhorn_grid`.

    Raises
    ------
    TypeError, ValueError
        On unknown options; when called, on signals that are not floating point, not finite, of
        different shapes, or too short.

    Notes
    -----
    Fabiani, Schlecht and Elvander (Asilomar 2024). Silence has no mass to move: it counts as a
    uniform mass, with zero gradient (unbalanced: one of 1e-6 of the other's). Equal sounds are zero
    apart, debiased, up to `tol` times the regularisation, on either side of zero: clamp the loss
    before you take a root. Explained in chapter ``tfot/sinusoids``.

    Examples
    --------
    A tone 500 Hz higher, with distances in kHz:

    >>> import torch
    >>> from sotlib import STFT, SinkhornSpectrogramLoss, sinusoid
    >>> stft = STFT(fft_size=256, hop_length=128, window="hann", sample_rate=8000)
    >>> loss = SinkhornSpectrogramLoss(stft, square_magnitude=True, unit=1000.0)
    >>> tone = {"samples": 2048, "sample_rate": 8000}
    >>> value = loss(sinusoid(1500.0, **tone), sinusoid(2000.0, **tone))
    >>> round(value.item(), 2)
    0.25

    A piano roll, in semitones and seconds, and the same an octave higher:

    >>> roll = torch.rand(1, 88, 40)
    >>> loss = SinkhornSpectrogramLoss("identity", time_scale=12.0, epsilon=1e-3)
    >>> axes = {"freqs": torch.arange(100.0), "times": torch.arange(40) / 20}
    >>> low, high = (torch.nn.functional.pad(roll, (0, 0, k, 12 - k)) for k in (0, 12))
    >>> round(loss(low, high, **axes).sqrt().item())
    12
    """

    def __init__(
        self,
        transform: Transform | Literal["identity"] | None,
        *,
        square_magnitude: bool = False,
        time_scale: float = 1000.0,
        epsilon: float = 1e-2,
        debiased: bool = True,
        marginal_penalty: float | None = None,
        unit: float = 1.0,
        reduction: Reduction = "mean",
        max_iter: int = 2000,
        tol: float = 1e-4,
    ):
        super().__init__(
            transform,
            square_magnitude=square_magnitude,
            time_scale=time_scale,
            unit=unit,
            reduction=reduction,
        )
        self.debiased = check.flag("debiased", debiased)
        self.marginal_penalty, self.balanced = marginal_penalty, marginal_penalty is None
        self.options: dict[str, Any] = {
            "epsilon": epsilon,
            "max_iter": max_iter,
            "tol": tol,
            "marginal_penalty": marginal_penalty,
        }
        checked_settings(**self.options)

    def _transport(self, a, b, plane):
        if self.debiased:
            return sinkhorn_divergence(a, b, **plane, **self.options)
        return sinkhorn_grid(a, b, **plane, **self.options).value


class SlicedSpectrogramLoss(SpectrogramTransport):
    r"""Sliced Wasserstein distance between the spectrograms of two signals.

    Parameters
    ----------
    transform, square_magnitude
        As for `SinkhornSpectrogramLoss`.
    time_scale : float, default 1000.0
        Hz that cost as much as one second: the paper's k in the projections
        :math:`k\, t \cos\varphi + \omega \sin\varphi`, the root of the one in its ground cost.
    n_projections, half_circle
        As for `sliced_wasserstein`.
    generator : torch.Generator, optional
        Draw new directions from it at each call. Under `torch.utils.checkpoint`, which computes
        twice, only ``torch.default_generator`` draws the same ones again: torch sets it back.
    p, apply_root
        As for `sliced_wasserstein`.
    unit, reduction
        As for `SinkhornSpectrogramLoss`; with `apply_root` the unit divides the loss once.

    Raises
    ------
    TypeError, ValueError
        As for `SinkhornSpectrogramLoss`.

    Notes
    -----
    Fabiani, Schlecht and Elvander (Asilomar 2024). Silence counts as a uniform mass, with zero
    gradient. Explained in chapter ``tfot/sliced``.

    Examples
    --------
    A tone 500 Hz higher, with distances in kHz: about half of its transport cost of 0.25.

    >>> import torch
    >>> from sotlib import STFT, SlicedSpectrogramLoss, sinusoid
    >>> stft = STFT(fft_size=256, hop_length=128, window="hann", sample_rate=8000)
    >>> loss = SlicedSpectrogramLoss(stft, square_magnitude=True, unit=1000.0)
    >>> tone = {"samples": 2048, "sample_rate": 8000}
    >>> value = loss(sinusoid(1500.0, **tone), sinusoid(2000.0, **tone))
    >>> round(value.item(), 2)
    0.13

    A piano roll and the same an octave higher, in semitones:

    >>> roll = torch.rand(1, 88, 40)
    >>> low, high = (torch.nn.functional.pad(roll, (0, 0, k, 12 - k)) for k in (0, 12))
    >>> loss = SlicedSpectrogramLoss("identity", time_scale=12.0)
    >>> round(loss(low, high, freqs=torch.arange(100.0), times=torch.arange(40) / 20).item())
    72
    """

    def __init__(
        self,
        transform: Transform | Literal["identity"] | None,
        *,
        square_magnitude: bool = False,
        time_scale: float = 1000.0,
        n_projections: int = 10,
        half_circle: bool = False,
        generator: torch.Generator | None = None,
        p: float = 2,
        apply_root: bool = False,
        unit: float = 1.0,
        reduction: Reduction = "mean",
    ):
        super().__init__(
            transform,
            square_magnitude=square_magnitude,
            time_scale=time_scale,
            unit=unit,
            reduction=reduction,
        )
        self.options: dict[str, Any] = {
            "n_projections": check.count("n_projections", n_projections),
            "half_circle": check.flag("half_circle", half_circle),
            "generator": check.generator("generator", generator),
            "p": checked_order(p),
            "apply_root": check.flag("apply_root", apply_root),
        }

    def _transport(self, a, b, plane):
        return sliced_wasserstein(a, b, **plane, **self.options)
