"""Sinkhorn's alternating updates for masses on time-frequency grids.

Potentials f and g are relative to the product a⊗b: the plan is a b exp((f + g - C)/ε). Masses and
potentials are laid out (bins, batch, frames), in double precision.
"""

import math
from dataclasses import dataclass

import torch

from sotlib._gibbs import GibbsKernel
from sotlib._plane import largest_cost

# From this fraction of the largest cost upwards ε is large enough for scalings and kernel to be
# plain numbers: |log u|, |log K| and their sums stay below 2 / 0.005 + log N < 708.
PLAIN_EPSILON = 5e-3
STAGE_RATIO = 4.0  # of successive ε while it is lowered
STAGE_TOLERANCE = 1e-3
CHECK_EVERY = 10
LARGEST_RELAXATION = 1.95
RECOVERY = 0.05  # of the largest relaxation allowed, at each check


@dataclass(frozen=True)
class Settings:
    """What a caller can set; see `sinkhorn_grid`. ``penalty`` is relative, like ``epsilon``."""

    epsilon: float
    max_iter: int
    tol: float
    epsilon_scaling: bool
    over_relaxation: bool
    penalty: float | None


@dataclass
class Solution:
    """Potentials, and the kernels that spread b over a's grid and a over b's."""

    f: torch.Tensor
    g: torch.Tensor
    eps: float
    penalty: float
    error: torch.Tensor
    n_iter: int
    to_a: GibbsKernel
    to_b: GibbsKernel


def stages(settings):
    """Return the values of ε (as fractions) to go through: at most ×4 apart, the last as asked."""
    values = [settings.epsilon]
    while settings.epsilon_scaling and values[0] < PLAIN_EPSILON:
        values.insert(0, values[0] * STAGE_RATIO)
    return values


