"""The harmonic synthesiser: fundamental frequency and amplitudes in, sound out."""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.precision import full_precision
from sotlib._core.tables import TableModule
from sotlib.synths._varying_harmonics import varying_harmonics

TAPS = 128  # of the roll-off filter


class HarmonicSynth(TableModule):
    r"""Sum of harmonics with frame-wise controls, differentiable in all of them.

    .. math:: y(t) = \sum_k a_k(t) \sin(2\pi k \phi(t)), \quad
       \phi(t) = \frac{1}{f_s} \sum_{s \le t} f_0(s)

    Fundamental frequencies are interpolated linearly between the centres of frames, amplitudes with
    overlapping Hann windows centred on the beginnings of frames; at the ends both are held.
    Harmonics at or above half the sample rate are silent. With one frame, the controls are constant
    and the sound is the closed form :math:`\sum_k a_k \sin(2\pi k f_0 (t + 1) / f_s)`, which is
    computed far faster, from the angles of every n-th sample and of the first n, with n the root of
    `samples`.

    Parameters
    ----------
    samples : int, default 4096
        Length of the sound; a multiple of the number of frames.
    sample_rate : float, default 16000
        In Hz.
    roll_off : bool, default False
        Filter the sound by 0 dB up to 500 Hz and -6 dB per octave above (zero-phase FIR, 128 taps),
        as the public configurations of one baseline of the SOT paper did.
    first_phase : {1, 0}, default 1
        How many samples of phase the first sample has behind it. 1, as in the public code of the
        SOT paper: the frequency is summed up to and including the current sample. 0: every sine
        begins at 0, so that the sum is over :math:`s < t`.

    Raises
    ------
    TypeError, ValueError
        On controls that do not fit together, that are negative, not finite or not float32 or
        float64.

    Notes
    -----
    The decoder of Torres, Peeters and Richard (ICASSP 2024), after Engel et al. (ICLR 2020). The
    phase is accumulated in double precision. Explained in chapter ``sot/autoencoder``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import HarmonicSynth
    >>> synth = HarmonicSynth(samples=4, sample_rate=4)
    >>> synth(torch.tensor([[1.0]]), torch.tensor([[[0.5, 0.5]]])).round(decimals=3) + 0.0
    tensor([[ 0.5000,  0.0000, -0.5000,  0.0000]])
    """

    def __init__(
        self,
        *,
        samples: int = 4096,
        sample_rate: float = 16000,
        roll_off: bool = False,
        first_phase: Literal[1, 0] = 1,
    ):
        super().__init__()
        self.first_phase = check.one_of("first_phase", first_phase, (1, 0))
        self.samples = check.count("samples", samples)
        self.sample_rate = check.positive("sample_rate", sample_rate)
        self.roll_off = check.flag("roll_off", roll_off)
        if self.roll_off:
            taps, half = _roll_off_filter(self.sample_rate), TAPS // 2
            padded = np.zeros(self.samples + TAPS)
            padded[: half + 1], padded[1 - half :] = taps[: half + 1], taps[half + 1 :]
            self.add_table("response", np.fft.rfft(padded).real)

    @full_precision
    def forward(self, f0: Tensor, amplitudes: Tensor) -> Tensor:
        """Synthesise a batch of sounds.

        Parameters
        ----------
        f0 : Tensor, shape (batch, frames)
            Fundamental frequencies in Hz, at least 0.
        amplitudes : Tensor, shape (batch, frames, harmonics)
            Peak amplitudes, the fundamental first.

        Returns
        -------
        Tensor, shape (batch, samples)
            Sounds in the dtype of `amplitudes`.
        """
        self._check_controls(f0, amplitudes)
        f0 = f0.double()
        if f0.shape[1] == 1:
            sound = self._constant(f0[:, 0], amplitudes[:, 0])
        else:
            options = self.samples, self.sample_rate, self.first_phase
            sound = varying_harmonics(f0, amplitudes, options)
        return self._filter(sound) if self.roll_off else sound

    def _constant(self, f0, amplitudes):
        """sin(a + b) = sin a cos b + cos a sin b, where a jumps by a block and b walks inside."""
        harmonic = torch.arange(1, amplitudes.shape[-1] + 1, device=f0.device)
        frequency = f0[:, None] * harmonic
        amplitudes = amplitudes * (frequency < self.sample_rate / 2)
        block = math.ceil(math.sqrt(self.samples))
        inside = torch.arange(block, device=f0.device) + self.first_phase
        jumps = torch.arange(-(-self.samples // block), device=f0.device) * block
        cycles = frequency[..., None] / self.sample_rate
        sin_a, cos_a = _sine_and_cosine(cycles * jumps, amplitudes.dtype)
        sin_b, cos_b = _sine_and_cosine(cycles * inside, amplitudes.dtype)
        a = torch.cat([sin_a, cos_a], dim=1) * amplitudes.repeat(1, 2)[..., None]
        b = torch.cat([cos_b, sin_b], dim=1)
        sound = a.transpose(1, 2) @ b
        return sound.flatten(1)[:, : self.samples]

    def _filter(self, sound):
        response = self.tables(sound.dtype)("response")
        size = self.samples + TAPS
        return torch.fft.irfft(torch.fft.rfft(sound, n=size) * response, n=size)[:, : self.samples]

    def _check_controls(self, f0, amplitudes):
        for name, tensor, axes in (
            ("f0", f0, "(batch, frames)"),
            ("amplitudes", amplitudes, "(batch, frames, harmonics)"),
        ):
            check.floating(name, tensor)
            if tensor.ndim != axes.count(",") + 1:
                raise ValueError(f"{name} must have shape {axes}; got {tuple(tensor.shape)}.")
            check.finite(name, tensor)
            if check.holds_anywhere(tensor.detach() < 0):
                raise ValueError(
                    f"{name} must not be negative; its minimum is {tensor.min().item():.3g}."
                )
        if f0.device != amplitudes.device:
            raise ValueError(
                "f0 and amplitudes must lie on one device; got "
                f"{f0.device} and {amplitudes.device}."
            )
        if f0.shape != amplitudes.shape[:2] or 0 in amplitudes.shape[1:]:
            raise ValueError(
                "f0 (batch, frames) and amplitudes (batch, frames, harmonics) must agree, with at "
                f"least one frame and harmonic; got {tuple(f0.shape)}, {tuple(amplitudes.shape)}."
            )
        if self.samples % f0.shape[1]:
            raise ValueError(
                f"samples={self.samples} must be a multiple of the number of frames; f0 has "
                f"{f0.shape[1]}."
            )


def _sine_and_cosine(cycles, dtype):
    angle = (cycles.frac() * (2 * math.pi)).to(dtype)
    return torch.sin(angle), torch.cos(angle)


def _roll_off_filter(sample_rate):
    """Taps of the zero-phase FIR, its centre at index 0 and negative times at the end."""
    frequency = np.linspace(0, sample_rate / 2, TAPS // 2 + 1)
    gain = np.minimum(1.0, 500.0 / np.maximum(frequency, 500.0))  # -6 dB an octave
    taps = np.fft.irfft(10 ** (6 / 20 * np.log2(gain)))
    taps *= np.roll(np.hanning(TAPS + 1)[:-1], TAPS // 2)
    return taps
