r"""Entropic optimal transport between masses on a time-frequency plane.

The ground cost between a bin at time :math:`t`, frequency :math:`\omega` and one at
:math:`t', \omega'` is

.. math:: C = (\kappa (t - t'))^2 + (\omega - \omega')^2,

with :math:`\kappa`, the ``time_scale``, in Hz per second. It is a sum over the two axes, so the
Gibbs kernel :math:`e^{-C/\varepsilon}` is a product of two small matrices and the matrix over all
pairs of bins is never formed.

Fabiani, Schlecht and Elvander (Asilomar 2024) write :math:`k (t-t')^2 + (\omega-\omega')^2`, so
their :math:`k` in the cost is :math:`\kappa^2`; in their sliced distance :math:`k` multiplies
:math:`t` itself and is :math:`\kappa`.
"""

import warnings
from collections.abc import Sequence

from torch import Tensor

from sotlib._core import check
from sotlib._core.apart import apart
from sotlib.transport._plane import Grid, check_balance, check_masses
from sotlib.transport._sinkhorn.result import SinkhornResult, dual_value, per_item, to_layout
from sotlib.transport._sinkhorn.solver import Settings, solve


class ConvergenceWarning(UserWarning):
    """Sinkhorn's updates stopped before the marginals of the plan were as close as asked.

    Explained in chapter ``tfot/ground-cost``.
    """


