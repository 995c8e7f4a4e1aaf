"""Functions that torch should call as they are, and when they may read a gradient."""

from collections.abc import Callable
from typing import TypeVar

import torch

Function = TypeVar("Function", bound=Callable)


def uncompiled(function: Function) -> Function:
    """Let `torch.compile` call a function as it is.

    The public `torch.compiler.disable` loads the whole compiler when a function is defined, which
    takes longer than all else in ``import sotlib``; torch's own lazy form of it when it is called.
    """
    return getattr(torch, "_disable_dynamo", torch.compiler.disable)(function)


@uncompiled  # the compiler cannot look into it, and would warn
def batched(tensor: torch.Tensor) -> bool:
    """Whether it stands for several, as under `torch.func.vmap`; nothing public says it."""
    functorch = torch._C._functorch
    while functorch.is_gradtrackingtensor(tensor):  # as where a gradient is taken within
        tensor = functorch.get_unwrapped(tensor)
    return functorch.is_batchedtensor(tensor) or functorch.is_legacy_batchedtensor(tensor)


def readable(grad: torch.Tensor) -> bool:
    """Whether a backward pass may read its numbers: it is neither differentiated nor batched."""
    return not (torch.is_grad_enabled() or batched(grad))


def first_derivative_only(name, *second):
    """Raise where a gradient that was computed by hand gets a gradient in turn."""
    if any(upstream is not None for upstream in second):
        raise RuntimeError(
            f"{name} has no second derivative: its gradient is computed by hand, and cannot be "
            "differentiated once more."
        )


def no_gradient_within(name, wanted):
    """Raise where forward mode meets a tensor that wants a gradient, too."""
    if wanted:
        raise RuntimeError(
            f"{name} has no second derivative, which forward mode of a tensor that requires a "
            "gradient may ask for. Detach it, or call it under torch.no_grad()."
        )
