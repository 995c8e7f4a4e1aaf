"""The Gibbs kernel exp(-C/ε) of a separable squared ground cost, never formed over all pairs.

Masses are laid out as (bins, batch, frames), so that each axis is one matrix product for the
whole batch.
"""

from functools import cached_property

import torch

from sotlib.transport._sinkhorn.axes import LogAxis, PlainAxis
from sotlib.transport._sinkhorn.smooth import SmoothAxis


class GibbsKernel:
    """exp(-C/ε) from the bins of ``source`` to those of ``target``, both `Grid`.

    ``plain`` says that ε is large enough for the kernel and what it is multiplied with to be
    numbers.
    """

    def __init__(self, target, source, eps, *, plain):
        self.target, self.source, self.eps, self.plain = target, source, eps, plain

    def _axes(self, kind):
        frequency = kind(self.target.freqs, self.source.freqs, self.eps)
        return frequency, kind(self.target.stretched, self.source.stretched, self.eps)

    @cached_property
    def _numbers(self):
        """The kernel as numbers along frequency and along time, interpolated where that pays."""
        return self._axes(lambda *axis: SmoothAxis.of(*axis) or PlainAxis(*axis))

    @cached_property
    def axes(self):
        """The kernel in the log domain, along frequency and along time."""
        return self._axes(LogAxis)

    def matrices(self):
        """Return the two factors of the kernel itself, along frequency and along time."""
        frequency, time = self._axes(PlainAxis)
        return frequency.matrix(), time.matrix()

    def product(self, mass, out):
        """Return a function that writes the kernel times ``mass`` to ``out``, item by item."""
        frequency, time = self._numbers
        rows = mass.new_empty(*mass.shape[:2], out.shape[2])
        flat = mass.view(-1, mass.shape[2]).mT, rows.view(-1, rows.shape[2]).mT
        tall = rows.view(len(rows), -1), out.view(len(out), -1)

        def write():
            time.multiply(*flat)
            frequency.multiply(*tall)

        return write

    def logsumexp(self, h, axes=None):
        """Map h (bins', batch, frames') to log Σ_j exp(h_j - C_ij/ε) (bins, batch, frames).

        ``axes`` may stand for the kernel's own in the log domain.
        """
        if self.plain and any(isinstance(axis, SmoothAxis) for axis in self._numbers):
            spread = h.new_empty(len(self.target.freqs), h.shape[1], len(self.target.stretched))
            self.product(h.exp(), spread)()
            return spread.log_()
        frequency, time = axes or self.axes
        bins, batch, _ = h.shape
        columns = h.permute(2, 0, 1).reshape(-1, bins * batch)
        rows = time.logsumexp(columns).reshape(-1, bins, batch)
        rows = rows.permute(1, 2, 0).reshape(bins, -1)
        return frequency.logsumexp(rows).reshape(-1, batch, time.size)

    def mean(self, h, along_frequency, along_time):
        """Mean of the sum of two weights under softmax_j(h_j - C_ij/ε).

        ``along_frequency`` and ``along_time`` give the weight of places along that axis.
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
