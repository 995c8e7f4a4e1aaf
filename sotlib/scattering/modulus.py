"""Convolution over channels, modulus and averages, in one differentiable step.

The moduli are by far the largest array of a transform, a hundred times the signal. They are made
a chunk of time at a time, averaged while they are in the cache, and made again for the gradient
instead of being kept.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sotlib._core.autograd import readable
from sotlib.scattering._complex import Values, direction, dot, inverse_modulus, modulus

# Most moduli to hold at a time. A GPU wants few and large kernels.
CHUNK_ON_CPU, CHUNK_ON_GPU = 2**18, 2**26


class Operator(NamedTuple):
    """What happens over the channels, see `sotlib.scattering.channels.ChannelOperator`."""

    convolve: Tensor
    """Rows of the low-pass, which is real; of the real parts of the filters of spin +1; and of
    their imaginary parts."""
    low: int
    """How many rows the low-pass has."""
    averages: Sequence[Tensor] = ()
    """Of each filter of spin +1, where averages over channels follow the modulus."""
    low_average: Tensor | None = None
    """Of the low-pass, where it has one besides."""

    def part(self, rows: Sequence[int], filters: Sequence[int]) -> "Operator":
        """What remains for some of the filters, 0 for the low-pass, which have so many rows."""
        up = (len(self.convolve) - self.low) // 2
        ends = list(itertools.accumulate(rows))
        spans = [(ends[k] - rows[k], ends[k]) for k in filters]
        spans += [
            (first + up, last + up) for k, (first, last) in zip(filters, spans, strict=True) if k
        ]
        return Operator(
            torch.cat([self.convolve[first:last] for first, last in spans]),
            self.low if 0 in filters else 0,
            [self.averages[k - 1] for k in filters if k] if self.averages else (),
            self.low_average if 0 in filters else None,
        )

    @property
    def sizes(self) -> list[int]:
        """Rows of the low-pass, of the real and of the imaginary parts."""
        up = (len(self.convolve) - self.low) // 2
        return [self.low, up, up]


def averaged_modulus(signals: Tensor, operator: Operator, weights: Tensor | None) -> Tensor:
    """Convolve over channels, take the modulus, average over channels and, if asked, over time.

    Parameters
    ----------
    signals : Tensor, shape (batch, channels, time)
        Real, for the low-pass and spin +1; or complex, for spin -1, too.
    operator : Operator
        Filters and averages over channels.
    weights : Tensor, shape (time, frames), or None
        With weights the result is the sums over time with these weights, shape
        ``(batch, paths, frames)``; without, it is ``(batch, paths, time)``.
    """
    planes = signals.unsqueeze(1)
    if signals.is_complex():
        planes = torch.view_as_real(signals).movedim(-1, 1)
    if weights is None:
        return _AveragedModulus.apply(planes, operator, None)
    mean = _AveragedModulus.apply(planes, operator._replace(averages=(), low_average=None), weights)
    return _average(mean, operator)


class _AveragedModulus(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(planes, operator, weights):
        def averaged(chunk):
            if _in_plain_numbers(chunk):
                return _average(_loops().moduli(operator.convolve @ chunk, operator.low), operator)
            return _average(modulus(_values(chunk, operator)), operator)

        return _by_chunks(averaged, operator, weights, planes)

    @staticmethod
    def setup_context(ctx, inputs, output):
        planes, ctx.operator, weights = inputs
        ctx.save_for_backward(planes, weights)
        ctx.save_for_forward(planes, weights)

    @staticmethod
    def jvp(ctx, tangent, *_):
        planes, weights = ctx.saved_tensors
        operator = ctx.operator

        def averaged(chunk, along):
            values, changes = _values(chunk, operator), _values(along, operator)
            if values[0].requires_grad:
                change = dot(direction(values), changes)
            else:
                change = dot(values, changes) * inverse_modulus(values)
            return _average(change, operator)

        return _by_chunks(averaged, operator, weights, planes, tangent)

    @staticmethod
    def backward(ctx, gradient):
        planes, weights = ctx.saved_tensors
        operator = ctx.operator

        def pulled_back(chunk, upstream):
            upstream = _average_transposed(upstream, operator)
            if _in_plain_numbers(chunk) and readable(upstream):
                products, tiny = operator.convolve @ chunk, torch.finfo(chunk.dtype).tiny
                slopes = _loops().pulled_back(products, operator.low, upstream, tiny)
                return operator.convolve.T @ slopes
            values = _values(chunk, operator)
            if values[0].requires_grad:
                real, imaginary = direction(values)
            else:
                upstream = inverse_modulus(values) * upstream
                real, imaginary = values
            return _values_transposed((real * upstream, imaginary * upstream), operator, chunk)

        spread = _Spread(gradient, weights)
        return _by_chunks(pulled_back, operator, None, planes, spread), None, None


class _Spread(NamedTuple):
    """Derivatives by what was summed over time, from those by the sums, a piece at a time."""

    sums: Tensor
    weights: Tensor | None

    def split(self, size: int, dim: int = 0) -> Iterable:
        if dim == 0:
            return (_Spread(some, self.weights) for some in self.sums.split(size))
        if self.weights is None:
            return self.sums.split(size, dim)
        return (self.sums @ weights.T for weights in self.weights.split(size))


def _in_plain_numbers(planes: Tensor) -> bool:
    return planes.device.type == "cpu" and readable(planes)


def _loops():
    """Their module, compiled on first use."""
    from sotlib.scattering import _moduli

    return _moduli


def _values(planes: Tensor, operator: Operator) -> Values:
    """Convolutions of real or complex channels: of the low-pass, spin +1 and, of complex, spin -1.

    The filters of spin -1 are the conjugates of the others: sums and differences of the same four
    real products make both.
    """
    products = operator.convolve @ planes
    parts = [plane.split(operator.sizes, dim=-2) for plane in products.unbind(1)]
    low, cosine, sine = parts[0]
    if len(parts) == 1:
        return torch.cat([low, cosine], -2), torch.cat([torch.zeros_like(low), sine], -2)
    low_i, cosine_i, sine_i = parts[1]
    return (
        torch.cat([low, cosine - sine_i, cosine + sine_i], -2),
        torch.cat([low_i, cosine_i + sine, cosine_i - sine], -2),
    )


def _values_transposed(values: Values, operator: Operator, like: Tensor) -> Tensor:
    """What the transposed of `_values` makes of real and imaginary parts."""
    low, up, _ = operator.sizes
    if like.shape[1] == 1:
        products = torch.cat([values[0], values[1][..., low:, :]], -2).unsqueeze(1)
    else:
        real, imaginary = (part.split([low, up, up], dim=-2) for part in values)
        first = [real[0], real[1] + real[2], imaginary[1] - imaginary[2]]
        second = [imaginary[0], imaginary[1] + imaginary[2], real[2] - real[1]]
        products = torch.stack([torch.cat(first, -2), torch.cat(second, -2)], 1)
    return operator.convolve.T @ products


def _average(moduli: Tensor, operator: Operator) -> Tensor:
    return _filter_by_filter(moduli, operator.averages, operator.low_average, operator.low)


def _average_transposed(moduli: Tensor, operator: Operator) -> Tensor:
    averages, first = [average.T for average in operator.averages], operator.low_average
    if first is None:
        return _filter_by_filter(moduli, averages, None, operator.low)
    return _filter_by_filter(moduli, averages, first.T, len(first))


def _filter_by_filter(
    rows: Tensor, matrices: Sequence[Tensor], first: Tensor | None, low: int
) -> Tensor:
    """Apply a matrix to the rows of each filter, for both spins at once, and of the low-pass."""
    if not matrices:
        return rows if first is None else first @ rows
    head, tail = rows[..., :low, :], rows[..., low:, :]
    sizes = [matrix.shape[1] for matrix in matrices]
    pieces = tail.unflatten(-2, (-1, sum(sizes))).split(sizes, dim=-2)
    done = [matrix @ piece for matrix, piece in zip(matrices, pieces, strict=True)]
    tail = torch.cat(done, dim=-2).flatten(-3, -2)
    return torch.cat([head if first is None else first @ head, tail], dim=-2)


def _by_chunks(function, operator: Operator, weights: Tensor | None, *tensors) -> Tensor:
    """Apply a function to chunks of batch and time; join them, or sum with weights over time."""
    length = tensors[0].shape[-1]
    rows = len(operator.convolve)
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
            results.append(torch.stack(sums).sum(dim=0))
    return torch.cat(results)
