"""The debiased Sinkhorn divergence between masses on a time-frequency plane."""

from collections.abc import Sequence

from torch import Tensor

from sotlib._core.apart import apart
from sotlib.transport._plane import check_balance, check_masses, largest_cost
from sotlib.transport._sinkhorn.result import dual_value, to_layout
from sotlib.transport._sinkhorn.solver import solve, solve_self
from sotlib.transport.sinkhorn import (
    checked_settings,
    plane_grids,
    unit_masses,
    warn_unless_converged,
)


def sinkhorn_divergence(
    a: Tensor,
    b: Tensor,
    *,
    freqs: Tensor | Sequence[float] | None = None,
    times: Tensor | Sequence[float] | None = None,
    freqs_b: Tensor | Sequence[float] | None = None,
    times_b: Tensor | Sequence[float] | None = None,
    time_scale: float = 1.0,
    epsilon: float = 1e-2,
    marginal_penalty: float | None = None,
    max_iter: int = 2000,
    tol: float = 1e-4,
    epsilon_scaling: bool = True,
    over_relaxation: bool = True,
) -> Tensor:
    r"""Debiased entropic transport: zero for equal masses, towards the exact cost as ε falls.

    .. math:: S_\varepsilon(a, b) = \mathrm{OT}_\varepsilon(a, b)
              - \tfrac12 \mathrm{OT}_\varepsilon(a, a) - \tfrac12 \mathrm{OT}_\varepsilon(b, b)

    and, unbalanced, half of ε times the squared difference of the masses in addition. The value of
    `sinkhorn_grid` is positive even for equal masses, because ε blurs the plan, and its gradient
    draws a towards a narrower mass than b; this removes both.

    Parameters
    ----------
    a, b : Tensor, shape (bins, frames) or (batch, bins, frames)
        Masses, as in `sinkhorn_grid`.
    freqs, times, freqs_b, times_b, time_scale, epsilon, marginal_penalty
        As in `sinkhorn_grid`. All three problems share the same ε in Hz².
    max_iter, tol, epsilon_scaling, over_relaxation
        As in `sinkhorn_grid`, for each of the three problems.

    Returns
    -------
    Tensor, shape () or (batch,)
        The divergence in Hz² times mass, differentiable in a and b. Between equal masses it is
        zero up to `tol` times ε in Hz², and may lie below zero.

    Raises
    ------
    TypeError, ValueError
        As `sinkhorn_grid`.

    Warns
    -----
    ConvergenceWarning
        If one of the three problems does not reach `tol`.

    Notes
    -----
    Feydy et al., *Interpolating between optimal transport and MMD using Sinkhorn divergences*,
    AISTATS 2019; Séjourné et al., arXiv 1910.12958, for the unbalanced one. Explained in chapter
    ``tfot/ground-cost``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import sinkhorn_divergence
    >>> a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> sinkhorn_divergence(a, a).abs() < 1e-6
    tensor(True)
    """
    check_masses(a, b)
    if marginal_penalty is None:
        check_balance(
            a,
            b,
            "normalise both, or pass marginal_penalty=1.0 (a relative penalty) to compare loudness",
        )
    settings = checked_settings(
        epsilon, max_iter, tol, epsilon_scaling, over_relaxation, marginal_penalty
    )
    unit_a, unit_b, mass = unit_masses(a, b, balanced=marginal_penalty is None)
    found = []

    def find(masses_a, masses_b):
        grid_a, grid_b = plane_grids(a, b, freqs, times, freqs_b, times_b, time_scale)
        unit = largest_cost(grid_a, grid_b)
        across = solve(masses_a, masses_b, grid_a, grid_b, settings)
        within_a = solve_self(masses_a, grid_a, settings, unit)
        within_b = solve_self(masses_b, grid_b, settings, unit)
        found.append(across)
        for error, n_iter in ((across.error, across.n_iter), within_a[2:], within_b[2:]):
            warn_unless_converged("sinkhorn_divergence", error, n_iter, settings)
        return across.f, across.g, *within_a[:2], *within_b[:2]

    potentials = apart(find, to_layout(unit_a), to_layout(unit_b), axis=1)
    constants = {"eps": found[0].eps, "penalty": found[0].penalty}
    divergence = dual_value(unit_a, unit_b, *potentials[:2], **constants)
    for unit_mass, pair in ((unit_a, potentials[2:4]), (unit_b, potentials[4:])):
        divergence = divergence - dual_value(unit_mass, unit_mass, *pair, **constants) / 2
    if marginal_penalty is not None:
        difference = unit_a.sum((-2, -1)) - unit_b.sum((-2, -1))
        divergence = divergence + constants["eps"] / 2 * difference**2
    return (mass * divergence).to(a.dtype)