def sinkhorn_grid(
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
) -> SinkhornResult:
    r"""Entropic transport between two spectrograms as masses on the time-frequency plane.

    Solves

    .. math:: \min_P \langle C, P \rangle + \varepsilon\, \mathrm{KL}(P \,|\, a \otimes b)

    over plans P with marginals a and b, by Sinkhorn's updates with a separable kernel. Work inside
    is in double precision whatever the input; memory grows with the number of bins, not of pairs.

    Parameters
    ----------
    a, b : Tensor, shape (bins, frames) or (batch, bins, frames)
        Masses, non-negative, of equal sum (up to 1e-4 of it) unless `marginal_penalty` is given.
    freqs : Tensor or sequence, shape (bins,), optional
        Increasing frequencies of the bins in Hz. Default: bin indices.
    times : Tensor or sequence, shape (frames,), optional
        Increasing times of the frames in seconds. Default: frame indices.
    freqs_b, times_b : Tensor or sequence, optional
        The axes of b. Default: those of a.
    time_scale : float, default 1.0
        Hz that cost as much as one second. The papers' k in the ground cost is its square.
    epsilon : float, default 1e-2
        Regularisation as a fraction of the largest ground cost; stable down to 1e-4 and below.
    marginal_penalty : float, optional
        Relax the marginals: penalise :math:`\rho\,\mathrm{KL}` of each marginal of P from a and
        from b, with :math:`\rho` this number times the largest ground cost. The masses may then
        differ.
    max_iter : int, default 2000
        Updates of both potentials at most, over all stages.
    tol : float, default 1e-4
        Stop when `marginal_error` of every item is at most this.
    epsilon_scaling : bool, default True
        For epsilon below 5e-3: start at a larger one and lower it fourfold at a time.
    over_relaxation : bool, default True
        For epsilon below 5e-3: step beyond the update by a factor below 2 that is chosen, for each
        item, from the decay of its error. Neither option changes the solution.

    Returns
    -------
    SinkhornResult
        The optimum (differentiable), the transport cost, potentials and convergence.

    Raises
    ------
    TypeError
        If a mass is not a floating-point tensor, or a and b differ in dtype or device.
    ValueError
        If masses are negative, empty, not finite or differ in sum; if axes do not increase or do
        not fit; if a number is out of range.

    Warns
    -----
    ConvergenceWarning
        If `tol` is not reached within `max_iter` updates.

    Notes
    -----
    For masses of sum m the problem is solved at unit mass and the value multiplied by m; with
    `marginal_penalty`, a and b are divided by, and the value multiplied by, the geometric mean of
    their sums. Two sounds scaled alike thus scale the value alike. The gradient of the value is
    that of its dual at the potentials found (envelope theorem): no update is unrolled, and its
    error is of the order of `marginal_error`. There is no second derivative. Where ε is well below
    the squared distance between neighbouring bins, bins hardly share mass: as in exact transport,
    many potentials are then optimal, the gradient is one of many subgradients, and updates are
    slow. Explained in chapter ``tfot/ground-cost``.

    Examples
    --------
    One bin moves by 2 frames and 1 bin; a frame costs as much as 3 bins:

    >>> import torch
    >>> from sotlib import sinkhorn_grid
    >>> a, b = torch.zeros(4, 5), torch.zeros(4, 5)
    >>> a[1, 1] = b[2, 3] = 1
    >>> sinkhorn_grid(a, b, time_scale=3.0).value
    tensor(37.)
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
        grids = plane_grids(a, b, freqs, times, freqs_b, times_b, time_scale)
        solution = solve(masses_a, masses_b, *grids, settings)
        found.append(solution)
        return solution.f, solution.g, solution.error

    f, g, error = apart(find, to_layout(unit_a), to_layout(unit_b), axis=1)
    (solution,) = found
    warn_unless_converged("sinkhorn_grid", solution.error, solution.n_iter, settings)
    dual = dual_value(unit_a, unit_b, f, g, eps=solution.eps, penalty=solution.penalty)
    return SinkhornResult(
        value=(mass * dual).to(a.dtype),
        marginal_error=per_item(error, a),
        n_iter=solution.n_iter,
        converged=per_item(error <= settings.tol, a),
        _masses=(unit_a.detach(), unit_b.detach(), mass.detach()),
        _solution=solution,
        _dtype=a.dtype,
    )


def plane_grids(a, b, freqs, times, freqs_b, times_b, time_scale) -> tuple[Grid, Grid]:
    """Return the `Grid` of a and of b, whose axes default to those of a."""
    grid_a = Grid.of(a, freqs=freqs, times=times, time_scale=time_scale)
    freqs_b = freqs if freqs_b is None else freqs_b
    times_b = times if times_b is None else times_b
    return grid_a, Grid.of(b, freqs=freqs_b, times=times_b, time_scale=time_scale, suffix="_b")


def checked_settings(
    epsilon, max_iter, tol, epsilon_scaling=True, over_relaxation=True, marginal_penalty=None
):
    """Return the solver's `Settings`, or raise."""
    if marginal_penalty is not None:
        marginal_penalty = _relative("marginal_penalty", marginal_penalty)
    return Settings(
        _relative("epsilon", epsilon),
        check.count("max_iter", max_iter),
        check.number("tol", tol, least=0),
        check.flag("epsilon_scaling", epsilon_scaling),
        check.flag("over_relaxation", over_relaxation),
        marginal_penalty,
    )


def _relative(name, value):
    """A fraction of the largest cost; beyond these limits double precision has no digits left."""
    return check.number(name, check.positive(name, value), least=1e-10, most=1e10)


def unit_masses(a, b, *, balanced):
    """Return a and b in double precision, scaled to unit mass, and the mass taken out.

    Unbalanced, both are divided by the geometric mean of their masses.
    """
    a, b = a.double(), b.double()
    mass_a, mass_b = (m.sum((-2, -1), keepdim=True) for m in (a, b))
    mass = mass_a.sqrt() * mass_b.sqrt()  # their product may not be a number
    if balanced:
        return a / mass_a, b / mass_b, mass[..., 0, 0]
    return a / mass, b / mass, mass[..., 0, 0]


def warn_unless_converged(caller, error, n_iter, settings):
    """Warn with what to change if the error of an item exceeds the tolerance."""
    worst = float(error.max())
    if not worst <= settings.tol:  # also where it is not a number
        warnings.warn(
            f"{caller} stopped after {n_iter} updates at a marginal error of {worst:.2g}, above "
            f"tol={settings.tol:g}; raise max_iter (now {settings.max_iter}) or epsilon (now "
            f"{settings.epsilon:g}), or accept a larger tol",
            ConvergenceWarning,
            stacklevel=3,
        )
