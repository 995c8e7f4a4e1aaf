"""Closed-form test signals: sinusoids and sums of harmonics."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sotlib._core import check


def sinusoid(
    frequency: float | Tensor,
    *,
    samples: int,
    sample_rate: float,
    amplitude: float | Tensor = 1.0,
    phase: float | Tensor = 0.0,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device | None = None,
) -> Tensor:
    r"""A sinusoid, or a batch of them: :math:`a \sin(2\pi f t + \varphi)`.

    Parameters
    ----------
    frequency : float or Tensor, shape (...)
        In Hz, between 0 and half the sample rate. Differentiable where it is a tensor.
    samples : int
        Length in samples.
    sample_rate : float
        In Hz.
    amplitude, phase : float or Tensor, default 1 and 0
        Peak amplitude, and phase at the first sample in radians; broadcastable with `frequency`.
    dtype : torch.dtype, default float32
        Of the result. The phase is always computed in double precision: in single precision its
        error grows along the signal (chapter ``sot/why`` shows what that does to a loss).
    device : torch.device, optional
        Default: that of `frequency`.

    Returns
    -------
    Tensor, shape (..., samples)
        The signal.

    Raises
    ------
    ValueError
        If a frequency lies outside 0 … `sample_rate` / 2 or an argument is not positive.

    Notes
    -----
    Explained in chapter ``sot/why``.

    Examples
    --------
    >>> from sotlib import sinusoid
    >>> sinusoid(1.0, samples=4, sample_rate=4).round(decimals=3) + 0.0
    tensor([ 0.,  1.,  0., -1.])
    """
    frequency = check.real_numbers("frequency", frequency, check.device("device", device))
    amplitude = check.real_numbers("amplitude", amplitude, frequency.device)
    phase = check.real_numbers("phase", phase, frequency.device)
    samples = check.count("samples", samples)
    sample_rate = check.positive("sample_rate", sample_rate)
    check.dtype("dtype", dtype, half=True)
    _check_frequency("frequency", frequency, sample_rate)
    _check_shapes(frequency=frequency, amplitude=amplitude, phase=phase)
    time = torch.arange(samples, dtype=torch.float64, device=frequency.device) / sample_rate
    angle = 2 * torch.pi * frequency[..., None] * time + phase[..., None]
    return (amplitude[..., None] * torch.sin(angle)).to(dtype)


def harmonic_signal(
    f0: float | Tensor,
    amplitudes: Sequence[float] | Tensor,
    *,
    samples: int,
    sample_rate: float,
    phases: float | Tensor = 0.0,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device | None = None,
) -> Tensor:
    r"""A sum of harmonics, :math:`\sum_k a_k \sin(2\pi k f_0 t + \varphi_k)`, or a batch of them.

    Parameters
    ----------
    f0 : float or Tensor, shape (...)
        Fundamental frequency in Hz. Differentiable where it is a tensor.
    amplitudes : sequence or Tensor, shape (..., harmonics)
        Peak amplitude of each harmonic, the fundamental first.
    samples : int
        Length in samples.
    sample_rate : float
        In Hz. Harmonics at or above half of it are silent.
    phases : float or Tensor, default 0
        Phases at the first sample in radians, broadcastable with `amplitudes`.
    dtype, device
        As for `sinusoid`; phases are computed in double precision.

    Returns
    -------
    Tensor, shape (..., samples)
        The signal, not normalised.

    Raises
    ------
    ValueError
        If `f0` lies outside 0 … `sample_rate` / 2, or `amplitudes` has no harmonic.

    Notes
    -----
    Explained in chapter ``sot/transport``.

    Examples
    --------
    >>> from sotlib import harmonic_signal
    >>> harmonic_signal(220.0, [1.0, 0.5], samples=16000, sample_rate=16000).shape
    torch.Size([16000])
    """
    f0 = check.real_numbers("f0", f0, check.device("device", device))
    amplitudes = check.real_numbers("amplitudes", amplitudes, f0.device)
    if amplitudes.ndim == 0 or amplitudes.shape[-1] == 0:
        raise ValueError(
            f"amplitudes must list at least one harmonic; got shape {tuple(amplitudes.shape)}."
        )
    sample_rate = check.positive("sample_rate", sample_rate)
    check.dtype("dtype", dtype, half=True)
    _check_frequency("f0", f0, sample_rate)
    phases = check.real_numbers("phases", phases, f0.device)
    _check_shapes(f0=f0[..., None], amplitudes=amplitudes, phases=phases)
    phases = phases.expand(torch.broadcast_shapes(phases.shape, amplitudes.shape))
    signal = f0.new_zeros(())
    for k in range(amplitudes.shape[-1]):  # one at a time: a batch of all harmonics is large
        frequency = (k + 1) * f0
        audible = frequency < sample_rate / 2
        signal = signal + sinusoid(
            torch.where(audible, frequency, 0.0),
            samples=samples,
            sample_rate=sample_rate,
            amplitude=amplitudes[..., k] * audible,
            phase=phases[..., k],
            dtype=torch.float64,
        )
    return signal.to(dtype)


def _check_frequency(name, frequency, sample_rate):
    if frequency.numel() == 0:
        raise ValueError(f"{name} must not be empty; got shape {tuple(frequency.shape)}.")
    low, high = torch.aminmax(frequency.detach())
    if not (low >= 0 and high <= sample_rate / 2):
        raise ValueError(
            f"{name} must lie between 0 and half the sample rate, {sample_rate / 2:g} Hz; got "
            f"values from {low.item():g} to {high.item():g}."
        )


def _check_shapes(**tensors):
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        torch.broadcast_shapes(*shapes.values())
    except RuntimeError:
        raise ValueError(
            f"{', '.join(shapes)} must have shapes that broadcast; got {shapes}."
        ) from None
