"""Spectra as masses: representations of the caller's own, scaling, positions."""

import torch
from torch import Tensor

from sotlib._core import check
from sotlib.losses._signals import same_kind, signal_pair, widen
from sotlib.transforms.base import Transform
from sotlib.transport._plane import MASS_TOLERANCE


def sound_pair(transform: Transform | None, x, y):
    """Check what a transform is given, or representations without one; and the shape of sounds."""
    if transform is None:
        return *representation_pair(x, y), x.shape[:1]
    return *signal_pair(x, y), x.shape[:-1]


def representation_pair(x, y):
    """Check two batches (batch, bins, frames); return them in one floating dtype."""
    for name, tensor in (("x", x), ("y", y)):
        check.floating(name, tensor)
        if tensor.ndim != 3:
            raise ValueError(
                f"{name} must have shape (batch, bins, frames) with transform='identity'; got "
                f"{tuple(tensor.shape)}. Add missing dimensions with unsqueeze."
            )
        check.non_negative(name, tensor)
    if (x.shape[0], x.shape[2]) != (y.shape[0], y.shape[2]):
        raise ValueError(
            f"x and y must agree in batch and frames; got shapes {tuple(x.shape)} and "
            f"{tuple(y.shape)}."
        )
    return tuple(widen(t) for t in same_kind(x, y))


def mass_pair(x, y, normalize, balanced, eps):
    """Scale the masses along the last axis as `Wasserstein1DLoss` says."""
    mass_x = x.sum(-1, keepdim=True).clamp(min=eps)
    mass_y = y.sum(-1, keepdim=True).clamp(min=eps)
    if normalize:
        return x / mass_x, y / (mass_y if balanced else mass_x)
    return x, y * (mass_x / mass_y) if balanced else y


def even_where_silent(x, y):
    """Masses of one sum: what one lacks of the other's, because of silence, is spread evenly."""
    sums = [t.sum(-1, keepdim=True) for t in (x, y)]
    whole = torch.maximum(*sums)
    lacking = (whole - s for s in sums)
    return tuple(
        t + torch.where(lack > MASS_TOLERANCE * whole, lack / t.shape[-1], 0.0)
        for t, lack in zip((x, y), lacking, strict=True)
    )


def position_pair(x, y, x_positions, y_positions, known: Tensor | None):
    """Positions of the bins, the last axis of x and of y: those given, else those `known`."""
    if x_positions is None and known is None:
        raise ValueError(
            "x_positions is needed with transform='identity': a tensor of shape (bins,), for "
            "example torch.linspace(0, 1, bins)."
        )
    if y_positions is None and known is None and y.shape[-1] != x.shape[-1]:
        raise ValueError(
            f"y_positions is needed: x has {x.shape[-1]} bins and y has {y.shape[-1]}."
        )
    x_positions = known if x_positions is None else x_positions
    fallback = x_positions if known is None else known
    y_positions = fallback if y_positions is None else y_positions
    named = (("x_positions", x_positions), ("y_positions", y_positions))
    return tuple(check.tensor(name, positions).to(x.device) for name, positions in named)
