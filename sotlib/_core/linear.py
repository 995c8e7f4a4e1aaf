"""Linear maps that are given together with their adjoints."""

from collections.abc import Callable

import torch
from torch import Tensor

from sotlib._core.autograd import uncompiled

Map = Callable[[Tensor], Tensor]


@uncompiled
def linear(x: Tensor, forth: Map, back: Map) -> Tensor:
    """Return ``forth(x)``, whose derivative of every order and kind is made of the two maps.

    ``x`` has the shape (..., n), and both maps treat what is before n as a batch.
    """
    return _Linear.apply(x, forth, back)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(x, forth, back):
        return forth(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.forth, ctx.back = inputs

    @staticmethod
    def backward(ctx, grad):
        return _Linear.apply(grad, ctx.back, ctx.forth), None, None

    @staticmethod
    def jvp(ctx, tangent, *_):
        return _Linear.apply(tangent, ctx.forth, ctx.back)

    @staticmethod
    def vmap(info, in_dims, x, forth, back):
        return _Linear.apply(x.movedim(in_dims[0], 0), forth, back), 0
