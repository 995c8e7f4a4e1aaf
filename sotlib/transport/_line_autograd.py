"""Transport on a line as a function that torch can differentiate, whatever solves it."""

from typing import Protocol

import torch
from torch import Tensor

from sotlib._core.autograd import first_derivative_only, no_gradient_within


class Solver(Protocol):
    """Costs of rows of masses on sorted positions, and those derivatives that are wanted."""

    name: str
    """What the public function is called, in errors."""

    def __call__(
        self, x: Tensor, y: Tensor, u: Tensor, v: Tensor, wanted: tuple[bool, ...]
    ) -> tuple[Tensor, ...]: ...


def wanted_gradients(arguments):
    """Which derivatives a solver shall compute: those of the positions go together."""
    x, y, u, v = (t.requires_grad and torch.is_grad_enabled() for t in arguments)
    return x, y, u or v, u or v


class Transport(torch.autograd.Function):
    """A cost, and its derivatives by masses and positions, which a solver finds in one pass.

    The derivatives are outputs, so that whoever differentiates them is told: they have none.
    """

    @staticmethod
    def forward(x, y, u, v, solve, wanted):
        return tuple(solve(x, y, u, v, wanted))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output[1:])
        ctx.save_for_forward(*inputs[:4], *output[1:])
        ctx.leading = [inputs[0].ndim - t.ndim for t in inputs[:4]]
        ctx.options = inputs[4:]

    @staticmethod
    def backward(ctx, upstream, *second):
        solve, _ = ctx.options
        first_derivative_only(solve.name, *second)
        if upstream is None:
            return (None,) * 6
        needed = zip(ctx.saved_tensors, ctx.leading, ctx.needs_input_grad, strict=False)
        scale = upstream.unsqueeze(-1)
        grads = [_add_up(scale * g, leading) if need else None for g, leading, need in needed]
        return *grads, None, None

    @staticmethod
    def jvp(ctx, *tangents):
        solve, wanted = ctx.options
        no_gradient_within(solve.name, any(wanted))
        arguments, unwanted = ctx.saved_tensors[:4], ctx.saved_tensors[4:]
        by = Transport.apply(*arguments, solve, (True,) * 4)[1:]
        along = sum((g * t).sum(-1) for g, t in zip(by, tangents, strict=False) if t is not None)
        return along, *(torch.zeros_like(t) for t in unwanted)

    @staticmethod
    def vmap(info, in_dims, x, y, u, v, solve, wanted):
        x, y = (_in_front(t, d, info.batch_size) for t, d in zip((x, y), in_dims, strict=False))
        u, v = (
            t if d is None and t.ndim == 1 else _as_rows(_in_front(t, d, info.batch_size), of)
            for t, d, of in ((u, in_dims[2], x), (v, in_dims[3], y))
        )
        outputs = Transport.apply(x, y, u, v, solve, wanted)
        return outputs, tuple(0 if t.ndim == x.ndim or k == 0 else None
                              for k, t in enumerate(outputs))  # fmt: skip


def _in_front(tensor, dim, size):
    return tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)


def _as_rows(positions, masses):
    """Positions (batch, n) or (batch, …, n) with the shape of masses (batch, …, n)."""
    between = (1,) * (masses.ndim - positions.ndim)
    return positions.reshape(len(positions), *between, *positions.shape[1:]).expand(masses.shape)


def _add_up(gradient, leading):
    """Of what all rows share, the gradient is their sum."""
    return gradient.flatten(0, leading - 1).sum(0) if leading else gradient
