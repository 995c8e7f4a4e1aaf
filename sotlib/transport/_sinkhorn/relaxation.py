"""Over-relaxation of Sinkhorn's updates, chosen from how their error decays."""

import torch

LARGEST = 1.95
RECOVERY = 0.05  # of the largest relaxation allowed, at each update


class Relaxation:
    """Young's choice of the over-relaxation ω, for each item, from the decay of its error.

    Near the solution the updates are a linear iteration whose error falls by ρ a step. Successive
    over-relaxation by ω of an iteration with rate θ has (ρ + ω - 1)² = ω² θ ρ, which gives θ, and
    the best ω is 2 / (1 + √(1 - θ)). An item whose error grows goes back to ω = 1.
    """

    def __init__(self, batch, device, allowed, every):
        self.weight = torch.ones(batch, 1, dtype=torch.float64, device=device)
        self.largest = torch.full_like(self.weight, LARGEST)
        self.previous, self.off, self.allowed, self.every = None, True, allowed, every

    def towards(self, old, new):
        """Go from ``old`` to ``new`` and, over-relaxed, beyond."""
        return new if self.off else torch.lerp(old, new, self.weight)

    def update(self, error):
        """Take the error after ``every`` more steps into account."""
        if not self.allowed:
            return
        error = error[:, None]
        if self.previous is not None:
            rate = (error / self.previous.clamp(min=1e-300)) ** (1 / self.every)
            weight, grows = self.weight, rate >= 1
            theta = ((rate + weight - 1) ** 2 / (weight**2 * rate)).clamp(0, 1)
            best = torch.minimum(2 / (1 + (1 - theta).sqrt()), self.largest)
            self.weight = torch.where(rate > weight - 1, best, weight)
            self.weight = torch.where(grows | ~rate.isfinite(), 1.0, self.weight)
            self.largest = torch.where(grows, (1 + self.largest) / 2, self.largest + RECOVERY)
            self.largest = self.largest.clamp(max=LARGEST)
            self.off = False
        self.previous = error
