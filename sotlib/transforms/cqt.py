"""The constant-Q and variable-Q transform."""

import math
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sotlib._core import check
from sotlib._core.linear import linear
from sotlib._core.precision import full_precision
from sotlib.transforms._cqt.direct import framed, spread
from sotlib.transforms._cqt.sliding import Sliding, gather, scatter
from sotlib.transforms.base import Transform
from sotlib.transforms.stft import scipy_window


class CQT(Transform):
    r"""Magnitude of the constant-Q transform; with ``gamma > 0`` a variable-Q transform.

    Bin k has the centre frequency :math:`f_k = f_\min 2^{k/B}` and a kernel of
    :math:`\lceil Q f_s / (f_k + \gamma / \alpha) \rceil` samples, where
    :math:`\alpha = 2^{1/B} - 1`, :math:`Q = 1 / \alpha` and B is the number of bins per octave.

    Parameters
    ----------
    sample_rate : float, default 22050
        In Hz.
    hop_length : int, default 256
        Samples between frames; frames are centred, the signal is padded at both ends.
    fmin : float, default 32.7
        Frequency of the first bin in Hz.
    fmax : float, optional
        Bins go from `fmin` up to, not including, this frequency in Hz; overrides `n_bins`.
    n_bins : int, default 250
        Number of bins.
    bins_per_octave : int, default 36
        Bins per octave.
    gamma : float, default 0
        Bandwidth added to each bin in Hz; shortens the kernels of low frequencies.
    window : str, float or tuple, default 'flattop'
        Shape of the kernels, as named by `scipy.signal.get_window`.
    padding : {'reflect', 'zeros'}, default 'reflect'
        Reflect the signal at both ends, or pad it with zeros.

    Raises
    ------
    ValueError
        If a bin lies above half the sample rate, on unknown options, and when a signal is too
        short to be reflected by half of the longest kernel.

    Notes
    -----
    The kernels are nnAudio's: unit L1 norm, and the output is multiplied by the root of their
    length, as in librosa. They are applied octave by octave at their own length and, on a CPU,
    where the window is a sum of cosines (Hann, Blackman, flat-top, ...), at a cost that does not
    grow with it: both are exact. Explained in chapter ``sot/transport``.

    Examples
    --------
    >>> from sotlib import CQT, sinusoid
    >>> cqt = CQT(fmin=55.0, n_bins=60, bins_per_octave=12, window="hann")
    >>> magnitude = cqt(sinusoid(440.0, samples=22050, sample_rate=22050))
    >>> cqt.positions("absolute")[magnitude[:, 40].argmax()].round()
    tensor(440.)
    """

    cure = "raise fmin, take fewer bins per octave, or gamma > 0"

    def __init__(
        self,
        *,
        sample_rate: float = 22050,
        hop_length: int = 256,
        fmin: float = 32.7,
        fmax: float | None = None,
        n_bins: int = 250,
        bins_per_octave: int = 36,
        gamma: float = 0.0,
        window: str | float | tuple = "flattop",
        padding: Literal["reflect", "zeros"] = "reflect",
    ):
        super().__init__(sample_rate)
        self.hop_length = check.count("hop_length", hop_length)
        self.padding = check.one_of("padding", padding, ("reflect", "zeros"))
        sample_rate, fmin = self.sample_rate, check.positive("fmin", fmin)
        n_bins = check.count("n_bins", n_bins)
        bins_per_octave = check.count("bins_per_octave", bins_per_octave, most=10**6)
        gamma = check.number("gamma", gamma, least=0, most=sample_rate)  # a bandwidth in Hz
        if fmax is not None:
            if not check.positive("fmax", fmax) > fmin:
                raise ValueError(f"fmax must exceed fmin={fmin} Hz; got {fmax!r}.")
            n_bins = math.ceil(bins_per_octave * math.log2(fmax / fmin))
        highest, fits = fmin * 2 ** ((n_bins - 1) / bins_per_octave), sample_rate / 2 / fmin
        if highest > sample_rate / 2:
            if fmax is not None:
                raise ValueError(
                    f"fmax must not exceed half the sample rate, {sample_rate / 2:g} Hz; got "
                    f"{fmax!r}."
                )
            most = max(0, math.floor(bins_per_octave * math.log2(fits)) + 1)
            raise ValueError(
                f"n_bins={n_bins} reaches {highest:.0f} Hz, above half the sample rate "
                f"({sample_rate / 2:.0f} Hz). From fmin={fmin} Hz at most {most} bins fit."
            )
        scipy_window(window, 16)  # a clear error for an unknown name
        if not (isinstance(window, str) or (isinstance(window, tuple) and window[0] == "gaussian")):
            raise ValueError(
                f"window must be a name or ('gaussian', decibels), of which nnAudio can make "
                f"kernels; got {window!r}."
            )
        q = 1 / (2 ** (1 / bins_per_octave) - 1)
        from nnAudio.utils import create_cqt_kernels  # takes half a second to import

        with torch.device("cpu"):
            kernels, self.longest, lengths, frequencies = create_cqt_kernels(
                q, sample_rate, fmin, n_bins, bins_per_octave, window=window, gamma=gamma
            )
        self.add_table("frequencies", frequencies)
        self.shortest = self.longest // 2 + 1 if padding == "reflect" else 1
        lengths = [int(size) for size in lengths]
        kernels = kernels * np.sqrt(lengths)[:, None]
        self._group(kernels, [max(1, size - 1).bit_length() for size in lengths])
        self._sliding = Sliding.of(kernels, lengths, frequencies / sample_rate, hop_length)
        if self._sliding:
            self.add_table("sliding", self._sliding.matrix)

    def _group(self, kernels, powers):
        """Store kernels of at most 2 ** power samples as one matrix per power, (width, 2 bins)."""
        self._widths = {}
        for power in sorted(set(powers), reverse=True):
            rows = [k for k, other in enumerate(powers) if other == power]
            width = min(1 << power, self.longest)
            start = (self.longest - width) // 2
            kernel = kernels[rows, start : start + width].T
            kernel = np.stack([kernel.real, kernel.imag], axis=-1).reshape(width, -1)
            self.add_table(f"kernels_{width}", kernel)
            self._widths[width] = len(rows)

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        """Magnitude `(..., n_bins, frames)` of signals `(..., samples)`."""
        self._check_input(x)
        half = self.longest // 2
        flat = x.reshape(-1, 1, x.shape[-1])
        padded = nn.functional.pad(
            flat, (half, half), mode="reflect" if self.padding == "reflect" else "constant"
        )[:, 0]
        frames = x.shape[-1] // self.hop_length + 1
        parts, done = [], 0
        if x.device.type == "cpu" and self._sliding and self._sliding.pays(frames):
            parts, done = [self._long(padded, frames)], len(self._sliding.first)
        for width, bins in self._widths.items():
            missing, done = max(0, bins - done), max(0, done - bins)
            if missing:
                parts.append(self._short(padded, frames, width, missing))
        magnitude = torch.cat(parts, dim=-2).abs()  # its gradient at 0 is 0, unlike a root's
        return magnitude.reshape(*x.shape[:-1], *magnitude.shape[-2:])

    def _long(self, padded, frames):
        """Complex transform (batch, bins, frames) of the bins that have long kernels."""
        constants = {"matrix": self.tables(padded.dtype)("sliding"), "sliding": self._sliding}
        forth = partial(gather, frames=frames, **constants)
        back = partial(scatter, samples=padded.shape[-1], **constants)
        return linear(padded, forth, back)

    def _short(self, padded, frames, width, bins):
        """The same of the last bins that have kernels of this width."""
        start = (self.longest - width) // 2
        used = padded[:, start : start + (frames - 1) * self.hop_length + width]
        matrix = self.tables(padded.dtype)(f"kernels_{width}")[:, -2 * bins :]
        forth = partial(framed, matrix=matrix, hop=self.hop_length)
        back = partial(spread, matrix=matrix, hop=self.hop_length, samples=used.shape[-1])
        return torch.view_as_complex(linear(used, forth, back).unflatten(-1, (-1, 2))).mT
