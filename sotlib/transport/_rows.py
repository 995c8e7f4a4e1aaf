"""Transport of rows of masses on a line or a circle, as one function to torch."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from sotlib._core.autograd import first_derivative_only, no_gradient_within, uncompiled
from sotlib.transport import _circle_sort, _line_sort


class Solver(Protocol):
    """Costs of rows of masses at sorted positions, and those derivatives that are wanted."""

    @property
    def name(self) -> str:
        """What the public function is called, in errors."""

    def __call__(
        self, x: Tensor, y: Tensor, u: Tensor, v: Tensor, wanted: tuple[bool, ...]
    ) -> tuple[Tensor, ...]:
        """Costs, and derivatives by masses and positions; those not wanted may be empty."""


def solved(solver: Solver, arguments):
    """Costs of prepared masses and positions, with those derivatives that they may need."""
    x, y, u, v = (t.requires_grad and torch.is_grad_enabled() for t in arguments)
    return Transport.apply(*arguments, solver, (x, y, u or v, u or v))[0]


class Transport(torch.autograd.Function):
    """A cost, and its derivatives by masses and positions, which a solver finds in one pass.

    The derivatives are outputs, so that whoever differentiates them is told: they have none.
    """

    @staticmethod
    def forward(x, y, u, v, solver, wanted):
        return tuple(solver(x, y, u, v, wanted))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output[1:])
        ctx.save_for_forward(*inputs[:4], *output[1:])
        ctx.leading = [inputs[0].ndim - t.ndim for t in inputs[:4]]
        ctx.options = inputs[4:]

    @staticmethod
    def backward(ctx, upstream, *second):
        solver, _ = ctx.options
        first_derivative_only(solver.name, *second)
        if upstream is None:
            return (None,) * 6
        needed = zip(ctx.saved_tensors, ctx.leading, ctx.needs_input_grad, strict=False)
        scale = upstream.unsqueeze(-1)
        grads = [_add_up(scale * g, leading) if need else None for g, leading, need in needed]
        return *grads, None, None

    @staticmethod
    def jvp(ctx, *tangents):
        solver, wanted = ctx.options
        no_gradient_within(solver.name, any(wanted))
        arguments, unwanted = ctx.saved_tensors[:4], ctx.saved_tensors[4:]
        by = Transport.apply(*arguments, solver, (True,) * 4)[1:]
        along = sum((g * t).sum(-1) for g, t in zip(by, tangents, strict=False) if t is not None)
        return along, *(torch.zeros_like(t) for t in unwanted)

    @staticmethod
    def vmap(info, in_dims, x, y, u, v, *options):
        x, y = (_in_front(t, d, info.batch_size) for t, d in zip((x, y), in_dims, strict=False))
        u, v = (
            t if d is None and t.ndim == 1 else _as_rows(_in_front(t, d, info.batch_size), of)
            for t, d, of in ((u, in_dims[2], x), (v, in_dims[3], y))
        )
        outputs = Transport.apply(x, y, u, v, *options)
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


class Line(NamedTuple):
    """W_p^p on a line, by a merge of the two cumulative sums."""

    p: float
    cutoff: bool
    name: str = "wasserstein_1d"

    def __call__(self, x, y, u, v, wanted):
        solve = merge_on_line if x.device.type == "cpu" else _line_sort.solve_by_sorting
        return solve(x, y, u, v, self.p, self.cutoff, 64 * torch.finfo(x.dtype).eps, wanted)


class Circle(NamedTuple):
    """W_p^p on a circle."""

    p: float
    period: float
    name: str = "wasserstein_circle"

    def __call__(self, x, y, u, v, wanted):
        solve = merge_on_circle if x.device.type == "cpu" else _circle_sort.solve_by_sorting
        return solve(x, y, u, v, self.p, self.period, wanted)


@uncompiled  # it is compiled already, by other means
def merge_on_line(x, y, u, v, p, cutoff, tol, wanted):
    """Linear merge, compiled, one row after the other on torch's number of threads."""
    from sotlib.transport._line_merge import merge  # compiled on first use, so imported then

    return _of_arrays(merge, x, y, u, v, p, cutoff, tol, wanted)


@uncompiled
def merge_on_circle(x, y, u, v, p, period, wanted):
    """The same on a circle."""
    from sotlib.transport._circle_merge import merge

    return _of_arrays(merge, x, y, u, v, p, period, wanted)


def _of_arrays(merge, x, y, u, v, *options):
    def rows(tensor, dtype=None):
        return tensor.detach().reshape(-1, tensor.shape[-1]).to(dtype).contiguous().numpy()

    positions = rows(u, torch.float64), rows(v, torch.float64)
    value, *grads = merge(rows(x), rows(y), *positions, *options, torch.get_num_threads())
    leading = x.shape[:-1]
    value = torch.from_numpy(value).to(x.dtype).reshape(leading)
    grads = [torch.from_numpy(g).to(x.dtype) for g in grads]
    return value, *(g.reshape(*leading, -1) if g.shape[0] else g for g in grads)
