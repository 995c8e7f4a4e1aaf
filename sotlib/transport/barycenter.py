r"""Barycentres of masses on the time-frequency plane.

The entropic barycentre minimises a weighted sum of transport costs,

.. math:: \operatorname*{arg\,min}_\mu \sum_k w_k \, \mathrm{OT}_\varepsilon(\mu, \mu_k),

by Bregman projections, one after the other, onto plans with the given masses on one side and plans
with one common mass on the other: each is an update of scalings, and the common mass is a geometric
mean. The regularisation blurs; the debiased barycentre replaces the cost with the Sinkhorn
divergence, for one more scaling.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.apart import apart
from sotlib.transport._plane import Grid, largest_cost
from sotlib.transport._sinkhorn.gibbs import GibbsKernel
from sotlib.transport._sinkhorn.result import to_layout
from sotlib.transport._sinkhorn.solver import PLAIN_EPSILON, STAGE_TOLERANCE, stages
from sotlib.transport._sinkhorn.stage import CHECK_EVERY, l1
from sotlib.transport.interpolation import checked_weights
from sotlib.transport.sinkhorn import checked_settings, warn_unless_converged


def barycenter_grid(
    masses: Tensor,
    *,
    weights: Tensor | Sequence[float] | None = None,
    freqs: Tensor | Sequence[float] | None = None,
    times: Tensor | Sequence[float] | None = None,
    time_scale: float = 1.0,
    epsilon: float = 1e-2,
    debiased: bool = True,
    max_iter: int = 2000,
    tol: float = 1e-4,
) -> Tensor:
    r"""Wasserstein barycentre of spectrograms as masses on the time-frequency plane.

    .. math:: \operatorname*{arg\,min}_\mu \sum_k w_k \, S_\varepsilon(\mu, \mu_k)

    with the Sinkhorn divergence :math:`S_\varepsilon`, or the entropic transport cost where not
    `debiased`. Memory grows with the number of bins, not of pairs.

    Parameters
    ----------
    masses : Tensor, shape (measures, bins, frames) or (batch, measures, bins, frames)
        Several masses on one grid, non-negative, none of them silent.
    weights : Tensor or sequence, shape (measures,), optional
        Non-negative; divided by their sum. Default: all equal.
    freqs, times, time_scale, epsilon
        The grid and the ground cost, as in `sinkhorn_grid`.
    debiased : bool, default True
        Undo the blur of ε: the barycentre of equal masses is that mass.
    max_iter, tol
        As in `sinkhorn_grid`; the error is the L1 distance between the barycentre and the marginal
        of each plan that should be it.

    Returns
    -------
    Tensor, shape (bins, frames) or (batch, bins, frames)
        The barycentre, of the weighted mean of the masses. Not differentiable.

    Raises
    ------
    TypeError
        If masses are not a floating-point tensor, or weights are not real numbers.
    ValueError
        If masses are negative, not finite, or one is silent; if axes or weights do not fit; if a
        number is out of range.

    Warns
    -----
    ConvergenceWarning
        If `tol` is not reached within `max_iter` updates.

    Notes
    -----
    J.-D. Benamou et al., "Iterative Bregman projections for regularized transportation problems,"
    SIAM Journal on Scientific Computing, 2015; J. Solomon et al., "Convolutional Wasserstein
    distances," ACM Transactions on Graphics, 2015; debiased: H. Janati et al., "Debiased Sinkhorn
    barycenters," ICML 2020. Taking a blur out is slow where it is wide: for details finer than the
    square root of ε, `tol` is reached long before they are there; lower `epsilon`. Explained in
    chapter ``tfot/between``.

    Examples
    --------
    Three single bins meet at their mean:

    >>> import torch
    >>> from sotlib import barycenter_grid
    >>> masses = torch.zeros(3, 5, 7)
    >>> masses[0, 0, 0] = masses[1, 4, 0] = masses[2, 2, 6] = 1
    >>> barycenter_grid(masses)[2, 2].round(decimals=2)
    tensor(1.)
    """
    settings = checked_settings(epsilon, max_iter, tol)
    debiased = check.flag("debiased", debiased)
    check.floating("masses", masses)
    if masses.ndim < 3 or masses.numel() == 0:
        raise ValueError(
            f"masses must have shape (measures, bins, frames) or (batch, measures, bins, frames) "
            f"and hold at least one bin; got {tuple(masses.shape)}."
        )
    check.non_negative("masses", masses)
    if check.holds_anywhere(masses.flatten(-2).amax(-1) <= 0):
        raise ValueError("masses must not be silent: leave out those that are, or give a floor.")
    share = checked_weights(weights, masses.shape[-3], masses.device)
    totals = masses.detach().double().sum((-2, -1), keepdim=True)
    ends = []

    def find(unit):
        grid = Grid.of(masses, freqs=freqs, times=times, time_scale=time_scale)
        mean, error, n_iter = _project(unit, share, grid, settings, debiased)
        ends.append((error, n_iter))
        return (mean,)

    (mean,) = apart(find, to_layout(masses.detach().double() / totals), axis=1)
    ((error, n_iter),) = ends
    warn_unless_converged("barycenter_grid", error, n_iter, settings)
    shape = *masses.shape[:-3], *masses.shape[-2:]
    mean = mean.permute(1, 0, 2).reshape(shape)
    return (mean * (totals * share[:, None, None]).sum(-3)).to(masses.dtype)


def _project(masses, weights, grid, settings, debiased):
    """Barycentre (bins, batch, frames) of unit masses (bins, batch * measures, frames)."""
    unit, n_iter = largest_cost(grid, grid), 0
    log_a, several = masses.log(), (-1, len(weights))
    weights = weights[:, None]
    log_v, log_d = torch.zeros_like(masses), torch.zeros_like(masses)[:, :: len(weights)]
    schedule = stages(settings)
    for index, fraction in enumerate(schedule):
        last = fraction == schedule[-1]
        left = settings.max_iter - n_iter
        budget = left if last else min(max(1, settings.max_iter // 8), left - 1)
        if budget < 1:
            continue
        if index:  # potentials, ε times these, change little
            log_v, log_d = (t * (schedule[index - 1] / fraction) for t in (log_v, log_d))
        kernel = GibbsKernel(grid, grid, fraction * unit, plain=fraction >= PLAIN_EPSILON)
        for step in range(1, budget + 1):
            spread = kernel.logsumexp(log_a - kernel.logsumexp(log_v))
            log_mean = (weights * spread.unflatten(1, several)).sum(2) + log_d
            common = log_mean.repeat_interleave(len(weights), 1)
            marginals, log_v = log_v + spread, common - spread
            if debiased:
                log_d = (log_d + log_mean - kernel.logsumexp(log_d)) / 2
            if step % CHECK_EVERY == 0 or step == budget:
                error = l1(marginals.exp() - common.exp())
                if float(error.max()) <= (settings.tol if last else STAGE_TOLERANCE):
                    break
        n_iter += step
    mean = log_mean.exp()
    return mean / mean.sum((0, 2), keepdim=True), error, n_iter
