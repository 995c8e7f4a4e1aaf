"""Computations that torch shall neither look into nor differentiate, whatever surrounds them."""

import torch

from sotlib._core.autograd import uncompiled


@uncompiled
def apart(function, *tensors, axis=0):
    """Tensors that a function gives for tensors with a batch along `axis`, as constants.

    The function gets tensors as they are, without the wrappers of `torch.func`; what vmap maps
    over lies beside the batch. Its results have the batch along `axis`, or at 0 if they have one
    dimension.
    """
    return _Apart.apply(function, axis, *tensors)


class _Apart(torch.autograd.Function):
    @staticmethod
    def forward(function, axis, *tensors):
        return function(*tensors)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(*output)
        ctx.inputs, ctx.outputs = len(inputs), len(output)

    @staticmethod
    def backward(ctx, *_):
        return (None,) * ctx.inputs

    @staticmethod
    def jvp(ctx, *_):
        return (None,) * ctx.outputs

    @staticmethod
    def vmap(info, in_dims, function, axis, *tensors):
        size = info.batch_size
        beside = [
            (t.expand(size, *t.shape) if dim is None else t.movedim(dim, 0)).movedim(0, axis)
            for t, dim in zip(tensors, in_dims[2:], strict=True)
        ]
        results = _Apart.apply(function, axis, *(t.flatten(axis, axis + 1) for t in beside))
        places = [axis if t.ndim > 1 else 0 for t in results]
        return tuple(
            t.unflatten(place, (size, -1)) for t, place in zip(results, places, strict=True)
        ), tuple(places)
