r"""The kernel exp(-(x_i - y_j)²/ε) along a long axis, interpolated between a few nodes.

Where ε is no small part of the largest squared distance the kernel is smooth: within a tile of the
axis it is a polynomial of moderate degree, up to rounding. So a product with it is one from places
to Chebyshev nodes of their tiles, one between nodes, and one back to places. Minutes of audio have
ten times more frames than nodes.

Within a tile the kernel changes by at most a factor :math:`e^{2h}`, and an error relative to its
largest value is, relative to its smallest, larger by that factor: so every sum of positive numbers
has a small relative error, wherever they lie.
"""

import math

import torch

SPAN = 4.0  # h: half the range of the kernel's logarithm within a tile, at most
SHORT = 64  # places on an axis for which the kernel itself is cheap
ERROR = 1e-12  # of the interpolation, relative to the smallest value in a tile


class SmoothAxis:
    """The interpolated kernel from ``y`` to ``x``, both increasing; see `SmoothAxis.of`."""

    def __init__(self, x, y, size, eps):
        self.size = size
        nodes_x, self.back = _interpolation(*x)
        nodes_y, spread = _interpolation(*y)
        self.spread = spread.mT.contiguous()
        self.between = (nodes_x[:, None] - nodes_y).square_().div_(-eps).exp_()

    @classmethod
    def of(cls, x, y, eps):
        """The interpolated kernel, or None where the kernel itself is less than twice as large."""
        reach = max(float(y[-1] - x[0]), float(x[-1] - y[0]))
        if min(len(x), len(y)) < SHORT or reach <= 0:
            return None
        of_x, of_y = (_tiles(places, 2 * reach / eps) for places in (x, y))
        nodes = math.prod(len(tiles) * number for tiles, number in (of_x, of_y))
        return cls(of_x, of_y, len(x), eps) if 2 * nodes < len(x) * len(y) else None

    def multiply(self, columns, out):
        """Write the product with columns (inputs, columns) to ``out`` (outputs, columns)."""
        tiles, _, width = self.spread.shape
        missing = tiles * width - len(columns)
        if missing:
            columns = torch.cat([columns, columns.new_zeros(missing, columns.shape[1])])
        moments = torch.bmm(self.spread, columns.unflatten(0, (tiles, width))).flatten(0, 1)
        values = (self.between @ moments).unflatten(0, (len(self.back), -1))
        out.copy_(torch.bmm(self.back, values).flatten(0, 1)[: self.size])


def _tiles(x, slope):
    """Cut places into tiles of equally many, (tiles, places), and say how many nodes each needs.

    ``slope`` bounds that of the kernel's logarithm.
    """
    width = 2 * SPAN / slope
    count = -(-len(x) // max(1, math.ceil(float(x[-1] - x[0]) / width)))
    while count > 1 and float((x[count - 1 :] - x[: len(x) - count + 1]).max()) > width:
        count -= max(1, count // 16)
    index = torch.arange(-(-len(x) // count) * count, device=x.device).clamp(max=len(x) - 1)
    tiles = x[index].reshape(-1, count)
    return tiles, _number_of_nodes(slope * float((tiles[:, -1] - tiles[:, 0]).max()) / 2)


def _interpolation(tiles, number):
    """Chebyshev nodes of all tiles, and matrices (tiles, places, nodes) from values at them."""
    low, high = tiles[:, :1], tiles[:, -1:]
    middle, half = (low + high) / 2, (high - low) / 2
    order = torch.arange(number, dtype=tiles.dtype, device=tiles.device)
    angles = math.pi * (order + 0.5) / number
    # Lagrange's polynomial of a node: Σ_k T_k(node) T_k(place) 2 / number, the constant halved.
    angle = ((tiles - middle) / torch.where(half > 0, half, 1)).clamp(-1, 1).acos()
    at_places = (angle[..., None] * order).cos() * torch.where(order > 0, 2.0, 1.0) / number
    return (middle + half * angles.cos()).flatten(), at_places @ (order[:, None] * angles).cos()


def _number_of_nodes(h):
    """How many Chebyshev nodes the exponential of [-h, h] needs; see `ERROR`."""
    number, coefficient = 1, h / 2  # about (h / 2)^n / n!
    while coefficient > ERROR * math.exp(-h) or number < h:
        number += 1
        coefficient *= h / 2 / number
    return number + 1
