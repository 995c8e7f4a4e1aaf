"""Random parts of a sum, one draw a call."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sotlib._core import check

Part = TypeVar("Part")


class Draws(nn.Module, Generic[Part]):
    """So many of the parts at each call, without repetition, and the weight that makes them whole.

    A draw depends on the seed and its number alone: the state is a number, the same on every
    device, and a copy goes on as the original does.
    """

    def __init__(self, name: str, count: int, parts: Sequence[Part], seed: int):
        super().__init__()
        self.count = check.count(name, count, most=len(parts))
        self.parts, self.seed, self.done = parts, check.seed("seed", seed), 0

    def forward(self) -> tuple[list[Part], float]:
        """Draw."""
        generator = np.random.default_rng((self.seed, self.done))
        self.done += 1
        drawn = generator.choice(len(self.parts), self.count, replace=False)
        return [self.parts[k] for k in drawn], len(self.parts) / self.count

    def get_extra_state(self) -> Tensor:
        """Return the number of draws so far, as a tensor."""
        return torch.tensor(self.done)

    def set_extra_state(self, state: Tensor) -> None:
        """Go on after so many draws."""
        self.done = int(state)
