"""Computations that must not be carried out in half precision."""

import functools
from collections.abc import Callable
from typing import TypeVar, cast

import torch

Method = TypeVar("Method", bound=Callable)


def full_precision(forward: Method) -> Method:
    """Switch autocast off while a method works on its first tensor.

    Filters, phases and cumulative sums lose their meaning in half precision; what comes in stays
    in its own precision.
    """

    @functools.wraps(forward)
    def wrapped(self, x, *arguments, **options):
        device = x.device.type if isinstance(x, torch.Tensor) else "cpu"
        with torch.autocast(device, enabled=False):
            return forward(self, x, *arguments, **options)

    return cast(Method, wrapped)
