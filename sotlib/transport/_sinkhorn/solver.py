"""Entropic transport between masses on time-frequency grids: a schedule of Sinkhorn stages.

Conventions are those of `_sinkhorn_stage`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sotlib.transport._plane import largest_cost
from sotlib.transport._sinkhorn.gibbs import GibbsKernel
from sotlib.transport._sinkhorn.stage import Stage, l1

# From this fraction of the largest cost upwards ε is large enough for scalings and kernel to be
# plain numbers: |log u|, |log K| and their sums stay below 2 / 0.005 + log N < 708.
PLAIN_EPSILON = 5e-3
STAGE_RATIO = 4.0  # of successive ε while it is lowered
STAGE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Settings:
    """What a caller can set; see `sinkhorn_grid`. ``penalty`` is relative, like ``epsilon``."""

    epsilon: float
    max_iter: int
    tol: float
    epsilon_scaling: bool
    over_relaxation: bool
    penalty: float | None


@dataclass
class Solution:
    """Potentials, and the kernels that spread b over a's grid and a over b's."""

    f: torch.Tensor
    g: torch.Tensor
    eps: float
    penalty: float
    error: torch.Tensor
    n_iter: int
    to_a: GibbsKernel
    to_b: GibbsKernel


def stages(settings):
    """Return the values of ε (as fractions) to go through: at most ×4 apart, the last as asked."""
    values = [settings.epsilon]
    while settings.epsilon_scaling and values[0] < PLAIN_EPSILON:
        values.insert(0, values[0] * STAGE_RATIO)
    return values


def solve(a, b, grid_a, grid_b, settings):
    """Minimise ⟨C, P⟩ + ε KL(P | a⊗b) under equal (or, with a penalty, near) marginals."""
    unit = largest_cost(grid_a, grid_b)
    penalty = math.inf if settings.penalty is None else settings.penalty * unit
    potentials: Sequence = None, None
    n_iter = 0
    schedule = stages(settings)
    for fraction in schedule:
        last = fraction == schedule[-1]
        left = settings.max_iter - n_iter
        budget = left if last else min(max(1, settings.max_iter // 8), left - 1)
        if budget < 1:
            continue
        eps = fraction * unit
        plain = fraction >= PLAIN_EPSILON and 2 / fraction + _offset(a, b, penalty, eps) < 600
        to_a = GibbsKernel(grid_a, grid_b, eps, plain=plain)
        to_b = GibbsKernel(grid_b, grid_a, eps, plain=plain)
        stage = Stage(
            a, b, to_a, to_b, eps,
            share=1.0 if math.isinf(penalty) else penalty / (penalty + eps),
            tol=settings.tol if last else max(settings.tol, STAGE_TOLERANCE),
            budget=budget,
            over_relaxation=settings.over_relaxation,
        )  # fmt: skip
        advance = stage.plain if plain else stage.logarithmic
        *potentials, steps = advance(*potentials)
        n_iter += steps
    f, g = potentials
    return Solution(f, g, eps, penalty, stage.error(f, g), n_iter, to_a, to_b)


def _offset(a, b, penalty, eps):
    """Largest constant in |log u|: relaxed marginals of unequal masses meet half-way."""
    if math.isinf(penalty):
        return 0.0
    ratio = (a.sum((0, 2)) / b.sum((0, 2))).log().abs().max()
    return penalty / eps * float(ratio) / 2


def solve_self(a, grid, settings, unit):
    """Transport of a onto itself, whose two potentials are one: averaged updates of it.

    ``unit`` is the ground cost that ε is a fraction of. Returns two potentials (one the update of
    the other, so that a marginal is exact), the error and the number of updates.
    """
    eps = settings.epsilon * unit
    penalty = math.inf if settings.penalty is None else settings.penalty * unit
    share = 1.0 if math.isinf(penalty) else penalty / (penalty + eps)
    kernel = GibbsKernel(grid, grid, eps, plain=settings.epsilon >= PLAIN_EPSILON)
    log_a, f = a.log(), torch.zeros_like(a)
    for n_iter in range(1, settings.max_iter + 1):
        spread = kernel.logsumexp(log_a + f / eps)
        new = -share * eps * spread
        scaling = log_a + spread
        error = l1((scaling + f / eps).exp() - (scaling + new / eps).exp())
        if n_iter == settings.max_iter or float(error.max()) <= settings.tol:
            return new, f, error, n_iter
        f = (f + new) / 2
