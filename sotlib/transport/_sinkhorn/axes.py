"""The kernel exp(-(x_i - y_j)²/ε) along one axis, as plain numbers and in the log domain.

As a whole it takes memory by the square of an axis' length, which minutes of audio have not: where
it is large it is made in parts, anew at each use. That costs an exponential for each of its entries
beside a product with all columns.
"""

import numpy as np
import torch

# Largest exponent that may appear inside a tile. The leading term of a log-sum-exp lies within
# twice this of the tile's reference, so it and all that is not lost in rounding beside it (e^-37)
# stay above the smallest normal double, e^-708.
TILE_EXPONENT = 330.0
# Doubles that a kernel may keep, and that each array within a product may have (64 MB).
KEPT = 2**23


class PlainAxis:
    """The kernel itself, which underflows where ε is small."""

    def __init__(self, x, y, eps):
        self.x, self.y, self.eps = x, y, eps
        self.parts = _parts(len(x), len(y))
        self.kept = self.matrix(*self.parts) if len(self.parts) == 1 else None

    def matrix(self, rows=slice(None)):
        """Return rows of the kernel (outputs, inputs)."""
        return (self.x[rows, None] - self.y).square_().div_(-self.eps).exp_()

    def multiply(self, columns, out):
        """Write the product with columns (inputs, columns) to ``out`` (outputs, columns)."""
        for part in self.parts:
            factor = self.matrix(part) if self.kept is None else self.kept
            torch.mm(factor, columns, out=out[part])


class LogAxis:
    """Log-sum-exp against the kernel, by matrix products.

    Plain log-sum-exp takes an exponential for each pair (i, j) and each column. Here the outputs
    are cut into tiles; a tile shares its exponentials, taken relative to its centre c, because

        (x_i - y_j)² = (c - y_j)² + [(x_i - y_j)² - (c - y_j)²]

    and the bracket, small within a tile, can be a factor in a constant matrix. Nothing is
    truncated: tiles are narrow enough for every factor to be representable.
    """

    def __init__(self, x, y, eps):
        self.size, self.y, self.eps = len(x), y, eps
        self.width = min(_tile_width(x, y, eps), max(1, KEPT // len(y)))
        index = torch.arange(-(-self.size // self.width) * self.width, device=x.device)
        self.tiles = x[index.clamp(max=self.size - 1)].reshape(-1, self.width)
        self.centre = (self.tiles.amin(1) + self.tiles.amax(1)) / 2
        small = self.tiles.numel() * len(y) <= KEPT
        self.kept = self._made(slice(None)) if small else None

    def _made(self, some):
        """Return reference (tiles, inputs, 1) and factor (tiles, width, inputs) of some tiles."""
        reference = ((self.centre[some, None] - self.y) ** 2 / self.eps)[:, :, None]
        squares = (self.tiles[some, :, None] - self.y).square_().div_(self.eps)
        return reference, squares.sub_(reference.mT).neg_().exp_()

    def held(self, columns):
        """Doubles of the largest array that a log-sum-exp of so many columns takes."""
        return len(self.tiles) * len(self.y) * max(self.width, columns)

    def sums(self, h):
        """Go through the tiles: their slice, factor, exponentials and what to add to a log."""
        tiles = len(self.tiles)
        for some in _parts(tiles, self.held(h.shape[1]) // tiles):
            if self.kept is None:
                reference, factor = self._made(some)
            else:
                reference, factor = (t[some] for t in self.kept)
            z = h - reference
            top = z.amax(1, keepdim=True)
            top = torch.where(top.isneginf(), 0.0, top)  # columns without mass
            yield some, factor, z.sub_(top).exp_(), top

    def untile(self, tiled):
        return torch.cat(tiled).flatten(0, 1)[: self.size]

    def logsumexp(self, h):
        """Map h (inputs, columns) to log Σ_j exp(h_j - (x_i - y_j)²/ε) (outputs, columns)."""
        return self.untile(
            [torch.bmm(factor, e).log_().add_(top) for _, factor, e, top in self.sums(h)]
        )

    def mean(self, h, weight, carried):
        """Mean of weight(x_i, y_j) + carried_j under the weights of the sum, and its logarithm."""
        means, logs = [], []
        for some, factor, e, top in self.sums(h):
            total = torch.bmm(factor, e)
            weights = weight(self.tiles[some, :, None], self.y)
            mean = torch.bmm(factor * weights, e) + torch.bmm(factor, e * carried)
            means.append(torch.where(total > 0, mean / total, 0.0))
            logs.append(total.log() + top)
        return self.untile(means), self.untile(logs)


def _parts(count, size):
    """Slices of ``count`` things of ``size`` doubles each, as many at a time as may be held."""
    step = max(1, KEPT // size)
    return [slice(start, start + step) for start in range(0, count, step)]


def _tile_width(x, y, eps):
    """Return the largest tile width (in outputs) whose factors can be represented."""
    x, low, high = x.cpu().numpy(), float(y[0]), float(y[-1])
    for count in range(1, len(x) + 1):
        width = -(-len(x) // count)
        start = x[::width]
        stop = np.append(start[1:], x[-1])  # at or beyond the last output of the tile
        reach = np.maximum(np.abs(stop - low), np.abs(high - start))
        reach = np.maximum(reach, np.maximum(np.abs(start - low), np.abs(high - stop)))
        if ((stop - start) * reach).max() <= TILE_EXPONENT * eps:
            break
    return width
