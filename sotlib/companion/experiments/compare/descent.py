"""Gradient descent on many parameters side by side, each from its own start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sotlib.companion.experiments.compare.combinations import Compare, Schedule

AT_ONCE = 20  # sounds, for the memory of scattering
SLOWER = 50  # steps after which the rate is half of what it was


def unit_range(theta: Tensor) -> Tensor:
    """Bring back what has left the range from 0 to 1."""
    return theta.clamp(0, 1)


@dataclass(frozen=True)
class Way:
    """What descends to which targets; what descends may stand for the parameters."""

    compare: Compare
    sound: Callable[[Tensor], Tensor]
    target: Tensor
    """A row for each start."""
    begin: Callable[[Tensor], Tensor] = torch.clone
    """Parameters at the start, (batch, d), to what descends."""
    end: Callable[[Tensor], Tensor] = torch.clone
    """What has descended, back to parameters."""
    inside: Callable[[Tensor], Tensor] = unit_range
    """Bring back what has left its range."""


class Descent:
    """Adam on parameters from 0 to 1, by the gradients of a loss between sounds.

    Step k is taken at the rate / (1 + k / 50), which needs no end to be known beforehand, and what
    leaves the range is brought back to its border. Gradients that are not finite count as zero.

    Parameters
    ----------
    compare : callable
        Sounds and targets to one value each.
    sound : callable
        Parameters (batch, d) to sounds.
    target : Tensor, shape (batch, samples)
    start : Tensor, shape (batch, d)
    rates : Tensor, shape (batch,)
        One for each start.
    inside : callable
        Brings back what has left its range.

    Attributes
    ----------
    theta : Tensor, shape (batch, d)
    steps : int
    broken : int
        Gradients that were not finite.
    """

    def __init__(
        self,
        compare: Compare,
        sound: Callable[[Tensor], Tensor],
        target: Tensor,
        start: Tensor,
        rates: Tensor,
        inside: Callable[[Tensor], Tensor] = unit_range,
    ):
        self.compare, self.sound, self.target = compare, sound, target
        self.inside = inside
        self.rates = rates[:, None]
        self.theta = start.clone()
        self.mean, self.square = torch.zeros_like(start), torch.zeros_like(start)
        self.steps, self.broken = 0, 0
        self.fresh = 0  # step since which the optimiser remembers

    def step(self) -> None:
        """Take one step."""
        if isinstance(self.compare, Schedule):
            self.compare.step = self.steps
            if self.steps == self.compare.switch:
                self.mean, self.square = self.mean * 0, self.square * 0
                self.fresh = self.steps
        slope = self._slope()
        fine = slope.isfinite()
        self.broken += int((~fine).any(-1).sum())
        slope = torch.where(fine, slope, 0.0)
        self.steps += 1
        self.mean.lerp_(slope, 0.1)
        self.square.lerp_(slope.square(), 0.001)
        since = self.steps - self.fresh
        mean = self.mean / (1 - 0.9**since)
        root = (self.square / (1 - 0.999**since)).sqrt()
        rate = self.rates / (1 + (self.steps - 1) / SLOWER)
        # No constant decides which losses move: it is far below all gradients.
        self.theta = self.inside(self.theta - rate * mean / (root + 1e-20))

    def _slope(self) -> Tensor:
        theta = self.theta.requires_grad_()
        sounds = self.sound(theta)
        wave = sounds.detach().requires_grad_()
        for some in torch.arange(len(wave)).split(AT_ONCE):
            self.compare(wave[some], self.target[some]).sum().backward()
        (slope,) = torch.autograd.grad(sounds, theta, wave.grad)
        self.theta = theta.detach()
        return slope

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and numbers from which `resume` goes on."""
        tensors = {"theta": self.theta, "mean": self.mean, "square": self.square}
        if isinstance(self.compare, nn.Module):  # random paths count their draws
            drawn = self.compare.state_dict().items()
            tensors |= {k: v for k, v in drawn if k.endswith("_extra_state")}
        names = "steps", "broken", "fresh"
        return tensors, {name: getattr(self, name) for name in names}

    def resume(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.theta, self.mean, self.square = (tensors[k] for k in ("theta", "mean", "square"))
        for name in ("steps", "broken", "fresh"):
            setattr(self, name, numbers[name])
        if isinstance(self.compare, nn.Module):
            drawn = {k: v for k, v in tensors.items() if k.endswith("_extra_state")}
            self.compare.load_state_dict(drawn, strict=False)


def choose(rates: Sequence[float], tried: Tensor, errors: Tensor, near: Tensor) -> float:
    """The rate with which most starts come near enough; among equals, that of the least error.

    Parameters
    ----------
    rates : sequence of float
    tried : Tensor, shape (starts,)
        Number of the rate of each start.
    errors, near : Tensor, shape (starts,)
        Mean error of the parameters, and whether all are near enough.

    Examples
    --------
    >>> tried = torch.tensor([0, 0, 1, 1])
    >>> near = torch.tensor([True, False, True, False])
    >>> choose((0.01, 0.1), tried, torch.tensor([0.0, 0.5, 0.0, 0.2]), near)
    0.1
    """
    score = [
        (-near[tried == k].float().mean().item(), errors[tried == k].mean().item())
        for k in range(len(rates))
    ]
    return rates[score.index(min(score))]
