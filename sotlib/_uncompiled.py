"""Functions that `torch.compile` should call as they are."""

import torch

# `torch.compiler.disable` loads the whole compiler when a function is defined; torch's own
# lazy form of it does so only where something is compiled.
uncompiled = getattr(torch, "_disable_dynamo", None) or torch.compiler.disable
