"""Functions that torch should call as they are, and when they may read a gradient."""

import torch

# `torch.compiler.disable` loads the whole compiler when a function is defined; torch's own
# lazy form of it does so only where something is compiled.
uncompiled = getattr(torch, "_disable_dynamo", None) or torch.compiler.disable


def batched(tensor: torch.Tensor) -> bool:
    """Whether it stands for several, as under `torch.func.vmap`."""
    functorch = torch._C._functorch
    return functorch.is_batchedtensor(tensor) or functorch.is_legacy_batchedtensor(tensor)


def readable(grad: torch.Tensor) -> bool:
    """Whether a backward pass may read its numbers: it is neither differentiated nor batched."""
    return not (torch.is_grad_enabled() or batched(grad))
