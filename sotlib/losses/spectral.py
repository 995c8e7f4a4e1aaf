"""The spectral loss at one resolution, bin by bin: a baseline of the papers."""

from typing import Literal

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses._magnitude_terms import MagnitudeTerms
from sotlib.losses._signals import Reduction, checked_reduction, reduced, signal_pair
from sotlib.losses._spectral_difference import spectral_difference
from sotlib.transforms.stft import STFT


class SpectralLoss(PrintedModule):
    r"""Mean difference of two magnitude spectrograms at one resolution.

    :math:`\mathrm{mean} \, | |X| - |Y| |^p` over batch, bins and frames, with p = 1 or 2.

    Parameters
    ----------
    fft_size, hop_length, win_length, window, padding, normalized
        As for `STFT`; default: 1024, 256, the whole frame, 'hann', 'end' (not centred, zeros after
        the end, as in DDSP), False.
    p : {1, 2}, default 1
        1: mean absolute difference (L1); 2: mean squared difference (L2).
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over sounds; 'none' gives one value for each, `(batch,)` or `(batch, channels)`.

    Raises
    ------
    TypeError, ValueError
        On unknown options; when called, on signals that are not floating point, not finite, of
        different shapes, or too short.

    Notes
    -----
    "SS" in the figure on tuning a sinusoid of Torres, Peeters and Richard (ICASSP 2024). Explained
    in chapter ``sot/why``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import SpectralLoss
    >>> x = torch.randn(2, 4096)
    >>> SpectralLoss(p=2)(x, x)
    tensor(0.)
    """

    def __init__(
        self,
        *,
        fft_size: int = 1024,
        hop_length: int = 256,
        win_length: int | None = None,
        window: str | float | tuple = "hann",
        padding: Literal["reflect", "end", "none"] = "end",
        normalized: bool = False,
        p: Literal[1, 2] = 1,
        reduction: Reduction = "mean",
    ):
        super().__init__()
        self.p = check.one_of("p", p, (1, 2))
        self.reduction = checked_reduction(reduction)
        self.transform = STFT(
            fft_size=fft_size,
            hop_length=hop_length,
            win_length=win_length,
            window=window,
            padding=padding,
            normalized=normalized,
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compare signals `(samples,)`, `(batch, samples)` or `(batch, channels, samples)`."""
        a, b = signal_pair(x, y)
        with torch.autocast(x.device.type, enabled=False):
            terms = MagnitudeTerms(linear_weight=1.0, log_weight=0.0, floor=1.0, p=self.p)
            values = spectral_difference(a, self.transform(b), self.transform, terms)
        return reduced(values, self.reduction, x.shape[:-1])
