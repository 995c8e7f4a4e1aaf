"""Distance of a signal's magnitudes from given ones, and its gradient, in one pass.

Automatic differentiation keeps every intermediate spectrogram and walks through each of them
several times. Where the other signal is known beforehand, value and gradient are computed
together, a few signals at a time, so that all of it stays in the processor's cache.
"""

import numpy as np
import torch

from sotlib import _check
from sotlib._spectrogram import Parts, Sum, rows
from sotlib._uncompiled import uncompiled


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
    from sotlib import _stft_kernels as kernels  # compiled on first use

    target = target.transpose(-1, -2).contiguous()
    weights = weights / target.numel()
    parts, total = Parts(x, stft), np.zeros(2)
    gradient = Sum(parts)
    for part, spectrum in parts:
        pairs, other = rows(spectrum), target[part]
        ours = torch.empty_like(other)
        kernels.magnitudes(pairs, 1, rows(ours))
        logs = [t.clamp(min=floor).log_() if weights[1] else t for t in (ours, other)]
        arrays = [rows(t) for t in (ours, other, *logs)]
        constants = np.array([*weights, floor], dtype=pairs.dtype)
        total += kernels.differences(pairs, *arrays, *constants, p, stft.fft_size)
        gradient.add(part, spectrum)
    return x.new_tensor(total @ weights), gradient.signals()
