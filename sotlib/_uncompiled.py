"""Functions that torch should call as they are, and when they may read a gradient."""

import torch

# `torch.compiler.disable` loads the whole compiler when a function is defined; torch's own
# lazy form of it does so only where something is compiled.
uncompiled = getattr(torch, "_disable_dynamo", None) or torch.compiler.disable


def plain(grad: torch.Tensor) -> bool:
    """Whether a backward pass may read its numbers: it is neither differentiated nor batched."""
    functorch = torch._C._functorch
    batched = functorch.is_batchedtensor(grad) or functorch.is_legacy_batchedtensor(grad)
    return not (torch.is_grad_enabled() or batched)
