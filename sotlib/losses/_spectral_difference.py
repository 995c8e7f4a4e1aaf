"""Distance of a signal's spectrogram from a given one, and its gradient, in one pass.

Automatic differentiation keeps every intermediate spectrogram and walks through each of them
several times. Where only one signal needs a gradient, on a CPU, value and gradient are computed
together, a few signals at a time, so that all of it stays in the processor's cache. What
`Terms.difference` gives remains the definition, for all other derivatives too.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sotlib._core.autograd import uncompiled
from sotlib.transforms._stft.spectrogram import Parts, Sum, along


class Terms(Protocol):
    """What is compared: see `_magnitude_terms.py` and `_convergence_terms.py`."""

    def difference(self, x: Tensor, y: Tensor) -> Tensor:
        """Of each signal, from spectrograms (batch, bins, frames), as torch differentiates it."""

    def along(self, x: Tensor, slope: Tensor, y: Tensor) -> Tensor:
        """Derivative of `difference` where that of `x` is `slope`; (batch, frames, bins) here."""

    def in_one_pass(self, spectrum: Tensor, y: Tensor, size: int) -> np.ndarray:
        """`difference` for spectra of FFTs of `size`, (signals, frames, bins), complex.

        These become the gradient that the inverse FFT brings to the frames, see
        `sotlib.transforms._stft.spectrogram.Sum`.
        """


def spectral_difference(x, target, stft, terms: Terms):
    """`difference` of `x` (batch, samples), transformed, from `target` (batch, bins, frames)."""
    needed = x.requires_grad and torch.is_grad_enabled() and not target.requires_grad
    if needed and x.device.type == "cpu" and target.numel() > 0:
        if target.is_inference():  # torch would not remember it for the backward pass
            target = target.clone()
        return _SpectralDifference.apply(x, target, stft, terms)[0]
    return terms.difference(stft(x), target)


class _SpectralDifference(torch.autograd.Function):
    """Value and gradient; only the value is to be differentiated."""

    @staticmethod
    def forward(x, target, stft, terms):
        return _evaluate(x, target, stft, terms)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, target, ctx.stft, ctx.terms = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, target, output[1])
        ctx.save_for_forward(x, target)

    @staticmethod
    def backward(ctx, grad, _):
        x, target, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient shall be differentiated in turn
            pull_back = torch.func.vjp(lambda x: ctx.terms.difference(ctx.stft(x), target), x)[1]
            return *pull_back(grad), None, None, None
        return grad[:, None] * gradient, None, None, None

    @staticmethod
    def jvp(ctx, tangent, *_):
        x, target = ctx.saved_tensors
        found, slope = along(x, tangent, ctx.stft)
        return ctx.terms.along(found, slope, target.transpose(-1, -2)), None

    @staticmethod
    def vmap(info, in_dims, x, target, stft, terms):
        def value(x, target):
            return terms.difference(stft(x), target)

        return (torch.vmap(value, in_dims[:2])(x, target), x.new_empty(0)), (0, None)


@uncompiled  # it is compiled already, by other means
def _evaluate(x, target, stft, terms):
    target = target.transpose(-1, -2).contiguous()
    parts, total = Parts(x, stft), np.zeros(len(x))
    gradient = Sum(parts)
    for part, spectrum in parts:
        total[part] = terms.in_one_pass(spectrum, target[part], stft.fft_size)
        gradient.add(part, spectrum)
    return torch.from_numpy(total).to(x), gradient.signals()
