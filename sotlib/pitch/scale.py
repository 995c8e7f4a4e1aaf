"""Pitch as a position on a logarithmic frequency axis, and as the argmax of scores there."""

import math

import torch
from torch import Tensor

from sotlib._core import check


def soft_argmax(logits: Tensor, *, temperature: float = 0.1) -> Tensor:
    r"""Expected position of the largest logit: a differentiable argmax.

    .. math:: \sum_k \frac{k}{n - 1} \, \mathrm{softmax}(z / T)_k

    Parameters
    ----------
    logits : Tensor, shape (..., n)
        Scores, n at least 2.
    temperature : float, default 0.1
        The lower, the closer to the argmax.

    Returns
    -------
    Tensor, shape (...)
        Positions in [0, 1]; 0 is the first bin, 1 the last.

    Raises
    ------
    TypeError, ValueError
        If logits are not float32 or float64, if there are fewer than two bins, or the temperature
        is not positive.

    Notes
    -----
    Torres, Peeters and Richard (ICASSP 2024). Explained in chapter ``sot/autoencoder``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import soft_argmax
    >>> soft_argmax(torch.tensor([0.0, 0.0, 10.0, 0.0, 0.0]))
    tensor(0.5000)
    """
    check.finite("logits", check.floating("logits", logits))
    temperature = check.positive("temperature", temperature)
    if logits.ndim == 0 or logits.shape[-1] < 2:
        raise ValueError(f"logits must have at least two bins; got shape {tuple(logits.shape)}.")
    position = torch.linspace(0, 1, logits.shape[-1], dtype=logits.dtype, device=logits.device)
    with torch.autocast(logits.device.type, enabled=False):
        return torch.softmax(logits / temperature, dim=-1) @ position


def unit_to_hz(unit: Tensor, *, low: float, high: float) -> Tensor:
    r"""Frequency :math:`l (h / l)^u` of a position on a logarithmic axis.

    Parameters
    ----------
    unit : Tensor
        Positions; 0 is `low`, 1 is `high`.
    low, high : float
        Ends of the axis in Hz, ``0 < low < high``.

    Returns
    -------
    Tensor
        Frequencies in Hz.

    Raises
    ------
    TypeError, ValueError
        On numbers in place of a tensor, and if the ends are not positive or not in order.

    Notes
    -----
    Explained in chapter ``sot/autoencoder``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import hz_to_unit, unit_to_hz
    >>> unit_to_hz(torch.tensor([0.0, 0.5, 1.0]), low=100.0, high=400.0).round()
    tensor([100., 200., 400.])
    >>> hz_to_unit(torch.tensor([100.0, 200.0, 800.0]), low=100.0, high=400.0)
    tensor([0.0000, 0.5000, 1.5000])
    """
    span = _span(low, high)
    return float(low) * torch.exp(check.finite("unit", check.floating("unit", unit)) * span)


def hz_to_unit(frequency: Tensor, *, low: float, high: float) -> Tensor:
    """Position of a frequency on a logarithmic axis: the inverse of `unit_to_hz`.

    Parameters
    ----------
    frequency : Tensor
        In Hz, above 0 (0 gives minus infinity).
    low, high : float
        Ends of the axis in Hz.

    Returns
    -------
    Tensor
        Positions; outside of [0, 1] beyond the ends.

    Raises
    ------
    TypeError, ValueError
        On numbers in place of a tensor, and if the ends are not positive or not in order.

    Notes
    -----
    Explained in chapter ``sot/autoencoder``. For an example see `unit_to_hz`.
    """
    span = _span(low, high)
    check.finite("frequency", check.floating("frequency", frequency))
    if check.holds_anywhere(frequency.detach() < 0):
        raise ValueError(
            f"frequency must not be negative; its minimum is {frequency.min().item():.3g} Hz."
        )
    return torch.log(frequency / float(low)) / span


def _span(low, high):
    if not check.positive("low", low) < check.positive("high", high):
        raise ValueError(f"low must be below high; got {low!r} and {high!r}.")
    return math.log(high / low)
