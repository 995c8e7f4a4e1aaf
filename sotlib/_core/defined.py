"""Functions with fast derivatives of the first order, and with all others by their definition.

A value and its backward pass that are computed by hand serve training. What else torch can ask
for, which is a second derivative, forward mode or `torch.func.vmap`, is derived from a definition
made of its own operations.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from sotlib._core.autograd import readable


class Defined(NamedTuple):
    """One function of tensors, three times; calling it takes the fast way."""

    definition: Callable
    """Of torch's operations."""
    value: Callable
    """The same number, in any other way; may overwrite nothing."""
    gradients: Callable
    """``gradients(grad, *tensors)``: one for each tensor, or None where none is wanted."""

    def __call__(self, *tensors: torch.Tensor) -> torch.Tensor:
        return _Function.apply(self, *tensors)


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(function, *tensors):
        return function.value(*tensors)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.function, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx, grad):
        function, tensors = ctx.function, ctx.saved_tensors
        if not readable(grad):
            pull_back = torch.func.vjp(function.definition, *tensors)[1]
            return None, *pull_back(grad)
        return None, *function.gradients(grad, *tensors)

    @staticmethod
    def jvp(ctx, _, *tangents):
        """The adjoint of the pull-back, which is linear: forward mode cannot be nested here."""
        output, pull_back = torch.func.vjp(ctx.function.definition, *ctx.saved_tensors)[:2]
        push_forward = torch.func.vjp(pull_back, torch.zeros_like(output))[1]
        pairs = zip(tangents, ctx.saved_tensors, strict=True)
        return push_forward(tuple(torch.zeros_like(x) if t is None else t for t, x in pairs))[0]

    @staticmethod
    def vmap(info, in_dims, function, *tensors):
        return torch.vmap(function.definition, in_dims[1:])(*tensors), 0
