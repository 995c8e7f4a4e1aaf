"""Computations that must not be carried out in half precision."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

Method = TypeVar("Method", bound=Callable)


def full_precision(forward: Method) -> Method:
    """Switch autocast off while a method works on its first tensor.

    Filters, phases and cumulative sums lose their meaning in half precision; what comes in stays
    in its own precision.
    """

    @functools.wraps(forward)
    def wrapped(self, *arguments, **options):
        x: Any = next(iter((*arguments, *options.values())), None)
        computes = isinstance(x, torch.Tensor) and not x.is_meta
        with torch.autocast(x.device.type if computes else "cpu", enabled=False):
            return forward(self, *arguments, **options)

    return cast(Method, wrapped)
