"""Convolution over channels, modulus and averages, in one differentiable step.

The moduli are by far the largest array of a transform, a hundred times the signal. They are made
a chunk of time at a time, averaged while they are in the cache, and made again for the gradient
instead of being kept.
"""

import math

import numpy as np
import torch
from torch import Tensor

# Most moduli to hold at a time. A GPU wants few and large kernels.
CHUNK_ON_CPU, CHUNK_ON_GPU = 2**19, 2**26


def averaged_modulus(
    signals: Tensor, convolve: Tensor, average: Tensor | None, weights: Tensor | None
) -> Tensor:
    """Convolve over channels, take the modulus, average over channels and, if asked, over time.

    Parameters
    ----------
    signals : Tensor, shape (batch, channels, time)
        Real or complex.
    convolve : Tensor, shape (2 rows, 2 channels)
        See `as_planes`.
    average : Tensor, shape (paths, rows), or None
        Applied to the moduli, where it is given.
    weights : Tensor, shape (time,), or None
        With weights the result is the sum over time with these weights, shape
        ``(batch, paths, 1)``; without, it is ``(batch, paths, time)``.
    """
    if signals.is_complex():
        planes = torch.view_as_real(signals).movedim(-1, -3).flatten(-3, -2)
    else:
        planes, convolve = signals, convolve[:, : signals.shape[-2]]
    if weights is None:
        return _AveragedModulus.apply(planes, convolve, average, None)
    mean = _AveragedModulus.apply(planes, convolve, None, weights)
    return mean if average is None else average @ mean


def as_planes(matrix: np.ndarray) -> np.ndarray:
    """Real matrix that does to stacked real and imaginary parts what a complex one does."""
    return np.block([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])


class _AveragedModulus(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(planes, convolve, average, weights):
        def averaged(chunk):
            return _average(_modulus(convolve @ chunk), average)

        return _by_chunks(averaged, len(convolve), weights, planes)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx, tangent, *_):
        planes, convolve, average, weights = ctx.saved_tensors

        def averaged(chunk, along):
            values = convolve @ chunk
            if values.requires_grad:
                change = _halves(_direction(values) * (convolve @ along)).sum(dim=-3)
            else:
                change = _halves(values * (convolve @ along)).sum(dim=-3) * _inverse_modulus(values)
            return _average(change, average)

        return _by_chunks(averaged, len(convolve), weights, planes, tangent)

    @staticmethod
    def backward(ctx, gradient):
        planes, convolve, average, weights = ctx.saved_tensors

        def pulled_back(chunk, upstream):
            values = convolve @ chunk
            if average is not None:
                upstream = average.T @ upstream
            if values.requires_grad:
                direction = _halves(_direction(values))
                return convolve.T @ (direction * upstream.unsqueeze(-3)).flatten(-3, -2)
            scale = _inverse_modulus(values) * upstream
            return convolve.T @ (_halves(values) * scale.unsqueeze(-3)).flatten(-3, -2)

        gradient = gradient.expand(*gradient.shape[:-1], planes.shape[-1])
        result = _by_chunks(pulled_back, len(convolve), None, planes, gradient)
        return result if weights is None else result * weights, None, None, None


def _halves(values: Tensor) -> Tensor:
    return values.unflatten(-2, (2, -1))


def _squared_modulus(values: Tensor) -> Tensor:
    real, imaginary = values.chunk(2, dim=-2)
    return torch.addcmul(real * real, imaginary, imaginary)


def _modulus(values: Tensor) -> Tensor:
    return _squared_modulus(values).sqrt_()


def _inverse_modulus(values: Tensor) -> Tensor:
    """Reciprocal of the modulus; finite at 0, where it only ever multiplies 0."""
    return (_squared_modulus(values) + torch.finfo(values.dtype).tiny).rsqrt()


def _direction(values: Tensor) -> Tensor:
    """Values over their modulus, and 0 where that is 0, for derivatives of a derivative.

    Those of `_inverse_modulus` would hold its third power, which single precision cannot.
    """
    direction = torch.complex(*values.chunk(2, dim=-2)).sgn()
    return torch.cat([direction.real, direction.imag], dim=-2)


def _average(moduli: Tensor, average: Tensor | None) -> Tensor:
    return moduli if average is None else average @ moduli


def _by_chunks(function, rows: int, weights: Tensor | None, *tensors: Tensor) -> Tensor:
    """Apply a function to chunks of batch and time; join them, or sum with weights over time."""
    length = tensors[0].shape[-1]
    columns = max(1, 2 * (CHUNK_ON_GPU if tensors[0].is_cuda else CHUNK_ON_CPU) // rows)
    items = max(1, columns // length)
    columns = math.ceil(length / math.ceil(length / columns))  # pieces of equal size
    results = []
    for batch in zip(*(tensor.split(items) for tensor in tensors), strict=True):
        pieces = zip(*(tensor.split(columns, dim=-1) for tensor in batch), strict=True)
        parts = (function(*piece) for piece in pieces)  # one at a time
        if weights is None:
            results.append(torch.cat(list(parts), dim=-1))
        else:
            sums = [u @ w for u, w in zip(parts, weights.split(columns), strict=True)]
            results.append(torch.stack(sums).sum(dim=0).unsqueeze(-1))
    return torch.cat(results)