def solve(a, b, grid_a, grid_b, settings):
    """Minimise ⟨C, P⟩ + ε KL(P | a⊗b) under equal (or, with a penalty, near) marginals."""
    unit = largest_cost(grid_a, grid_b)
    penalty = math.inf if settings.penalty is None else settings.penalty * unit
    f = g = None
    n_iter = 0
    schedule = stages(settings)
    for fraction in schedule:
        last = fraction == schedule[-1]
        left = settings.max_iter - n_iter
        budget = left if last else min(max(1, settings.max_iter // 8), left - 1)
        if budget < 1:
            continue
        eps = fraction * unit
        to_a, to_b = GibbsKernel(grid_a, grid_b, eps), GibbsKernel(grid_b, grid_a, eps)
        stage = _Stage(
            a, b, to_a, to_b, eps,
            share=1.0 if math.isinf(penalty) else penalty / (penalty + eps),
            tol=settings.tol if last else max(settings.tol, STAGE_TOLERANCE),
            budget=budget,
            over_relaxation=settings.over_relaxation,
        )  # fmt: skip
        plain = fraction >= PLAIN_EPSILON and 2 / fraction + _offset(a, b, penalty, eps) < 600
        advance = stage.plain if plain else stage.logarithmic
        f, g, steps = advance(f, g)
        n_iter += steps
    error = stage.error(f, g)
    return Solution(f, g, eps, penalty, error, n_iter, to_a, to_b)


def _offset(a, b, penalty, eps):
    """Largest constant in |log u|: relaxed marginals of unequal masses meet half-way."""
    if math.isinf(penalty):
        return 0.0
    ratio = (a.sum((0, 2)) / b.sum((0, 2))).log().abs().max()
    return penalty / eps * float(ratio) / 2


class _Stage:
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
        along_f, along_t = self.to_a.matrices()
        u = self._log_scaling(f).exp()
        v = torch.empty_like(self.b)
        spread, gathered = torch.empty_like(self.b), torch.empty_like(self.a)
        spread_u = _in_place(along_f.mT.contiguous(), u, along_t, spread)
        gather_v = _in_place(along_f, v, along_t.mT.contiguous(), gathered)
        for step in range(1, self.budget + 1):
            if step > 1 and self.share < 1:
                shift = self._shift(gathered.log(), spread.log()).exp()
                u.mul_(shift)
                v.div_(shift)
            spread_u()
            done = False
            if step > 1 and step % CHECK_EVERY == 1:
                new = self._scale(self.b, spread, torch.empty_like(v))
                done = float(_l1((new - v) * spread).max()) <= self.tol
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
        relaxation = _Relaxation(self.a.shape[1], self.a.device, self.over_relaxation)
        scale = -self.share * self.eps
        for step in range(1, self.budget + 1):
            if step > 1 and self.share < 1:
                shift = self.eps * self._shift(f / scale, g / scale)
                f, g = f + shift, g - shift
            spread = self.to_b.logsumexp(self._log_scaling(f))
            new, done = scale * spread, False
            if step > 1 and step % CHECK_EVERY == 1:
                error = self._misfit(g, new, spread)
                done = float(error.max()) <= self.tol
                relaxation.update(error)
            g = new if step == 1 or done else relaxation.towards(g, new)
            new = scale * self.to_a.logsumexp(self.log_b + g / self.eps)
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
        return _l1((scaling + g / self.eps).exp() - (scaling + new / self.eps).exp())


class _Relaxation:
    """Young's choice of the over-relaxation ω, for each item, from the decay of its error.

    Near the solution the updates are a linear iteration whose error falls by ρ a step. Successive
    over-relaxation by ω of an iteration with rate θ has (ρ + ω - 1)² = ω² θ ρ, which gives θ, and
    the best ω is 2 / (1 + √(1 - θ)). An item whose error grows goes back to ω = 1.
    """

    def __init__(self, batch, device, allowed):
        self.weight = torch.ones(batch, 1, dtype=torch.float64, device=device)
        self.largest = torch.full_like(self.weight, LARGEST_RELAXATION)
        self.previous, self.off, self.allowed = None, True, allowed

    def towards(self, old, new):
        """Go from ``old`` to ``new`` and, over-relaxed, beyond."""
        return new if self.off else torch.lerp(old, new, self.weight)

    def update(self, error):
        """Take the error after another CHECK_EVERY steps into account."""
        if not self.allowed:
            return
        error = error[:, None]
        if self.previous is not None:
            rate = (error / self.previous.clamp(min=1e-300)) ** (1 / CHECK_EVERY)
            weight, grows = self.weight, rate >= 1
            theta = ((rate + weight - 1) ** 2 / (weight**2 * rate)).clamp(0, 1)
            best = torch.minimum(2 / (1 + (1 - theta).sqrt()), self.largest)
            self.weight = torch.where(rate > weight - 1, best, weight)
            self.weight = torch.where(grows | ~rate.isfinite(), 1.0, self.weight)
            self.largest = torch.where(grows, (1 + self.largest) / 2, self.largest + RECOVERY)
            self.largest = self.largest.clamp(max=LARGEST_RELAXATION)
            self.off = False
        self.previous = error


def _in_place(frequency, mass, time, out):
    """Return a function that writes frequency @ mass @ time, item by item, to ``out``."""
    rows = mass.new_empty(mass.shape[0], mass.shape[1], time.shape[1])
    flat = mass.view(-1, mass.shape[2]), rows.view(-1, rows.shape[2])
    tall = rows.view(len(rows), -1), out.view(len(out), -1)

    def product():
        torch.mm(flat[0], time, out=flat[1])
        torch.mm(frequency, tall[0], out=tall[1])

    return product


def _l1(difference):
    """Sum of absolute values for each item of (bins, batch, frames)."""
    return difference.abs().sum((0, 2))


def solve_self(a, grid, settings, unit):
    """Transport of a onto itself, whose two potentials are one: averaged updates of it.

    ``unit`` is the ground cost that ε is a fraction of. Returns two potentials (one the update of
    the other, so that a marginal is exact), the error and the number of updates.
    """
    eps = settings.epsilon * unit
    penalty = math.inf if settings.penalty is None else settings.penalty * unit
    share = 1.0 if math.isinf(penalty) else penalty / (penalty + eps)
    kernel = GibbsKernel(grid, grid, eps)
    log_a, f = a.log(), torch.zeros_like(a)
    for n_iter in range(1, settings.max_iter + 1):
        spread = kernel.logsumexp(log_a + f / eps)
        new = -share * eps * spread
        scaling = log_a + spread
        error = _l1((scaling + f / eps).exp() - (scaling + new / eps).exp())
        if n_iter == settings.max_iter or float(error.max()) <= settings.tol:
            return new, f, error, n_iter
        f = (f + new) / 2
