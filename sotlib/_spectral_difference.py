"""Distance of a signal's magnitudes from given ones, and its gradient, in one pass.

Automatic differentiation keeps every intermediate spectrogram and walks through each of them
several times. Where the other signal is known beforehand, value and gradient are computed
together, a few signals at a time, so that all of it stays in the processor's cache.
"""

import numpy as np
import torch

from sotlib import _check
from sotlib._uncompiled import uncompiled

CACHE = 1 << 17  # complex numbers that are worked on at once


class SpectralDifference(torch.autograd.Function):
    """Mean difference between the magnitudes of `x` (batch, samples) and `target`, on a CPU.

    Its arguments are those of `MultiScaleSpectralLoss`; `target` has shape (batch, bins, frames).
    """

    @staticmethod
    def forward(ctx, x, target, stft, linear_weight, log_weight, floor, p):
        weights = np.array([linear_weight, log_weight], dtype=np.float64)
        value, gradient = _evaluate(x.detach(), target, stft, weights, floor, p)
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx, grad):
        _check.first_derivative_only("A spectral loss against prepared spectra")
        (gradient,) = ctx.saved_tensors
        return grad * gradient, None, None, None, None, None, None


@uncompiled  # it is compiled already, by other means
def _evaluate(x, target, stft, weights, floor, p):
    from sotlib import _spectral_kernels as kernels  # compiled on first use

    target = target.transpose(-1, -2).contiguous()
    frames, bins = target.shape[-2:]
    weights = weights / target.numel()
    gradient = torch.empty_like(x)
    total = np.zeros(2)
    step = max(1, CACHE // (frames * bins))
    for start in range(0, x.shape[0], step):
        part = slice(start, start + step)
        spectrum = torch.fft.rfft(stft.frames(x[part]))
        ours, other = torch.empty_like(target[part]), target[part]
        pairs = _rows(torch.view_as_real(spectrum).flatten(-2))
        kernels.magnitudes(pairs, _rows(ours))
        logs = [t.clamp(min=floor).log_() if weights[1] else t for t in (ours, other)]
        arrays = [_rows(t) for t in (ours, other, *logs)]
        constants = np.array([*weights, floor], dtype=pairs.dtype)
        total += kernels.differences(pairs, *arrays, *constants, p, stft.fft_size)
        back = torch.fft.irfft(spectrum, n=stft.fft_size, norm="forward")
        gradient[part] = stft.overlap_add(back, x.shape[-1])
    return x.new_tensor(total @ weights), gradient


def _rows(tensor):
    """(signals, frames, bins) as an array (rows, bins)."""
    return tensor.flatten(0, 1).numpy()
