"""Arithmetic of complex values as pairs of real and imaginary parts."""

import torch
from torch import Tensor

Values = tuple[Tensor, Tensor]  # real and imaginary parts, each (batch, rows, time)


def dot(a: Values, b: Values) -> Tensor:
    return torch.addcmul(a[0] * b[0], a[1], b[1])


def modulus(values: Values) -> Tensor:
    return dot(values, values).sqrt_()


def inverse_modulus(values: Values) -> Tensor:
    """Reciprocal of the modulus; finite at 0, where it only ever multiplies 0."""
    return (dot(values, values) + torch.finfo(values[0].dtype).tiny).rsqrt()


def direction(values: Values) -> Values:
    """Values over their modulus, and 0 where that is 0, for derivatives of a derivative.

    Those of `inverse_modulus` would hold its third power, which single precision cannot.
    """
    along = torch.complex(*values).sgn()
    return along.real, along.imag
