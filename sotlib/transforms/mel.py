"""The mel spectrogram."""

from typing import Literal

import numpy as np
from torch import Tensor

from sotlib._core import check
from sotlib._core.precision import full_precision
from sotlib.transforms.base import SCALINGS, Transform
from sotlib.transforms.stft import STFT


class MelSpectrogram(Transform):
    """Mel spectrogram: HTK scale, triangular filters of height 1, periodic Hann window.

    Parameters
    ----------
    fft_size, hop_length
        As for `STFT`, whose frames are centred here.
    n_mels : int, default 128
        Number of bands between 0 Hz and half the sample rate.
    sample_rate : float, default 22050
        In Hz.
    win_length : int, optional
        As for `STFT`.
    square_magnitude : bool, default True
        Bands add up power, or magnitude if False.

    Raises
    ------
    ValueError
        On unknown options, and when a signal is too short for the first frame.

    Notes
    -----
    The conventions of ``sot-loss``. Its only position scaling there, 'normalized', is
    ``index / (n_mels - 1)`` and is so here; 'absolute' gives the centre frequencies in Hz.
    Explained in chapter ``sot/transport``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import MelSpectrogram
    >>> MelSpectrogram(n_mels=40)(torch.randn(2, 22050)).shape
    torch.Size([2, 40, 87])
    """

    cure = "take a smaller fft_size"

    def __init__(
        self,
        *,
        fft_size: int = 1024,
        hop_length: int = 256,
        n_mels: int = 128,
        sample_rate: float = 22050,
        win_length: int | None = None,
        square_magnitude: bool = True,
    ):
        super().__init__(sample_rate)
        check.count("n_mels", n_mels)
        self.square_magnitude = check.flag("square_magnitude", square_magnitude)
        self.stft = STFT(
            fft_size=fft_size,
            hop_length=hop_length,
            win_length=win_length,
            window="hann",
            sample_rate=sample_rate,
            square_magnitude=square_magnitude,
        )
        self.shortest = self.stft.shortest
        import librosa  # takes half a second, so only where it is needed

        filters = librosa.filters.mel(
            sr=sample_rate, n_fft=fft_size, n_mels=n_mels, htk=True, norm=None, dtype=np.float64
        )
        centres = librosa.mel_frequencies(n_mels + 2, fmax=sample_rate / 2, htk=True)[1:-1]
        self.add_table("filters", filters)
        self.add_table("frequencies", centres)

    def positions(
        self, scaling: Literal["normalized", "normalized_linear", "absolute"] = "normalized"
    ) -> Tensor:
        """Where the bands lie, shape `(n_mels,)`; see `Transform.positions` and the notes above."""
        scaling = check.one_of("scaling", scaling, SCALINGS)
        linear = "normalized_linear" if scaling == "normalized" else scaling
        return super().positions(linear)

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        """Bands `(..., n_mels, frames)` of signals `(..., samples)`."""
        self._check_input(x)
        return self.tables(x.dtype)("filters") @ self.stft(x)
