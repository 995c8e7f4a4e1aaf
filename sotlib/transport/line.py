r"""Exact optimal transport on a line.

For masses :math:`x_i` at positions :math:`u_i` and :math:`y_j` at :math:`v_j`,

.. math:: W_p^p(x, y) = \int_0^R |F_x^{-1}(r) - F_y^{-1}(r)|^p \, dr,

where :math:`F^{-1}(r)` is the quantile function, the first position at which the cumulative sum
reaches :math:`r`. It is piecewise constant, so the integral is a finite sum over the merged grid of
both cumulative sums. Conventions:

- the integral runs to the larger mass, :math:`R = \max(\sum x, \sum y)`, and beyond its own mass a
  quantile function stays at its last position; with ``cutoff`` it runs to level 1 at most;
- masses equal up to rounding count as equal;
- where two levels coincide the cost has a kink in the weights; the gradient returned is the mean of
  the one-sided ones, so that it vanishes at equal spectra;
- for equal masses the gradient with respect to the weights is a pair of Kantorovich potentials
  ``f, g`` with ``<f, x> + <g, y> = W_p^p``.
"""

import torch
from torch import Tensor

from sotlib._core import check
from sotlib.transport._line_arguments import prepared
from sotlib.transport._line_sort import first_reaching, take
from sotlib.transport._rows import Circle, Line, solved

HIGHEST = 100  # order of a cost: powers of distances beyond it leave what numbers can hold
NAMES = "a", "b", "positions", "positions_b"


def wasserstein_1d(
    a: Tensor,
    b: Tensor,
    positions: Tensor,
    positions_b: Tensor | None = None,
    *,
    p: float = 2,
    cutoff: bool = False,
) -> Tensor:
    r"""Optimal transport cost :math:`W_p^p` between masses on a line, exact and differentiable.

    Parameters
    ----------
    a : Tensor, shape (..., n)
        Masses, finite and non-negative; they need not sum to 1.
    b : Tensor, shape (..., m)
        Masses; leading dimensions as in `a`, or broadcastable with them.
    positions : Tensor, shape (n,) or (..., n)
        Where the masses `a` lie, sorted or not, in any unit (Hz, bins, seconds).
    positions_b : Tensor, shape (m,) or (..., m), optional
        Where the masses `b` lie. Default: `positions`.
    p : float, default 2
        Order of the cost ``|u - v| ** p``, at least 1.
    cutoff : bool, default False
        Count no cost above level 1: of a mass above 1 only the lower part is compared.

    Returns
    -------
    Tensor, shape (...)
        :math:`W_p^p`, in the unit of the positions to the power p times the unit of mass. Its
        gradient with respect to masses and positions is computed by hand in the same pass; there
        is no second derivative: asking for one raises RuntimeError.

    Raises
    ------
    TypeError
        If an argument is not a floating-point tensor.
    ValueError
        If masses are negative or not finite, if shapes do not fit, if ``p < 1``.

    Notes
    -----
    Equation 2 of Torres, Peeters and Richard (ICASSP 2024); masses that differ follow the
    convention of the public package ``sot-loss``. If both masses are 0 so are cost and gradient; if
    one is 0 its quantile function stays at the last position. Explained in chapter
    ``sot/transport``.

    Examples
    --------
    Half of the mass moves by 2, the other half stays:

    >>> import torch
    >>> from sotlib import wasserstein_1d
    >>> x = torch.tensor([0.5, 0.5, 0.0])
    >>> y = torch.tensor([0.0, 0.5, 0.5])
    >>> wasserstein_1d(x, y, torch.tensor([0.0, 1.0, 2.0]), p=1)
    tensor(1.)
    """
    cutoff = check.flag("cutoff", cutoff)
    return transport_cost(a, b, positions, positions_b, p=checked_order(p), cutoff=cutoff)


def transport_cost(a, b, positions, positions_b, *, p, cutoff=False, period=0.0, names=NAMES):
    """`wasserstein_1d`, or `wasserstein_circle` of a period; errors give arguments these names."""
    arguments = prepared(a, b, positions, positions_b, names, period)
    cost = solved(Circle(p, period) if period else Line(p, cutoff), arguments)
    if check.holds_anywhere(~cost.isfinite()):  # cheaper than looking at all masses beforehand
        check.non_negative(names[0], a)
        check.non_negative(names[1], b)
        raise ValueError(
            f"{names[0]}, {names[1]} and {names[2]} are so large that the cost with p = {p:g} "
            f"overflows {cost.dtype}. Scale them down."
        )
    return cost


def quantile_functions(
    a: Tensor, b: Tensor, positions: Tensor, positions_b: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    r"""Both quantile functions on the merged grid of their cumulative sums.

    Parameters
    ----------
    a, b, positions, positions_b
        As for `wasserstein_1d`.

    Returns
    -------
    a_quantiles, b_quantiles : Tensor, shape (..., n + m)
        Position of each measure on the interval of levels that ends at ``levels``.
    levels : Tensor, shape (..., n + m)
        The sorted union of both cumulative sums.
    a_cumulative, b_cumulative : Tensor, shape (..., n) and (..., m)
        Cumulative sums in the order of increasing positions.

    Raises
    ------
    TypeError, ValueError
        As `wasserstein_1d`.

    Notes
    -----
    Explained in chapter ``sot/transport``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import quantile_functions
    >>> x, y = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])
    >>> qx, qy, levels, _, _ = quantile_functions(x, y, torch.tensor([0.0, 10.0]))
    >>> levels
    tensor([0.5000, 0.7500, 1.0000, 1.0000])
    >>> qx, qy
    (tensor([ 0.,  0., 10., 10.]), tensor([ 0., 10., 10., 10.]))
    """
    return quantiles(a, b, positions, positions_b)


def quantiles(a, b, positions, positions_b, *, names=NAMES):
    """`quantile_functions`; errors give the arguments these names."""
    x, y, u, v = prepared(a, b, positions, positions_b, names)
    check.non_negative(names[0], a)
    check.non_negative(names[1], b)
    x_cumulative, y_cumulative = x.cumsum(-1), y.cumsum(-1)
    levels = torch.cat([x_cumulative, y_cumulative], dim=-1).sort(dim=-1).values
    x_quantiles = take(u, first_reaching(x_cumulative, levels))
    y_quantiles = take(v, first_reaching(y_cumulative, levels))
    return x_quantiles, y_quantiles, levels, x_cumulative, y_cumulative


def checked_order(p):
    """Return p as a float if it is an order of transport."""
    return float(check.number("p", p, least=1, most=HIGHEST))
