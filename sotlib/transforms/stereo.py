"""Stereo signals as middle and side."""

import torch
from torch import Tensor

from sotlib._core import check


def mid_side(x: Tensor) -> Tensor:
    r"""Middle and side of stereo signals, (left + right) / √2 and (left - right) / √2.

    Any loss that takes channels then compares what is in the middle and what is at the sides:
    ``loss(mid_side(x), mid_side(y))``. It keeps the energy, and is its own inverse.

    Parameters
    ----------
    x : Tensor, shape (..., 2, samples)
        Left and right.

    Returns
    -------
    Tensor, shape (..., 2, samples)
        Middle and side.

    Raises
    ------
    TypeError, ValueError
        If `x` does not hold floating-point samples of two channels.

    Notes
    -----
    Explained in chapter ``sot/options``.

    Examples
    --------
    >>> mid_side(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).round(decimals=4)
    tensor([[ 1.4142,  0.7071],
            [ 0.0000, -0.7071]])
    """
    check.audio("x", x)
    if x.ndim < 2 or x.shape[-2] != 2:
        raise ValueError(
            f"x must have two channels, shape (..., 2, samples); got {tuple(x.shape)}."
        )
    left, right = x.unbind(-2)
    return torch.stack([left + right, left - right], dim=-2) / 2**0.5
