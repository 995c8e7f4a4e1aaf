"""Convolution of many channels by FFT, for batches on a CPU.

At each frequency the channels are mixed by one small matrix: with 40 channels and 15 taps that is a
seventh of the products of a direct convolution.
"""

import functools
import math

import scipy.fft
import torch
from torch.nn.functional import conv1d

from sotlib._uncompiled import plain, uncompiled

PART = 16  # signals that are worked on at once, so that their spectra stay in the cache
FEWEST = 8  # signals from which it is faster than a direct convolution


def convolve_same(x, weight):
    """What ``torch.nn.functional.conv1d(x, weight, padding="same")`` gives, by the faster way.

    Parameters
    ----------
    x : Tensor, shape (batch, in channels, samples)
    weight : Tensor, shape (out channels, in channels, taps)

    Returns
    -------
    Tensor, shape (batch, out channels, samples)
    """
    precise = x.dtype == weight.dtype and x.dtype in (torch.float32, torch.float64)
    if x.device.type != "cpu" or len(x) < FEWEST or not precise or torch.is_autocast_enabled("cpu"):
        return conv1d(x, weight, padding="same")
    return _Convolution.apply(x, weight)


class _Convolution(torch.autograd.Function):
    """Derivatives beyond the first backward pass are those of the direct convolution."""

    @staticmethod
    def forward(x, weight):
        return _convolve(x, weight)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        if not plain(grad):
            _, pull_back = torch.func.vjp(functools.partial(conv1d, padding="same"), x, weight)
            return pull_back(grad)
        return _gradients(x, weight, grad)

    @staticmethod
    def jvp(ctx, x_tangent, weight_tangent):
        x, weight = ctx.saved_tensors
        terms = []
        if x_tangent is not None:
            terms.append(conv1d(x_tangent, weight, padding="same"))
        if weight_tangent is not None:
            terms.append(conv1d(x, weight_tangent, padding="same"))
        return sum(terms)

    @staticmethod
    def vmap(info, in_dims, x, weight):
        direct = functools.partial(conv1d, padding="same")
        return torch.vmap(direct, in_dims)(x, weight), 0


@uncompiled
def _convolve(x, weight):
    size = _size(x, weight)
    kernel = _kernel_spectrum(weight, size)
    y = x.new_empty(len(x), len(weight), x.shape[-1])
    for part, out in zip(x.split(PART), y.split(PART), strict=True):
        _write_signals(torch.bmm(_spectra(part, size), kernel.mT), size, out)
    return y


@uncompiled
def _gradients(x, weight, grad):
    size = _size(x, weight)
    conjugate = _kernel_spectrum(weight, size).conj_physical()
    by_x, by_kernel = torch.empty(x.shape, dtype=x.dtype), torch.zeros_like(conjugate)
    for part, slope, out in zip(*(t.split(PART) for t in (x, grad, by_x)), strict=True):
        slope = _spectra(slope, size)
        by_kernel.baddbmm_(slope.mT, _spectra(part, size).conj_physical_())
        _write_signals(torch.bmm(slope, conjugate), size, out)
    return by_x, _taps(by_kernel, weight.shape, size)


def _size(x, weight):
    """Of the FFT: no tap may reach round its end to the other end of the signal."""
    return scipy.fft.next_fast_len(x.shape[-1] + weight.shape[-1] // 2, real=True)


def _spectra(x, size):
    """Spectra (frequencies, signals, channels) of signals (signals, channels, samples)."""
    return torch.fft.rfft(x, n=size).permute(2, 0, 1).contiguous()


def _write_signals(spectra, size, out):
    out.copy_(torch.fft.irfft(spectra.permute(1, 2, 0), n=size)[..., : out.shape[-1]])


def _kernel_spectrum(weight, size):
    """Matrices (frequencies, out channels, in channels) that mix the channels."""
    taps = weight.reshape(-1, weight.shape[-1]).T
    cosine, sine = _waves(weight.shape[-1], size, weight.dtype)
    return torch.complex(cosine @ taps, sine @ taps).unflatten(1, weight.shape[:2])


def _taps(slope, shape, size):
    """The adjoint of `_kernel_spectrum` after an inverse FFT of `size` samples."""
    cosine, sine = _waves(shape[-1], size, slope.real.dtype)
    inner = torch.full((len(slope), 1), 2.0 / size, dtype=cosine.dtype)
    inner[0] /= 2
    if size % 2 == 0:
        inner[-1] /= 2
    slope = slope.flatten(1)
    taps = (cosine * inner).T @ slope.real + (sine * inner).T @ slope.imag
    return taps.T.reshape(shape)


@functools.lru_cache(maxsize=16)
def _waves(taps, size, dtype):
    """Cosine and sine (frequencies, taps) of the phase by which a tap is ahead of the sample."""
    ahead = torch.arange(taps) - (taps - 1) // 2
    turns = torch.arange(size // 2 + 1)[:, None] * ahead % size
    angle = turns.double() * (2 * math.pi / size)
    return angle.cos().to(dtype), angle.sin().to(dtype)
