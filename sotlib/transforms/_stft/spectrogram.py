"""Magnitudes of short-time spectra on a CPU, a few signals at a time, so that all stays in cache.

Automatic differentiation walks through whole spectrograms many times, in memory that is fresh each
time. What it gives remains the definition, `differentiable`: on a GPU, for second derivatives, in
forward mode and under `torch.func.vmap`.
"""

import torch

from sotlib._core.autograd import readable, uncompiled
from sotlib.transforms._stft.spectrum import Power, RealFFT

CACHE = 1 << 17  # complex numbers that are worked on at once


def spectrogram(x, stft):
    """Magnitudes (batch, frames, bins) of signals (batch, samples), or powers, as `stft` says."""
    if x.device.type != "cpu" or 0 in stft.shape(x):
        return differentiable(x, stft)
    return _Spectrogram.apply(x, stft)


def differentiable(x, stft):
    """The same, of operations that torch can differentiate in every way."""
    frames = stft.windowed(x)
    if frames.numel() == 0:  # MKL refuses to transform nothing
        return frames[..., : stft.fft_size // 2 + 1]
    spectrum = RealFFT.apply(frames)
    return Power.apply(spectrum) if stft.square_magnitude else spectrum.abs()  # abs'(0) is 0


def along(x, tangent, stft):
    """`spectrogram` and its derivative in the direction of `tangent`."""
    spectrum, towards = (torch.fft.rfft(stft.windowed(t)) for t in (x, tangent))
    product = spectrum.real * towards.real + spectrum.imag * towards.imag
    magnitude = spectrum.abs()
    if stft.square_magnitude:
        return magnitude.square(), 2 * product
    return magnitude, product / torch.where(magnitude > 0, magnitude, 1)  # abs'(0) is 0


class Parts:
    """The short-time spectra of `x` (batch, samples), of a few signals after the other.

    Iterating gives slices of the batch and their spectra (signals, frames, bins), complex.
    """

    def __init__(self, x, stft):
        self.stft, self.padded, self.samples = stft, stft.pad(x).contiguous(), x.shape[-1]
        _, self.bins, self.frames = stft.shape(x)
        self.window = stft.window(x.dtype).numpy()
        self.step = max(1, CACHE // (self.bins * self.frames))

    def __iter__(self):
        from sotlib.transforms._stft import kernels  # compiled on first use

        size, hop = self.stft.fft_size, self.stft.hop_length
        frames = self.padded.new_empty(self.step, self.frames, size)
        for start in range(0, len(self.padded), self.step):
            part = slice(start, start + self.step)
            padded = self.padded[part]
            kernels.frames(padded.numpy(), self.window, hop, frames[: len(padded)].numpy())
            yield part, torch.fft.rfft(frames[: len(padded)])


class Sum:
    """Signals that are the adjoint of `Parts`: spectra become frames, which are added up."""

    def __init__(self, parts):
        self.parts, self.padded = parts, torch.zeros_like(parts.padded)

    def add(self, part, spectrum):
        """Add spectra, of which the inverse FFT counts inner bins twice, to the signals `part`."""
        from sotlib.transforms._stft import kernels

        stft = self.parts.stft
        frames = torch.fft.irfft(spectrum, n=stft.fft_size, norm="forward")
        arguments = frames.numpy(), self.parts.window, stft.hop_length
        kernels.overlap_add(*arguments, self.padded[part].numpy())

    def signals(self):
        """All of them, (batch, samples)."""
        return self.parts.stft.unpad(self.padded, self.parts.samples)


def rows(tensor):
    """(signals, frames, ...) as an array (rows, numbers), complex numbers as two."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.flatten(0, 1).flatten(1).numpy()


class _Spectrogram(torch.autograd.Function):
    @staticmethod
    def forward(x, stft):
        return _magnitudes(x, stft)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.stft = inputs
        ctx.save_for_backward(x, output)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx, grad):
        x, magnitude = ctx.saved_tensors
        if not readable(grad):
            pull_back = torch.func.vjp(lambda x: differentiable(x, ctx.stft), x)[1]
            return *pull_back(grad), None
        return _gradient(x, ctx.stft, magnitude, grad), None

    @staticmethod
    def jvp(ctx, tangent, _):
        (x,) = ctx.saved_tensors
        return along(x, tangent, ctx.stft)[1]

    @staticmethod
    def vmap(info, in_dims, x, stft):
        return torch.vmap(lambda x: differentiable(x, stft), in_dims[0])(x), 0


@uncompiled
def _magnitudes(x, stft):
    from sotlib.transforms._stft import kernels  # compiled on first use

    parts = Parts(x, stft)
    magnitude = x.new_empty(len(x), parts.frames, parts.bins)
    for part, spectrum in parts:
        kernels.magnitudes(rows(spectrum), 1 + stft.square_magnitude, rows(magnitude[part]))
    return magnitude


@uncompiled
def _gradient(x, stft, magnitude, grad):
    from sotlib.transforms._stft import kernels

    parts = Parts(x, stft)
    total = Sum(parts)
    for part, spectrum in parts:  # transformed again, which needs no memory
        pairs, slope = rows(spectrum), rows(grad[part].contiguous())
        kernels.slopes(
            pairs, 1 + stft.square_magnitude, slope, rows(magnitude[part]), stft.fft_size
        )
        total.add(part, spectrum)
    return total.signals()
