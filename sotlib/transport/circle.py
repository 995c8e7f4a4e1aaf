r"""Exact optimal transport on a circle.

Around a circle of circumference L the quantile functions go on,
:math:`F^{-1}(r + m) = F^{-1}(r) + L` for masses m, and nothing says which level of a belongs to
which of b. The cheapest shift of one against the other gives the cost:

.. math:: W_p^p(a, b) = \min_\theta \int_0^m |F_a^{-1}(r) - F_b^{-1}(r + \theta)|^p \, dr,

where the integral is convex in :math:`\theta` and piecewise linear, so that halving finds its
minimum. Its gradient with respect to the masses is a pair of Kantorovich potentials, as on a line;
a bin without mass has that of mass being added to it.
"""

import math

import torch
from torch import Tensor

from sotlib._core import check
from sotlib.transport._plane import MASS_TOLERANCE
from sotlib.transport.line import checked_order, transport_cost


def wasserstein_circle(
    a: Tensor,
    b: Tensor,
    positions: Tensor,
    positions_b: Tensor | None = None,
    *,
    p: float = 2,
    period: float = 1.0,
) -> Tensor:
    r"""Optimal transport cost :math:`W_p^p` between masses on a circle, exact and differentiable.

    The ground cost is the distance along the shorter arc, to the power p.

    Parameters
    ----------
    a : Tensor, shape (..., n)
        Masses, finite and non-negative.
    b : Tensor, shape (..., m)
        Masses of equal sum (up to 1e-4 of it); leading dimensions as in `a`, or broadcastable with
        them.
    positions : Tensor, shape (n,) or (..., n)
        Where the masses `a` lie, in any order; only their remainders by the period count.
    positions_b : Tensor, shape (m,) or (..., m), optional
        Where the masses `b` lie. Default: `positions`.
    p : float, default 2
        Order of the cost, at least 1.
    period : float, default 1.0
        Circumference, in the unit of the positions: 12 for semitones, 2π for angles.

    Returns
    -------
    Tensor, shape (...)
        :math:`W_p^p`, in the unit of the positions to the power p times the unit of mass. Its
        gradient with respect to masses and positions is computed by hand; there is no second
        derivative: asking for one raises RuntimeError.

    Raises
    ------
    TypeError
        If an argument is not a floating-point tensor.
    ValueError
        If masses are negative, not finite, or differ in sum, if shapes do not fit, if ``p < 1``.

    Notes
    -----
    J. Delon, J. Salomon and A. Sobolevski, "Fast transport optimization for Monge costs on the
    circle," SIAM Journal on Applied Mathematics, 2010; J. Rabin, J. Delon and Y. Gousseau,
    "Transportation distances on the circle," Journal of Mathematical Imaging and Vision, 2011. For
    p = 1 the optimal shift is the median of the difference of the distribution functions. Explained
    in chapter ``sot/transport-options``.

    Examples
    --------
    From the pitch class B to C is a semitone:

    >>> import torch
    >>> from sotlib import wasserstein_circle
    >>> notes = torch.eye(12)
    >>> wasserstein_circle(notes[11], notes[0], torch.arange(12.0), p=1, period=12)
    tensor(1.)
    """
    p, period = checked_order(p), float(check.positive("period", period))
    if p * abs(math.log(period)) > 600:
        raise ValueError(
            f"period = {period:g} to the power p = {p:g} leaves what numbers can hold. Change the "
            "unit of period and positions."
        )
    cost = transport_cost(a, b, positions, positions_b, p=p, period=period)
    mass_a, mass_b = a.detach().sum(-1), b.detach().sum(-1)
    if check.holds_anywhere(
        (mass_a - mass_b).abs() > MASS_TOLERANCE * torch.maximum(mass_a, mass_b)
    ):
        raise ValueError(
            "a and b must have equal mass: on a circle there is no end at which more of the one "
            "could stay. Divide both by their sums."
        )
    return cost
