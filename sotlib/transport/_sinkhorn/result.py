"""What a Sinkhorn solver found: its value with the gradient, and the plan in lazy views."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch

from sotlib._core import check
from sotlib._core.autograd import first_derivative_only, no_gradient_within
from sotlib.transport._plane import ground_cost_parts
from sotlib.transport._sinkhorn.between import interpolate
from sotlib.transport._sinkhorn.solver import Solution


@dataclass(frozen=True)
class SinkhornResult:
    """What `sinkhorn_grid` found; leading shape (batch,) or none, as in the masses.

    Attributes
    ----------
    value : Tensor, shape (batch,)
        Optimum of the regularised problem (Hz² times mass). Differentiable in a and b.
    marginal_error : Tensor, shape (batch,)
        L1 distance of the plan's marginal over b's grid from b (unbalanced: from the relaxed
        marginal that optimality asks for), as a fraction of the mass. The other one is exact.
    n_iter : int
        Updates of both potentials, of the item of the batch that took most.
    converged : Tensor of bool, shape (batch,)
        Whether `marginal_error` is at most the tolerance.

    Notes
    -----
    Explained in chapter ``tfot/ground-cost``.
    """

    value: torch.Tensor
    marginal_error: torch.Tensor
    n_iter: int
    converged: torch.Tensor
    _masses: tuple = field(repr=False)
    _solution: Solution = field(repr=False)
    _dtype: torch.dtype = field(repr=False)

    @cached_property
    def potentials(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Potentials (f, g) in Hz² over the grids of a and b: Tensors (batch, bins, frames).

        Balanced masses: they are the gradients of `value` in a and in b. They are defined on bins
        without mass too.
        """
        a, b, _ = self._masses
        f, g = from_layout(self._solution.f, a), from_layout(self._solution.g, b)
        if math.isinf(self._solution.penalty):  # the constant between them is free
            shift = ((a * f).sum((-2, -1)) - (b * g).sum((-2, -1)))[..., None, None] / 2
            f, g = f - shift, g + shift
        return f.to(self._dtype), g.to(self._dtype)

    @cached_property
    def transport_cost(self) -> torch.Tensor:
        """⟨C, P⟩, the cost of the plan without its entropy (batch,); not differentiable."""
        solution, (a, _, mass) = self._solution, self._masses
        cost = self._mean(_squares, _squares)
        gathered = solution.to_a.logsumexp(self._log_scaling)
        marginal = from_layout(((solution.f / solution.eps) + gathered).exp(), a) * a
        return (mass * (marginal * cost).sum((-2, -1))).to(self._dtype)

    @cached_property
    def displacement(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the mass of each bin of a goes on average: (Δf in Hz, Δt in seconds).

        Two Tensors (batch, bins, frames), the barycentric projection of the plan minus the
        position of the bin.
        """
        df, dt = self._mean(_steps, _nothing), self._mean(_nothing, _steps)
        dt = dt / self._solution.to_a.target.time_scale
        return df.to(self._dtype), dt.to(self._dtype)

    def plan(self) -> torch.Tensor:
        """Return the whole plan (batch, bins, frames, bins', frames'): small grids only."""
        solution, (a, b, mass) = self._solution, self._masses
        f, g = from_layout(solution.f, a), from_layout(solution.g, b)
        along_f, along_t = ground_cost_parts(solution.to_a.target, solution.to_a.source)
        cost = along_f[:, None, :, None] + along_t[:, None, :]
        rows = a.log() + f / solution.eps
        columns = b.log() + g / solution.eps
        log_plan = rows[..., None, None] + columns[..., None, None, :, :] - cost / solution.eps
        return (mass[..., None, None, None, None] * log_plan.exp()).to(self._dtype)

    def interpolate(self, t: float) -> torch.Tensor:
        r"""Displacement interpolation: what the plan has moved at time t.

        .. math:: \mu_t = \sum_{x, y} P(x, y) \, \delta_{(1 - t) x + t y}

        Mass between bins is shared out as by `linear_binning`.

        Parameters
        ----------
        t : float
            How far on the way from a to b, 0 to 1.

        Returns
        -------
        Tensor, shape (batch, bins, frames)
            The mass on the way, on the grid of both, of the plan's mass; at 0 and 1 the plan's
            marginals, which are a and b up to `marginal_error`. Not differentiable.

        Raises
        ------
        ValueError
            If t is not from 0 to 1, or a and b lie on different grids.

        Notes
        -----
        Time grows with the number of pairs of bins, as matrix products; memory does not. The plan's
        entropy sends a bin to many, so that on the way some mass lies between where exact transport
        would have it: choose a small ε. Explained in chapter ``tfot/between``.

        Examples
        --------
        >>> import torch
        >>> from sotlib import sinkhorn_grid
        >>> a, b = torch.zeros(2, 3, 5)
        >>> a[0, 0] = b[2, 4] = 1
        >>> sinkhorn_grid(a, b).interpolate(0.5).nonzero()
        tensor([[1, 2]])
        """
        t = float(check.number("t", t, least=0, most=1))
        solution, (a, _, mass) = self._solution, self._masses
        grids = solution.to_a.target, solution.to_a.source
        if not all(
            torch.equal(*(getattr(grid, axis) for grid in grids)) for axis in ("freqs", "stretched")
        ):
            raise ValueError(
                "interpolate needs a and b on one grid: freqs_b and times_b must be freqs and "
                "times. Use linear_binning along each axis first."
            )
        log_u = to_layout(a).log() + solution.f / solution.eps
        found = from_layout(interpolate(log_u, self._log_scaling, solution, t), a)
        return (mass[..., None, None] * found).to(self._dtype)

    @property
    def _log_scaling(self):
        solution = self._solution
        return to_layout(self._masses[1]).log() + solution.g / solution.eps

    def _mean(self, along_frequency, along_time):
        """Mean over the plan's rows of a weight that is a sum over the axes, see `GibbsKernel`."""
        mean = self._solution.to_a.mean(self._log_scaling, along_frequency, along_time)
        return from_layout(mean, self._masses[0])


def _squares(x, y):
    return (y - x) ** 2


def _steps(x, y):
    return y - x


def _nothing(x, y):
    return torch.zeros_like(y - x)


def to_layout(mass):
    """(..., bins, frames) to the solver's (bins, batch, frames)."""
    return mass.reshape(-1, *mass.shape[-2:]).permute(1, 0, 2).contiguous()


def from_layout(values, like):
    """Undo `to_layout`, with the batch shape of ``like``."""
    bins, _, frames = values.shape
    return values.permute(1, 0, 2).reshape(*like.shape[:-2], bins, frames)


def per_item(values, like):
    """(batch,) to the batch shape of ``like``."""
    return values.reshape(like.shape[:-2])


def dual_value(a, b, f, g, *, eps, penalty):
    """Return the dual objective at potentials f, g (as the masses), differentiable in a and b."""
    f, g = from_layout(f, a), from_layout(g, b)
    with torch.no_grad():
        mass_a, mass_b = a.sum((-2, -1), keepdim=True), b.sum((-2, -1), keepdim=True)
        if math.isinf(penalty):
            grad_a, grad_b = f, g
            plan_excess = torch.zeros_like(mass_a)
        else:
            # Of the marginals of the plan: e^{-f/ρ} a and e^{-g/ρ} b where f and g are optimal.
            less_a, less_b = -torch.expm1(-f / penalty), -torch.expm1(-g / penalty)
            grad_a = penalty * less_a + eps * (less_a + mass_b - 1)
            grad_b = penalty * less_b + eps * (less_b + mass_a - 1)
            plan_excess = mass_a - mass_a * mass_b - (a * less_a).sum((-2, -1), keepdim=True)
            f, g = penalty * less_a, penalty * less_b
        value = (a * f).sum((-2, -1)) + (b * g).sum((-2, -1)) - eps * plan_excess[..., 0, 0]
    return _WithGradient.apply(a, b, value, grad_a, grad_b)[0]


class _WithGradient(torch.autograd.Function):
    """A value whose gradients in a and b are given: the envelope theorem.

    The gradients are outputs, so that whoever differentiates them is told: they have none.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(a, b, value, grad_a, grad_b):
        return value.clone(), grad_a.clone(), grad_b.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output[1:])
        ctx.save_for_forward(*output[1:])
        ctx.wanted = any(t.requires_grad for t in inputs[:2])

    @staticmethod
    def backward(ctx, grad, *second):
        first_derivative_only("sinkhorn_grid", *second)
        if grad is None:
            return (None,) * 5
        grad_a, grad_b = ctx.saved_tensors
        grad = grad[..., None, None]
        return grad * grad_a, grad * grad_b, None, None, None

    @staticmethod
    def jvp(ctx, *tangents):
        no_gradient_within("sinkhorn_grid", ctx.wanted)
        pairs = zip(ctx.saved_tensors, tangents, strict=False)
        along = sum((g * t).sum((-2, -1)) for g, t in pairs if t is not None)
        return along, *(torch.zeros_like(t) for t in ctx.saved_tensors)
