"""Distance of a signal's magnitudes from given ones, and its gradient, in one pass.

Automatic differentiation keeps every intermediate spectrogram and walks through each of them
several times. Where only one signal needs a gradient, on a CPU, value and gradient are computed
together, a few signals at a time, so that all of it stays in the processor's cache. What
`difference` gives remains the definition, for all other derivatives too.
"""

from typing import NamedTuple

import numpy as np
import torch

from sotlib._core.autograd import uncompiled
from sotlib.transforms._stft.spectrogram import Parts, Sum, along, rows


class Terms(NamedTuple):
    """What is compared; the arguments of `MultiScaleSpectralLoss` by these names."""

    linear_weight: float
    log_weight: float
    floor: float
    p: int


def spectral_difference(x, target, stft, terms):
    """`difference` of `x` (batch, samples), transformed, from `target` (batch, bins, frames)."""
    needed = x.requires_grad and torch.is_grad_enabled() and not target.requires_grad
    if needed and x.device.type == "cpu" and target.numel() > 0:
        if target.is_inference():  # torch would not remember it for the backward pass
            target = target.clone()
        return _SpectralDifference.apply(x, target, stft, terms)[0]
    return difference(stft(x), target, terms)


def difference(x, y, terms):
    """Of each signal: mean differences of magnitudes and of their logarithms, weighted, added."""
    total = x.new_zeros(len(x))
    if terms.linear_weight:
        total = total + terms.linear_weight * (x - y).abs().pow(terms.p).mean((-2, -1))
    if terms.log_weight:
        x, y = (t.clamp(min=terms.floor).log() for t in (x, y))
        total = total + terms.log_weight * (x - y).abs().pow(terms.p).mean((-2, -1))
    return total


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
            pull_back = torch.func.vjp(lambda x: difference(ctx.stft(x), target, ctx.terms), x)[1]
            return *pull_back(grad), None, None, None
        return grad[:, None] * gradient, None, None, None

    @staticmethod
    def jvp(ctx, tangent, *_):
        (x, target), terms = ctx.saved_tensors, ctx.terms
        target = target.transpose(-1, -2)
        magnitude, slope = along(x, tangent, ctx.stft)
        total = _slope(magnitude - target, terms.p) * slope * terms.linear_weight
        if terms.log_weight:
            floored = magnitude.clamp(min=terms.floor)
            distance = floored.log() - target.clamp(min=terms.floor).log()
            slope = torch.where(magnitude >= terms.floor, slope, 0) / floored
            total = total + _slope(distance, terms.p) * slope * terms.log_weight
        return total.mean((-2, -1)), None

    @staticmethod
    def vmap(info, in_dims, x, target, stft, terms):
        def value(x, target):
            return difference(stft(x), target, terms)

        return (torch.vmap(value, in_dims[:2])(x, target), x.new_empty(0)), (0, None)


def _slope(difference, p):
    return difference.sign() if p == 1 else 2 * difference


@uncompiled  # it is compiled already, by other means
def _evaluate(x, target, stft, terms):
    from sotlib.transforms._stft import kernels  # compiled on first use

    target = target.transpose(-1, -2).contiguous()
    weights = np.array([terms.linear_weight, terms.log_weight]) / target[0].numel()
    parts, total = Parts(x, stft), np.zeros((len(x), 2))
    gradient = Sum(parts)
    for part, spectrum in parts:
        pairs, other = rows(spectrum), target[part]
        ours = torch.empty_like(other)
        kernels.magnitudes(pairs, 1, rows(ours))
        logs = [t.clamp(min=terms.floor).log_() if weights[1] else t for t in (ours, other)]
        arrays = [rows(t) for t in (ours, other, *logs)]
        constants = np.array([*weights, terms.floor], dtype=pairs.dtype)
        options = {"p": terms.p, "size": stft.fft_size, "sums": total[part]}
        kernels.differences(pairs, *arrays, *constants, **options)
        gradient.add(part, spectrum)
    return torch.from_numpy(total @ weights).to(x), gradient.signals()
