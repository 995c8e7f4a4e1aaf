"""Ways to combine two losses: a weighted sum, equal gradients, one after the other."""

from collections.abc import Callable

import torch
from torch import Tensor

Compare = Callable[[Tensor, Tensor], Tensor]
"""Sounds (batch, samples) and their targets to one value each, (batch,)."""
Build = Callable[[float, int], Compare]
"""Takes the sample rate in Hz and the length in samples."""


def weighted(first: Build, weight: float, second: Build) -> Build:
    """Build the sum of a loss and of a weight times another one."""

    def build(rate, samples):
        a, b = first(rate, samples), second(rate, samples)
        return lambda x, y: a(x, y) + weight * b(x, y)

    return build


def equal_gradients(*builds: Build) -> Build:
    """Build a sum whose terms pull at each sound with the same force, whatever their units.

    Each is divided by the norm of its gradient by the sound, a number that has no derivative.
    """

    def build(rate, samples):
        parts = [part(rate, samples) for part in builds]

        def compare(x, y):
            total, slope = x.new_zeros(len(x)), torch.zeros_like(x)
            for part in parts:
                with torch.enable_grad():
                    apart = x.detach().requires_grad_()
                    value = part(apart, y)
                    (gradient,) = torch.autograd.grad(value.sum(), apart)
                norm = gradient.norm(dim=-1).clamp(min=torch.finfo(x.dtype).tiny)
                total = total + value.detach() / norm
                slope = slope + gradient / norm[:, None]
            return total + ((x - x.detach()) * slope).sum(-1)

        return compare

    return build


class Schedule:
    """One loss, and from a step on another; whoever descends sets `step`.

    The second begins with an optimiser that remembers nothing, see chapter ``pnp/memory``.
    """

    def __init__(self, first: Compare, second: Compare, switch: int):
        self.first, self.second, self.switch, self.step = first, second, switch, 0

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Compare by the loss of this step."""
        return (self.first if self.step < self.switch else self.second)(x, y)


def scheduled(first: Build, second: Build, switch: int = 100) -> Build:
    """Build a `Schedule` of two losses."""
    return lambda rate, samples: Schedule(first(rate, samples), second(rate, samples), switch)
