"""The Gibbs kernel exp(-C/ε) of a separable squared ground cost, never formed over all pairs.

Masses are laid out as (bins, batch, frames), so that each axis is one matrix product for the
whole batch.
"""

from functools import cached_property

import numpy as np
import torch

from sotlib.transport._plane import ground_cost_parts

# Largest exponent that may appear inside a tile. The leading term of a log-sum-exp lies within
# twice this of the tile's reference, so it and all that is not lost in rounding beside it (e^-37)
# stay above the smallest normal double, e^-708.
TILE_EXPONENT = 330.0


class LogAxis:
    """Log-sum-exp against exp(-(x_i - y_j)²/ε) along one axis, by matrix products.

    Plain log-sum-exp takes an exponential for each pair (i, j) and each column. Here the outputs
    are cut into tiles; a tile shares its exponentials, taken relative to its centre c, because

        (x_i - y_j)² = (c - y_j)² + [(x_i - y_j)² - (c - y_j)²]

    and the bracket, small within a tile, can be a factor in a constant matrix. Nothing is
    truncated: tiles are narrow enough for every factor to be representable.
    """

    def __init__(self, x, y, eps):
        self.size = len(x)
        width = _tile_width(x, y, eps)
        index = torch.arange(-(-self.size // width) * width, device=x.device)
        tiles = x[index.clamp(max=self.size - 1)].reshape(-1, width)
        centre = (tiles.amin(1) + tiles.amax(1)) / 2
        self.reference = ((centre[:, None] - y) ** 2 / eps)[:, :, None]
        self.factor = torch.exp(
            self.reference.mT - (tiles[:, :, None] - y) ** 2 / eps
        )  # (tiles, width, inputs)

    def _exponentials(self, h):
        z = h - self.reference
        top = z.amax(1, keepdim=True)
        top = torch.where(top.isneginf(), 0.0, top)  # columns without mass
        return z.sub_(top).exp_(), top

    def _untile(self, tiled):
        return tiled.reshape(-1, tiled.shape[-1])[: self.size]

    def logsumexp(self, h):
        """Map h (inputs, columns) to log Σ_j exp(h_j - (x_i - y_j)²/ε) (outputs, columns)."""
        e, top = self._exponentials(h)
        return self._untile(torch.bmm(self.factor, e).log_().add_(top))

    def mean(self, h, weight, carried):
        """Mean of weight_ij + carried_j under the weights of the sum above, and its logarithm."""
        e, top = self._exponentials(h)
        total = torch.bmm(self.factor, e)
        padding = self.factor.shape[0] * self.factor.shape[1] - self.size
        weight = torch.cat([weight, weight[-1:].expand(padding, -1)]).reshape(self.factor.shape)
        mean = torch.bmm(self.factor * weight, e) + torch.bmm(self.factor, e * carried)
        mean = torch.where(total > 0, mean / total, 0.0)
        return self._untile(mean), self._untile(total.log() + top)


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


class GibbsKernel:
    """exp(-C/ε) from the bins of ``source`` to those of ``target``, both `Grid`."""

    def __init__(self, target, source, eps):
        self.target, self.source, self.eps = target, source, eps

    @cached_property
    def axes(self):
        """The kernel in the log domain, along frequency and along time."""
        frequency = LogAxis(self.target.freqs, self.source.freqs, self.eps)
        return frequency, LogAxis(self.target.stretched, self.source.stretched, self.eps)

    def matrices(self):
        """Return the two factors of the kernel itself, which underflow where ε is small."""
        frequency, time = ground_cost_parts(self.target, self.source)
        return torch.exp(-frequency / self.eps), torch.exp(-time / self.eps)

    def logsumexp(self, h):
        """Map h (bins', batch, frames') to log Σ_j exp(h_j - C_ij/ε) (bins, batch, frames)."""
        frequency, time = self.axes
        bins, batch, _ = h.shape
        columns = h.permute(2, 0, 1).reshape(-1, bins * batch)
        rows = time.logsumexp(columns).reshape(-1, bins, batch)
        rows = rows.permute(1, 2, 0).reshape(bins, -1)
        return frequency.logsumexp(rows).reshape(-1, batch, time.size)

    def mean(self, h, along_frequency, along_time):
        """Mean of the sum of two weights under softmax_j(h_j - C_ij/ε).

        ``along_frequency`` (bins, bins') and ``along_time`` (frames, frames') hold the weights of
        a pair along each axis.
        """
        frequency, time = self.axes
        bins, batch, _ = h.shape
        columns = h.permute(2, 0, 1).reshape(-1, bins * batch)
        mean, rows = time.mean(columns, along_time, torch.zeros_like(columns))
        mean, rows = (
            t.reshape(-1, bins, batch).permute(1, 2, 0).reshape(bins, -1) for t in (mean, rows)
        )
        mean, _ = frequency.mean(rows, along_frequency, mean)
        return mean.reshape(-1, batch, time.size)
