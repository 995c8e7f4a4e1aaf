r"""Unbalanced optimal transport on a line: mass is moved, or made and lost at a price.

With the marginals of the plan relaxed by a penalty :math:`\rho\,\mathrm{KL}`, the dual is

.. math:: \max_{f_i + g_j \le |u_i - v_j|^p}
    \rho \sum_i a_i (1 - e^{-f_i / \rho}) + \rho \sum_j b_j (1 - e^{-g_j / \rho}) .

Adding a constant to f and taking it from g shows how loudness and shape come apart: with the total
masses :math:`m_a, m_b` and the unit masses :math:`\hat a, \hat b`,

.. math:: \mathrm{UOT}(a, b) = \rho\, (\sqrt{m_a} - \sqrt{m_b})^2
    + \sqrt{m_a m_b}\; \mathrm{UOT}(\hat a, \hat b) .

The second is found exactly, see `_line_shooting.py`. Its gradient by a mass is
:math:`\rho (1 - e^{-f_i / \rho})`, by a position what the plan moves (envelope theorem).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.autograd import batched
from sotlib.transport._compiled_rows import solve_rows
from sotlib.transport._line_arguments import prepared
from sotlib.transport._rows import solved
from sotlib.transport.line import NAMES, checked_order

FARTHEST = 1e9  # cost in units of the penalty: beyond it potentials have no digits left


def unbalanced_wasserstein_1d(
    a: Tensor,
    b: Tensor,
    positions: Tensor,
    positions_b: Tensor | None = None,
    *,
    reach: float,
    p: float = 2,
) -> Tensor:
    r"""Unbalanced transport cost between masses on a line, exact and differentiable.

    Solves, over all plans P,

    .. math:: \min_P \sum_{ij} |u_i - v_j|^p P_{ij}
        + \rho\,\mathrm{KL}(P 1 \,|\, a) + \rho\,\mathrm{KL}(P^\top 1 \,|\, b),
        \qquad \rho = r^p,

    with :math:`\mathrm{KL}(x | y) = \sum x \log (x / y) - x + y` and the `reach` r: mass is moved
    over less than about that distance, and made and lost rather than moved farther.

    Parameters
    ----------
    a : Tensor, shape (..., n)
        Masses, finite and non-negative; their sum counts.
    b : Tensor, shape (..., m)
        Masses; leading dimensions as in `a`, or broadcastable with them.
    positions : Tensor, shape (n,) or (..., n)
        Where the masses `a` lie, sorted or not, in any unit (Hz, bins, seconds).
    positions_b : Tensor, shape (m,) or (..., m), optional
        Where the masses `b` lie. Default: `positions`.
    reach : float
        In the unit of the positions; above 0.
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
        If masses are negative or not finite, if shapes do not fit, if ``p < 1``, if `reach` is not
        positive or is tiny beside the distances.

    Notes
    -----
    Séjourné, Vialard and Peyré, *Faster Unbalanced Optimal Transport*, AISTATS 2022, whose
    Frank-Wolfe steps POT's ``uot_1d`` takes; here the potentials are found exactly, on the CPU
    wherever the masses lie. Two Diracs of masses a and b at the distance d cost
    :math:`\rho (a + b - 2 \sqrt{a b}\, e^{-d^p / 2 \rho})`. With a large reach and equal masses it
    is `wasserstein_1d`, with a small one :math:`\rho \sum (\sqrt a - \sqrt b)^2`. If a measure has
    no mass the cost is ρ times the other's mass, and it has no gradient, where the true one is
    infinite; that of a bin without mass is as if it had 1e-15 of all. Explained in chapter
    ``sot/transport-options``.

    Examples
    --------
    Half of the mass is 1 away, the other half 100; with a reach of 2 the first is moved, and the
    second taken away there and added here:

    >>> import torch
    >>> from sotlib import unbalanced_wasserstein_1d
    >>> x, y = torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5])
    >>> unbalanced_wasserstein_1d(
    ...     x, y, torch.tensor([0.0, 200.0]), torch.tensor([1.0, 300.0]), reach=2.0)
    tensor(4.4700)
    """
    p, reach = checked_order(p), checked_reach(reach, p)
    return unbalanced_cost(a, b, positions, positions_b, reach=reach, p=p)


def unbalanced_cost(a, b, positions, positions_b, *, reach, p, names=NAMES):
    """`unbalanced_wasserstein_1d`; errors give the arguments these names."""
    arguments = prepared(a, b, positions, positions_b, names)
    check.non_negative(names[0], a)
    check.non_negative(names[1], b)
    _, _, u, v = arguments
    if not (batched(u) or batched(v)):
        ends = u[..., -1] - v[..., 0], v[..., -1] - u[..., 0]
        farthest = torch.maximum(*(end.detach().max() for end in ends))
        if check.holds_anywhere(~(farthest <= reach * FARTHEST ** (1 / p))):
            least = float(farthest) / FARTHEST ** (1 / p)
            raise ValueError(
                f"reach is too small beside distances as between {names[2]}: with p = {p:g} it "
                f"must be at least {least:.3g}; got {reach:g}."
            )
    cost = solved(_Shooting(p, reach), arguments)
    if check.holds_anywhere(~cost.isfinite()):
        raise ValueError(
            f"{names[0]}, {names[1]} and reach are so large that the cost with p = {p:g} overflows "
            f"{cost.dtype}. Scale them down."
        )
    return cost


def checked_reach(reach, p):
    """Return the reach as a float if it is one whose power p is a number."""
    reach = float(check.positive("reach", reach))
    if abs(p * math.log10(reach)) > 200:
        raise ValueError(f"reach must have a power of p = {p:g} from 1e-200 to 1e200; got {reach}.")
    return reach


class _Shooting(NamedTuple):
    """The cost and its derivatives, from exact potentials."""

    p: float
    reach: float
    name: str = "unbalanced_wasserstein_1d"

    def __call__(self, x, y, u, v, wanted):
        u, v = (positions.double() / self.reach for positions in (u, v))
        from sotlib.transport._unbalanced_rows import (
            unbalanced_rows,  # compiled on first use, so not imported with the library
        )

        return solve_rows(unbalanced_rows, x, y, u, v, (self.p, self.reach), wanted)
