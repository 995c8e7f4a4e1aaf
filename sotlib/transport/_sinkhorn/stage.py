"""Sinkhorn's alternating updates at one value of ε: of scalings or, where ε is small, in logs.

Potentials f and g are relative to the product a⊗b: the plan is a b exp((f + g - C)/ε). Masses and
potentials are laid out (bins, batch, frames), in double precision.
"""

import torch

from sotlib.transport._sinkhorn.nearby import NearbyAxis
from sotlib.transport._sinkhorn.relaxation import Relaxation

CHECK_EVERY = 10


class Stage:
    """Updates at one value of ε: first g from f, then f from g, as in POT."""

    def __init__(self, a, b, to_a, to_b, eps, *, share, tol, budget, over_relaxation):
        self.a, self.b, self.log_a, self.log_b = a, b, a.log(), b.log()
        self.to_a, self.to_b, self.eps, self.share = to_a, to_b, eps, share
        self.tol, self.budget, self.over_relaxation = tol, budget, over_relaxation

    def _log_scaling(self, f):
        """Return log u = log a + f/ε; all zero at the very start, as in POT."""
        return torch.zeros_like(self.a) if f is None else self.log_a + f / self.eps

    def plain(self, f, g):
        """Updates of the scalings u, v themselves: four small matrix products for the pair."""
        from sotlib.transport._sinkhorn import scalings  # compiled on first use

        u = self._log_scaling(f).exp()
        if self.share == 1 and scalings.fits(self.a, self.b):
            along_f, along_t = self.to_a.matrices()
            gathered, spread, steps = scalings.alternate(
                along_f, along_t, self.a, self.b, u,
                budget=self.budget, tol=self.tol, check_every=CHECK_EVERY,
            )  # fmt: skip
            return -self.eps * gathered.log(), -self.eps * spread.log(), steps
        v = torch.empty_like(self.b)
        spread, gathered = torch.empty_like(self.b), torch.empty_like(self.a)
        spread_u, gather_v = self.to_b.product(u, spread), self.to_a.product(v, gathered)
        for step in range(1, self.budget + 1):
            if step > 1 and self.share < 1:
                shift = self._shift(gathered.log(), spread.log()).exp()
                u.mul_(shift)
                v.div_(shift)
            spread_u()
            done = False
            if step > 1 and step % CHECK_EVERY == 1:
                new = self._scale(self.b, spread, torch.empty_like(v))
                done = float(l1((new - v) * spread).max()) <= self.tol
            self._scale(self.b, spread, v)
            gather_v()
            self._scale(self.a, gathered, u)
            if done:
                break
        scale = -self.share * self.eps
        return scale * gathered.log(), scale * spread.log(), step

    def _scale(self, mass, total, out):
        """Write the scaling mass / total**share to ``out``."""
        if self.share == 1:
            return torch.div(mass, total, out=out)
        return torch.pow(total, -self.share, out=out).mul_(mass)

    def logarithmic(self, f, g):
        """Updates of the potentials, over-relaxed by what their convergence so far suggests."""
        relaxation = Relaxation(self.a.shape[1], self.a.device, self.over_relaxation, CHECK_EVERY)
        near_a, near_b = ([NearbyAxis(x) for x in k.axes] for k in (self.to_a, self.to_b))
        scale = -self.share * self.eps
        for step in range(1, self.budget + 1):
            if step > 1 and self.share < 1:
                shift = self.eps * self._shift(f / scale, g / scale)
                f, g = f + shift, g - shift
            spread = self.to_b.logsumexp(self._log_scaling(f), near_b)
            new, done = scale * spread, False
            if step > 1 and step % CHECK_EVERY == 1:
                error = self._misfit(g, new, spread)
                done = float(error.max()) <= self.tol
                relaxation.update(error)
            g = new if step == 1 or done else relaxation.towards(g, new)
            new = scale * self.to_a.logsumexp(self.log_b + g / self.eps, near_a)
            # A full update before each check makes the marginal over a's grid exact.
            full = step == 1 or done or step % CHECK_EVERY == 0 or step == self.budget
            f = new if full else relaxation.towards(f, new)
            if done:
                break
        return f, g, step

    def _shift(self, log_gathered, log_spread):
        """Return what to add to f/ε and take from g/ε for the best relaxed marginals.

        The plan does not change; without this, both marginals approach each other by ε/ρ a step.
        """
        rest = 1 - self.share  # e^{-f/ρ} = gathered^rest
        mass_a = (self.a * (rest * log_gathered).exp()).sum((0, 2))
        mass_b = (self.b * (rest * log_spread).exp()).sum((0, 2))
        return self.share / (2 * rest) * (mass_a / mass_b).log()[:, None]

    def error(self, f, g):
        """L1 distance of the plan's marginal over b's grid from the one it should have."""
        spread = self.to_b.logsumexp(self._log_scaling(f))
        return self._misfit(g, -self.share * self.eps * spread, spread)

    def _misfit(self, g, new, spread):
        """Return the error above, where ``new`` is the potential that ``spread`` asks for."""
        scaling = self.log_b + spread
        return l1((scaling + g / self.eps).exp() - (scaling + new / self.eps).exp())


def l1(difference):
    """Sum of absolute values for each item of (bins, batch, frames)."""
    return difference.abs().sum((0, 2))
