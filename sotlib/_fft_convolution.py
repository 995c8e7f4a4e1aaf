"""Convolution of many channels by FFT, for batches on a CPU.

At each frequency the channels are mixed by one small matrix: with 40 channels and 15 taps that is a
seventh of the products of a direct convolution.
"""

import functools
import math

import scipy.fft
import torch
from torch.nn.functional import conv1d

from sotlib._uncompiled import uncompiled

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
        if torch.is_grad_enabled():  # the gradient shall be differentiated in turn
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
    y = x.new_empty(len(x), len(weight), x.shape[-1])
    inside, outside = _workspaces(x, weight)
    kernel = _kernel_spectrum(weight, inside.size)
    for part, out in zip(x.split(PART), y.split(PART), strict=True):
        torch.bmm(inside.analyse(part), kernel.mT, out=outside.rows(len(part)))
        outside.synthesise(out)
    return y


@uncompiled
def _gradients(x, weight, grad):
    inside, outside = _workspaces(x, weight)
    conjugate = _kernel_spectrum(weight, inside.size).conj_physical()
    by_x, by_kernel = torch.empty(x.shape, dtype=x.dtype), torch.zeros_like(conjugate)
    for part, slope, out in zip(*(t.split(PART) for t in (x, grad, by_x)), strict=True):
        slope = outside.analyse(slope)
        by_kernel.baddbmm_(slope.mT, inside.analyse(part).conj_physical_())
        torch.bmm(slope, conjugate, out=inside.rows(len(part)))
        inside.synthesise(out)
    return by_x, _taps(by_kernel, weight.shape, inside.size)


class _Workspace:
    """Memory that the parts of a batch use in turn; fresh memory would cost as much as the work.

    Spectra lie in it with the frequencies first, (frequencies, signals, channels).
    """

    def __init__(self, signals, channels, samples, size, dtype):
        self.channels, self.samples, self.size = channels, samples, size
        self.frequencies = size // 2 + 1
        self.padded = torch.zeros(signals, channels, size, dtype=dtype)
        self.restored = torch.empty_like(self.padded)
        count, kind = signals * channels * self.frequencies, dtype.to_complex()
        self.spectra = torch.empty(signals, channels, self.frequencies, dtype=kind)
        self.flat = torch.empty(count, dtype=kind)

    def rows(self, signals):
        count = self.frequencies * signals * self.channels
        return self.flat[:count].view(self.frequencies, signals, self.channels)

    def analyse(self, x):
        """Spectra of signals (signals, channels, samples), which lie there until the next call."""
        padded, spectra, rows = self.padded[: len(x)], self.spectra[: len(x)], self.rows(len(x))
        padded[..., : self.samples] = x
        torch.fft.rfft(padded, out=spectra)
        return rows.copy_(spectra.permute(2, 0, 1))

    def synthesise(self, out):
        """Signals of the spectra in `rows`, written to `out`."""
        spectra, restored = self.spectra[: len(out)], self.restored[: len(out)]
        spectra.copy_(self.rows(len(out)).permute(1, 2, 0))
        torch.fft.irfft(spectra, n=self.size, out=restored)
        out.copy_(restored[..., : self.samples])


def _workspaces(x, weight):
    """For the channels before and after the convolution."""
    samples = x.shape[-1]
    # A tap must not reach round the end of the FFT to the other end of the signal.
    size = scipy.fft.next_fast_len(samples + weight.shape[-1] // 2, real=True)
    common = {"samples": samples, "size": size, "dtype": x.dtype}
    signals = min(PART, len(x))
    return _Workspace(signals, weight.shape[1], **common), _Workspace(
        signals, weight.shape[0], **common
    )


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
