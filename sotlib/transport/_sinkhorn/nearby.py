"""Log-sum-exps along one axis at values that change little from one call to the next.

Where ε is small an update takes several exponentials for each bin, while late updates move a
potential by a fraction of ε. So the exponentials at one potential are kept, and those at the next
are products of them with its change (absorption: Schmitzer, SIAM J. Sci. Comput. 41, 2019).
"""

import torch

from sotlib.transport._sinkhorn import axes

# Largest change that is absorbed: what is not lost in rounding beside the leading term is kept
# with so much to spare (see `axes.TILE_EXPONENT`).
NEAR = 5.0


class NearbyAxis:
    """A `LogAxis` for a sequence of values; on the CPU, as it looks at each of them.

    It keeps half of what `LogAxis` may hold within a product (32 MB) twice, or nothing.
    """

    def __init__(self, axis):
        self.axis, self.size, self.h = axis, axis.size, None
        self.e = self.changed = torch.empty(0)

    def logsumexp(self, h):
        """As `LogAxis.logsumexp`."""
        if h.device.type != "cpu" or 2 * self.axis.held(h.shape[1]) > axes.KEPT:
            return self.axis.logsumexp(h)
        if self.h is not None:
            change = torch.sub(h, self.h).nan_to_num_(nan=0.0)  # -inf, no mass, stays so
            if float(change.abs().max()) <= NEAR:
                return self._sum(torch.mul(self.e, change.exp_(), out=self.changed))
        self.h = h
        ((_, self.factor, self.e, self.top),) = self.axis.sums(h)
        self.changed = torch.empty_like(self.e)
        return self._sum(self.e)

    def _sum(self, e):
        return self.axis.untile([torch.bmm(self.factor, e).log_().add_(self.top)])
