"""What a computation holds at once."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LargestTensor(TorchDispatchMode):
    """Number of elements that the largest tensor holds of those that operations give."""

    elements = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            held = (
                result.untyped_storage().nbytes() // result.element_size()
            )  # a view holds nothing
            self.elements = max(self.elements, held)
        return result
