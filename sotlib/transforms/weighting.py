"""Transforms whose bins are weighted as the ear, or whoever asks, weighs their frequencies."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.precision import full_precision
from sotlib.transforms.base import Transform

CURVES = ("A", "B", "C", "D")


class WeightedTransform(Transform):
    r"""A transform with its bins multiplied by gains.

    .. math:: Y_{k, t} = g(f_k) \, X_{k, t}, \qquad
        g_A(f) = 10^{A(f) / 20},

    with the square of the gains where the transform gives powers. It stands wherever a loss takes a
    transform.

    Parameters
    ----------
    transform : Transform
        Such as ``STFT(...)``; bands of a mel spectrogram are weighted at their centres.
    weighting : {'A', 'B', 'C', 'D'}, callable or sequence, default 'A'
        The curve of IEC 61672 (A and C; B and D are older) of 0 dB at 1 kHz; a function from
        frequencies in Hz, a NumPy array `(bins,)`, to gains of amplitudes, 0 or more; or the gains.

    Raises
    ------
    TypeError, ValueError
        Where arguments are of another kind, or the gains are not finite, negative or all 0.

    Notes
    -----
    Curves by librosa. A-weighting, usual for noise, takes 19 dB off at 100 Hz, C-weighting
    0.3 dB. Explained in chapter ``sot/options``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import STFT, Wasserstein1DLoss, WeightedTransform
    >>> stft = STFT(fft_size=512, sample_rate=16000)
    >>> weighted = WeightedTransform(stft, "A")
    >>> x = torch.randn(2, 4096)
    >>> (weighted(x) / stft(x))[0, [0, 32], 0]  # at 0 Hz and at 1 kHz
    tensor([0.0000, 1.0000])
    >>> loss = Wasserstein1DLoss(weighted)
    """

    def __init__(
        self,
        transform: Transform,
        weighting: Literal["A", "B", "C", "D"] | Callable[[np.ndarray], Any] | Any = "A",
    ):
        check.instance("transform", transform, Transform)
        super().__init__(transform.sample_rate)
        self.transform = transform
        framing = getattr(transform, "stft", transform)
        self.hop_length = getattr(framing, "hop_length", None)
        self.square_magnitude = bool(getattr(transform, "square_magnitude", False))
        frequencies = transform.tables(torch.float64)("frequencies").cpu().numpy()
        gains = _gains(weighting, frequencies)
        self.add_table("gains", gains**2 if self.square_magnitude else gains)
        self.add_table("frequencies", frequencies)

    def positions(
        self, scaling: Literal["normalized", "normalized_linear", "absolute"] = "normalized"
    ) -> Tensor:
        """Where the bins lie: as those of the transform."""
        return self.transform.positions(scaling)

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        """Weighted values `(..., bins, frames)` of signals `(..., samples)`."""
        values = self.transform(x)
        return values * self.tables(values.dtype)("gains")[:, None]


def _gains(weighting, frequencies: np.ndarray) -> np.ndarray:
    if isinstance(weighting, str):
        import librosa  # takes half a second, so only where it is needed

        kind = check.one_of("weighting", weighting, CURVES)
        with np.errstate(divide="ignore"):  # 0 Hz has no level
            decibels = librosa.frequency_weighting(frequencies, kind=kind, min_db=None)
        return 10 ** (decibels / 20)
    found = weighting(frequencies) if callable(weighting) else weighting
    if isinstance(found, np.ndarray) and found.dtype == bool:  # which bins pass
        found = found.astype(float)
    gains = check.real_numbers("weighting", found, "cpu").detach().numpy()
    if gains.shape != frequencies.shape or gains.min() < 0 or not gains.any():
        raise ValueError(
            f"weighting must give one gain of 0 or more, not all 0, for each of the "
            f"{len(frequencies)} bins; got shape {gains.shape}"
            + (f" with values from {gains.min():g}." if gains.size else ".")
        )
    return gains
