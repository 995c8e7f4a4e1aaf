"""The spectral loss at several resolutions, bin by bin: the baseline of the SOT paper."""

from collections.abc import Iterable, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses._magnitude_terms import MagnitudeTerms
from sotlib.losses._signals import (
    Reduction,
    checked_reduction,
    one_signal,
    reduced,
    signal_pair,
)
from sotlib.losses._spectral_difference import spectral_difference
from sotlib.transforms.stft import STFT


class MultiScaleSpectralLoss(PrintedModule):
    r"""Multi-scale spectral loss (MSS): linear and logarithmic differences at several resolutions.

    .. math:: \sum_{\gamma} w_\mathrm{lin} \, \mathrm{mean} \, ||X_\gamma| - |Y_\gamma||^p
       + w_\mathrm{log} \, \mathrm{mean} \,
       |\log \max(|X_\gamma|, \epsilon) - \log \max(|Y_\gamma|, \epsilon)|^p

    Parameters
    ----------
    fft_sizes : sequence of int, default (2048, 1024, 512, 256, 128, 64)
        The scales.
    overlap : float, default 0.75
        Overlap of frames as a fraction of the FFT size, at least 0 and below 1.
    window : str, float or tuple, default 'hann'
        As for `STFT`.
    padding : {'end', 'reflect', 'none'}, default 'end'
        As for `STFT`; the default is the convention of DDSP.
    normalized : bool, default True
        Divide each STFT by the root of its size, so that scales weigh alike.
    linear_weight, log_weight : float, default 1
        Weights of both terms; 0 leaves a term out.
    floor : float, default 1e-5
        Magnitudes below it count as this in the logarithm, which keeps silence finite.
    p : {1, 2}, default 1
        Absolute (L1) or squared (L2) differences, in both terms.
    over_scales : {'sum', 'mean'}, default 'sum'
        What becomes of the values at the scales.
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over sounds; 'none' gives one value for each, `(batch,)` or `(batch, channels)`.

    Raises
    ------
    TypeError, ValueError
        On unknown options; when called, on signals that are not floating point, not finite, of
        different shapes, or too short.

    Notes
    -----
    After Engel et al. (ICLR 2020), in the convention of Torres, Peeters and Richard (ICASSP 2024).
    Explained in chapter ``sot/why``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import MultiScaleSpectralLoss
    >>> x = torch.randn(2, 4096)
    >>> mss = MultiScaleSpectralLoss(linear_weight=1.0, log_weight=0.0)
    >>> bool(torch.isclose(mss(2 * x, 0 * x), 2 * mss(x, 0 * x)))
    True
    """

    def __init__(
        self,
        *,
        fft_sizes: Sequence[int] = (2048, 1024, 512, 256, 128, 64),
        overlap: float = 0.75,
        window: str | float | tuple = "hann",
        padding: Literal["reflect", "end", "none"] = "end",
        normalized: bool = True,
        linear_weight: float = 1.0,
        log_weight: float = 1.0,
        floor: float = 1e-5,
        p: Literal[1, 2] = 1,
        over_scales: Literal["sum", "mean"] = "sum",
        reduction: Reduction = "mean",
    ):
        super().__init__()
        overlap = check.number("overlap", overlap, least=0, below=1)
        self.linear_weight = check.number("linear_weight", linear_weight, least=0)
        self.log_weight = check.number("log_weight", log_weight, least=0)
        if self.linear_weight == self.log_weight == 0:
            raise ValueError("linear_weight and log_weight must not both be 0.")
        self.floor = check.positive("floor", floor)
        self.p = check.one_of("p", p, (1, 2))
        self.over_scales = check.one_of("over_scales", over_scales, ("sum", "mean"))
        self.reduction = checked_reduction(reduction)
        self.transforms = nn.ModuleList(
            STFT(
                fft_size=size,
                hop_length=max(1, round(size * (1 - overlap))),
                window=window,
                padding=padding,
                normalized=normalized,
            )
            for size in check.counts("fft_sizes", fft_sizes)
        )

    def forward(self, x: Tensor, y: Tensor | tuple[Tensor, ...]) -> Tensor:
        """Compare two batches of signals.

        Parameters
        ----------
        x : Tensor, shape (samples,), (batch, samples) or (batch, channels, samples)
            Signals.
        y : Tensor of the shape of `x`, or tuple of Tensor
            Signals; or what `spectra` gave for them, which saves their transforms. On a CPU the
            loss is much faster where `y` needs no gradient.

        Returns
        -------
        Tensor
            A scalar, or what `reduction` says.
        """
        if isinstance(y, tuple | list):
            values = self._against(one_signal("x", x), y)
        else:
            a, b = signal_pair(x, y)
            with torch.autocast(x.device.type, enabled=False):
                values = [self._compare(a, t(b), t) for t in self.transforms]
        total = torch.stack(values).sum(0)
        if self.over_scales == "mean":
            total = total / len(self.transforms)
        return reduced(total, self.reduction, x.shape[:-1])

    @torch.no_grad()
    def spectra(self, y: Tensor) -> tuple[Tensor, ...]:
        """Magnitudes of targets that stay the same over many calls, one tensor for each scale.

        Parameters
        ----------
        y : Tensor, shape (samples,), (batch, samples) or (batch, channels, samples)
            Signals.

        Returns
        -------
        tuple of Tensor, shape (batch, bins, frames)
            Take the same signals of each for a batch: ``tuple(s[10:20] for s in spectra)``.

        Examples
        --------
        >>> import torch
        >>> from sotlib import MultiScaleSpectralLoss
        >>> mss, x, y = MultiScaleSpectralLoss(), torch.randn(8, 4096), torch.randn(8, 4096)
        >>> target = mss.spectra(y)
        >>> bool(torch.isclose(mss(x, target), mss(x, y)))
        True
        """
        y = one_signal("y", y)
        with torch.autocast(y.device.type, enabled=False):
            return tuple(transform(y) for transform in self.transforms)

    def _against(self, x, spectra):
        if len(spectra) != len(self.transforms):
            raise ValueError(
                f"y must hold one spectrogram for each of the {len(self.transforms)} scales, as "
                f"`spectra` returns them; got {len(spectra)}."
            )
        losses = []
        with torch.autocast(x.device.type, enabled=False):
            transforms = cast(Iterable[STFT], self.transforms)
            for transform, target in zip(transforms, spectra, strict=True):
                check.floating("each spectrogram in y", target)
                if target.device != x.device:
                    raise ValueError(
                        f"x and y must lie on one device; got {x.device} and {target.device}."
                    )
                expected = transform.shape(x)
                if target.shape != expected or target.dtype != x.dtype:
                    raise ValueError(
                        f"y must hold what `spectra` returns for signals like x, {expected} in "
                        f"{x.dtype}; got {tuple(target.shape)} in {target.dtype}."
                    )
                losses.append(self._compare(x, target, transform))
        if check.holds_anywhere(~torch.stack(losses).isfinite()):
            for target in spectra:
                check.finite("y", target)
        return losses

    def _compare(self, x, target, transform):
        terms = MagnitudeTerms(self.linear_weight, self.log_weight, self.floor, self.p)
        return spectral_difference(x, target, transform, terms)
