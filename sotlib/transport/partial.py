r"""Partial optimal transport on a line: only a part of the mass is moved, the cheapest to move.

.. math:: \min_P \sum_{ij} |u_i - v_j|^p P_{ij} \quad\text{with}\quad
    P 1 \le a, \quad P^\top 1 \le b, \quad 1^\top P 1 = m .

What is moved grows with m, so that cheapest additions, one after the other, lead to the optimum:
`_partial_rows.py` takes them. With :math:`\lambda` the cost of the last one, the dual

.. math:: \max_{s, t \ge 0,\ \lambda - s_i - t_j \le |u_i - v_j|^p}
    \lambda m - \sum_i a_i s_i - \sum_j b_j t_j

gives the gradient: a mass more at a bin of which not all is moved changes nothing, elsewhere it
saves :math:`s_i` or :math:`t_j`.
"""

from typing import NamedTuple

from torch import Tensor

from sotlib._core import check
from sotlib.transport._compiled_rows import solve_rows
from sotlib.transport._line_arguments import prepared
from sotlib.transport._rows import solved
from sotlib.transport.line import NAMES, checked_order


def partial_wasserstein_1d(
    a: Tensor,
    b: Tensor,
    positions: Tensor,
    positions_b: Tensor | None = None,
    *,
    share: float | None = None,
    mass: float | None = None,
    p: float = 2,
) -> Tensor:
    r"""Cost of moving a part of the mass on a line, the cheapest, exact and differentiable.

    Parameters
    ----------
    a : Tensor, shape (..., n)
        Masses, finite and non-negative; their sums need not be equal.
    b : Tensor, shape (..., m)
        Masses; leading dimensions as in `a`, or broadcastable with them.
    positions : Tensor, shape (n,) or (..., n)
        Where the masses `a` lie, sorted or not, in any unit (Hz, bins, seconds).
    positions_b : Tensor, shape (m,) or (..., m), optional
        Where the masses `b` lie. Default: `positions`.
    share : float, optional
        How much is moved, as a part of the smaller of the two masses: above 0, at most 1.
    mass : float, optional
        How much is moved instead, in the unit of the masses: at most the smaller one.
    p : float, default 2
        Order of the cost ``|u - v| ** p``, at least 1.

    Returns
    -------
    Tensor, shape (...)
        The cost, in the unit of the positions to the power p times the unit of mass; its gradient
        with respect to masses and positions. There is no second derivative: asking for one raises
        RuntimeError.

    Raises
    ------
    TypeError
        If an argument is not a floating-point tensor.
    ValueError
        If masses are negative or not finite, if shapes do not fit, if ``p < 1``, unless one of
        `share` and `mass` is given and in its range.

    Notes
    -----
    Chapel and Tavenard, *One for All and All for One: Efficient Computation of Partial Wasserstein
    Distances on the Line*, ICLR 2025, for bins of any masses; the cost is the optimum of POT's
    ``partial_wasserstein2``. It is computed on the CPU wherever the masses lie, in a time that
    grows with the square of the number of bins. The cost is convex and piecewise linear in the
    mass that is moved; at kinks the gradient is one of many. Silence costs nothing, and has no
    gradient. Explained in chapter ``sot/transport-options``.

    Examples
    --------
    A quarter of the mass lies far off. The rest is moved by 1:

    >>> import torch
    >>> from sotlib import partial_wasserstein_1d
    >>> x, y = torch.tensor([0.75, 0.25]), torch.tensor([1.0])
    >>> at = {"positions": torch.tensor([0.0, 500.0]), "positions_b": torch.tensor([1.0])}
    >>> partial_wasserstein_1d(x, y, **at, share=0.75), partial_wasserstein_1d(x, y, **at, share=1)
    (tensor(0.7500), tensor(62251.))
    """
    p = checked_order(p)
    solver = _Augmentation(p, *checked_part(share, mass))
    if mass is not None:
        for name, masses in (("a", a), ("b", b)):
            least = check.non_negative(name, check.floating(name, masses)).detach().sum(-1).min()
            if check.holds_anywhere(least * (1 + 1e-6) < mass):
                raise ValueError(
                    f"mass must be at most the sum of {name}, which is {float(least):.3g}; got "
                    f"{mass:g}."
                )
    return partial_cost(a, b, positions, positions_b, solver)


def partial_cost(a, b, positions, positions_b, solver, names=NAMES):
    """`partial_wasserstein_1d`; errors give the arguments these names."""
    arguments = prepared(a, b, positions, positions_b, names)
    check.non_negative(names[0], a)
    check.non_negative(names[1], b)
    cost = solved(solver, arguments)
    if check.holds_anywhere(~cost.isfinite()):
        raise ValueError(
            f"{names[0]}, {names[1]} and {names[2]} are so large that the cost with p = "
            f"{solver.p:g} overflows {cost.dtype}. Scale them down."
        )
    return cost


def checked_part(share, mass):
    """Return how much is to be moved, and whether it is a share of the smaller mass."""
    if share is not None:
        share = check.number("share", check.positive("share", share), most=1)
    if mass is not None:
        mass = check.positive("mass", mass)
    if (share is None) == (mass is None):
        raise ValueError(f"give one of share and mass; got share={share!r} and mass={mass!r}.")
    return (mass, False) if share is None else (share, True)


class _Augmentation(NamedTuple):
    """The cost and its derivatives, by cheapest additions."""

    p: float
    amount: float
    relative: bool
    name: str = "partial_wasserstein_1d"

    def __call__(self, x, y, u, v, wanted):
        from sotlib.transport._partial_rows import (
            partial_rows,  # compiled on first use, so not imported with the library
        )

        options = self.p, self.amount, self.relative
        return solve_rows(partial_rows, x, y, u, v, options, wanted)
