r"""Between masses on a line: displacement interpolation and barycentres, exactly.

On a line the Wasserstein barycentre for the order 2 is the measure whose quantile function is the
mean of theirs,

.. math:: F^{-1}(r) = \sum_k w_k \, F_k^{-1}(r), \qquad \sum_k w_k = 1,

and between two measures, with weights 1 - t and t, it moves along the geodesic: McCann's
displacement interpolation. Quantile functions are piecewise constant on the merged levels of all
cumulative sums, so the result is a finite sum of masses at new positions.

The formula is one for unit masses. Of others the shape is that of the measures divided by their
masses, and the mass is the mean of theirs; a silent one has no shape and counts in that only.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sotlib._core import check
from sotlib.transport._line_arguments import prepared
from sotlib.transport._line_sort import first_reaching, take


def interpolate_1d(
    a: Tensor, b: Tensor, positions: Tensor, positions_b: Tensor | None = None, *, t: float
) -> tuple[Tensor, Tensor]:
    r"""Displacement interpolation between masses on a line, exact and differentiable.

    .. math:: F_t^{-1}(r) = (1 - t) \, F_a^{-1}(r) + t \, F_b^{-1}(r), \qquad 0 \le r \le 1,

    where :math:`W_2` from a grows in proportion to t. A crossfade lowers a and raises b where they
    are; here mass moves.

    Parameters
    ----------
    a : Tensor, shape (..., n)
        Masses, finite and non-negative.
    b : Tensor, shape (..., m)
        Masses; leading dimensions as in `a`, or broadcastable with them.
    positions : Tensor, shape (n,) or (..., n)
        Where the masses `a` lie, sorted or not, in any unit.
    positions_b : Tensor, shape (m,) or (..., m), optional
        Where the masses `b` lie. Default: `positions`.
    t : float
        How far on the way from `a` to `b`, 0 to 1.

    Returns
    -------
    masses : Tensor, shape (..., n + m)
        What moves together; some are 0. They add up to (1 - t) times the mass of `a` and t times
        that of `b`.
    positions : Tensor, shape (..., n + m)
        Where it lies, increasing. `linear_binning` brings it to a grid.

    Raises
    ------
    TypeError
        If an argument is not a floating-point tensor.
    ValueError
        If masses are negative or not finite, if shapes do not fit, if t is not from 0 to 1.

    Notes
    -----
    R. J. McCann, "A convexity principle for interacting gases," Advances in Mathematics, 1997;
    T. Henderson and J. Solomon, "Audio transport: a generalized portamento via optimal transport,"
    DAFx 2019, interpolate each frame so. Between a spectrum and silence the spectrum stays where it
    is and fades. Explained in chapter ``tfot/between``.

    Examples
    --------
    A quarter of the way from 100 Hz to 200 Hz:

    >>> import torch
    >>> from sotlib import interpolate_1d
    >>> a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    >>> masses, positions = interpolate_1d(a, b, torch.tensor([100.0, 200.0]), t=0.25)
    >>> positions[masses > 0]
    tensor([125.])
    """
    t = float(check.number("t", t, least=0, most=1))
    x, y, u, v = prepared(a, b, positions, positions_b, ("a", "b", "positions", "positions_b"))
    check.non_negative("a", a)
    check.non_negative("b", b)
    weights = torch.tensor([1 - t, t], dtype=torch.float64, device=x.device)
    return _mean_quantiles([x, y], [u, v], weights)


def barycenter_1d(
    masses: Tensor, positions: Tensor, *, weights: Tensor | Sequence[float] | None = None
) -> tuple[Tensor, Tensor]:
    r"""Wasserstein barycentre of masses on a line, exact and differentiable.

    .. math:: \operatorname*{arg\,min}_\mu \sum_k w_k \, W_2^2(\mu, \mu_k),

    whose quantile function is the mean of theirs.

    Parameters
    ----------
    masses : Tensor, shape (..., measures, n)
        Several measures, finite and non-negative.
    positions : Tensor, shape (n,) or (..., measures, n)
        Where they lie, sorted or not, in any unit.
    weights : Tensor or sequence, shape (measures,), optional
        Non-negative; divided by their sum. Default: all equal.

    Returns
    -------
    masses : Tensor, shape (..., measures * n)
        What moves together; some are 0. They add up to the weighted mean of the masses.
    positions : Tensor, shape (..., measures * n)
        Where it lies, increasing. `linear_binning` brings it to a grid.

    Raises
    ------
    TypeError
        If an argument is not a floating-point tensor, or weights are not real numbers.
    ValueError
        If masses are negative or not finite, if shapes do not fit, if weights are negative or all
        zero.

    Notes
    -----
    M. Agueh and G. Carlier, "Barycenters in the Wasserstein space," SIAM Journal on Mathematical
    Analysis, 2011. Explained in chapter ``tfot/between``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import barycenter_1d
    >>> masses, positions = barycenter_1d(torch.eye(3), torch.tensor([0.0, 1.0, 5.0]))
    >>> positions[masses > 0]
    tensor([2.])
    """
    names = "masses", "masses", "positions", "positions"
    x, _, u, _ = prepared(masses, masses, positions, None, names)
    if masses.ndim < 2:
        raise ValueError(
            f"masses must have shape (..., measures, n); got {tuple(masses.shape)}. Stack them."
        )
    check.non_negative("masses", masses)
    share = checked_weights(weights, masses.shape[-2], masses.device)
    count = masses.shape[-2]
    return _mean_quantiles(x.unbind(-2), [u] * count if u.ndim == 1 else u.unbind(-2), share)


def checked_weights(weights, count, device):
    """Return so many weights of sum 1 in double precision, or raise."""
    if weights is None:
        return torch.full((count,), 1 / count, dtype=torch.float64, device=device)
    weights = check.real_numbers("weights", weights, device).detach()
    if weights.shape != (count,) or (weights < 0).any() or not weights.any():
        raise ValueError(
            f"weights must be {count} numbers, one for each measure, of at least 0 and not all 0; "
            f"got {weights.tolist()}."
        )
    return weights / weights.max() / (weights / weights.max()).sum()


def _mean_quantiles(masses, positions, weights):
    """Masses and positions of the measure with the mean of the quantile functions."""
    cumulative = [mass.double().cumsum(-1) for mass in masses]
    totals = [c[..., -1:] for c in cumulative]
    cumulative = [torch.where(m > 0, c / torch.where(m > 0, m, 1.0), 1.0)
                  for c, m in zip(cumulative, totals, strict=True)]  # fmt: skip
    levels = torch.cat(cumulative, -1).sort(-1).values
    shares = [torch.where(m > 0, w, 0.0) for w, m in zip(weights, totals, strict=True)]
    none = (
        torch.stack(shares).sum(0) == 0
    )  # as silence has no quantiles, any within the positions will do
    shares = [torch.where(none, w, s) for w, s in zip(weights, shares, strict=True)]
    quantiles = sum(
        s * take(u, first_reaching(c, levels)).double()
        for s, u, c in zip(shares, positions, cumulative, strict=True)
    ) / sum(shares)
    mass = sum(w * m for w, m in zip(weights, totals, strict=True))
    widths = levels.diff(dim=-1, prepend=torch.zeros_like(levels[..., :1]))
    kind = torch.result_type(positions[0], positions[-1])
    return (mass * widths).to(masses[0].dtype), quantiles.to(kind)
