"""What transport on a line or circle is given: masses and their positions, checked and sorted."""

import torch

from sotlib._core import check
from sotlib._core.autograd import batched


def prepared(x, y, u, v, names, period=0.0):
    """Check shapes; return masses of one leading shape and sorted positions of theirs or (n,).

    A `period` other than 0 brings positions into it.
    """
    x_name, y_name, u_name, v_name = names
    if v is None:
        v, v_name = u, f"{u_name} (also used for {y_name})"
    named = [(x_name, x), (y_name, y), (u_name, u), (v_name, v)]
    for name, tensor in named:
        check.floating(name, tensor)
        if tensor.ndim == 0:
            raise ValueError(f"{name} must have at least one dimension; got a scalar.")
        if tensor.numel() == 0:
            raise ValueError(f"{name} must not be empty; got shape {tuple(tensor.shape)}.")
    if x.dtype != y.dtype or x.device != y.device:
        raise ValueError(
            f"{x_name} and {y_name} must share dtype and device; got {x.dtype} on {x.device} and "
            f"{y.dtype} on {y.device}."
        )
    for name, positions in named[2:]:
        if positions.device != x.device:
            raise ValueError(
                f"{name} must lie on the device of the masses, {x.device}; got {positions.device}."
            )
    try:
        leading = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    except RuntimeError:
        raise ValueError(
            f"{x_name} and {y_name} must have the same leading dimensions; got shapes "
            f"{tuple(x.shape)} and {tuple(y.shape)}."
        ) from None
    x, y = x.expand(*leading, -1), y.expand(*leading, -1)
    x, u = _sort(x, u, x_name, u_name, period)
    y, v = _sort(y, v, y_name, v_name, period)
    return x, y, u, v


def _sort(masses, positions, masses_name, name, period):
    if positions.shape[-1] != masses.shape[-1]:
        raise ValueError(
            f"{name} must give one position for each of the {masses.shape[-1]} bins of "
            f"{masses_name}; got {positions.shape[-1]}."
        )
    try:
        full = positions.expand(masses.shape)
    except RuntimeError:
        raise ValueError(
            f"{name} must have shape ({masses.shape[-1]},) or that of {masses_name}, "
            f"{tuple(masses.shape)}; got {tuple(positions.shape)}."
        ) from None
    check.finite(name, positions)
    positions = positions if positions.ndim == 1 else full  # in their own precision
    if period:
        positions = positions.remainder(period)
    if batched(positions) or not check.looks() or (positions.diff(dim=-1) < 0).any():
        positions, order = positions.sort(dim=-1)
        masses = masses.gather(-1, order.expand(masses.shape))
    return masses, positions
