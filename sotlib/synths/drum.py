"""The rectangular drum: a membrane with stiffness and damping, synthesised mode by mode."""

import math
from typing import Literal, TypedDict

import torch

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.synths._drum_modes import (
    LOG10,
    PARAMETERS,
    checked_modes,
    modal_amplitudes,
    modal_decays,
    modal_frequencies,
    modal_rates,
    physical_parameters,
    without_nodes,
)

__all__ = [
    "LOG10",
    "PARAMETERS",
    "RectangularDrum",
    "modal_decays",
    "modal_frequencies",
    "rectangular_drum",
]

Rejection = Literal["mode", "grid"]
REJECTIONS = ("mode", "grid")


def rectangular_drum(
    theta: torch.Tensor,
    *,
    sample_rate: float = 22050,
    samples: int = 2**16,
    modes: tuple[int, int] = (10, 10),
    log10: bool = False,
    rejection: Rejection = "mode",
    normalize: bool = True,
) -> torch.Tensor:
    r"""Sound of a rectangular drum, by the functional transformation method.

    .. math:: x(t) = \sum_{m_1, m_2} \frac{h K_m^2}{\omega_m N} e^{-\sigma_m t} \sin(\omega_m t),
        \quad K_m = \sin(0.4 \pi m_1) \sin(0.4 \pi m_2), \quad N = \pi^2 \alpha / 4,

    divided by its peak. Differentiable in all five parameters, in reverse and in forward mode.
    Phases are computed in double precision, whatever the dtype of `theta`.

    Parameters
    ----------
    theta : Tensor (..., 5), float32 or float64
        Angular frequency omega of the fundamental in rad/s, above 0 and up to
        ``pi * sample_rate``; its decay time tau in seconds, above 0; frequency-dependent damping
        p, 0 or more; dispersion D, 0 or more; side ratio alpha, above 0. (``DRUM`` of
        `_drum_modes.py` has the exact limits: 1e-9 stands for above 0.)
    sample_rate : float, default 22050
        In Hz.
    samples : int, default 65536
        Length of the sound. Sample i is taken at ``i * samples / (samples - 1) / sample_rate``
        seconds: the authors' time axis includes its end point.
    modes : (int, int), default (10, 10)
        How many modes along each side.
    log10 : bool, default False
        Whether omega, p and D are given as log10, as in the published data set.
    rejection : {'mode', 'grid'}, default 'mode'
        What happens to modes at or above half the sample rate. 'mode' drops each of them.
        'grid' does as the authors' code: it drops whole rows and columns of the mode grid, by
        the largest count of such modes along each axis, and keeps an axis whole that would be
        left without modes. Either way the sound jumps where a mode crosses the limit.
    normalize : bool, default True
        Whether to divide by the peak. A silent sound stays silent.

    Returns
    -------
    Tensor (..., samples)
        In the dtype of `theta`.

    Raises
    ------
    ValueError
        Where a parameter is not finite or out of range; the message names it.
    TypeError
        Where `theta` is not a float32 or float64 tensor.

    Notes
    -----
    Han, Lostanlen and Lagrange, "Perceptual-Neural-Physical Sound Matching", ICASSP 2023.
    Explained in chapter ``pnp/drum``.

    Examples
    --------
    >>> theta = torch.tensor([[1000.0, 0.4, 0.02, 0.03, 0.6]])
    >>> sound = rectangular_drum(theta, samples=2**12)
    >>> sound.shape, sound.abs().max().item()
    (torch.Size([1, 4096]), 1.0)
    """
    settings = checked_settings(sample_rate, samples, modes, log10, rejection, normalize)
    sample_rate, samples = settings["sample_rate"], settings["samples"]
    physical = physical_parameters(theta, log10=log10, sample_rate=sample_rate)
    angular, decay = modal_rates(physical, modes)
    heard = _below_nyquist(angular, math.pi * sample_rate, rejection)
    amplitude = torch.where(heard, modal_amplitudes(angular, physical[-1]), 0.0)
    struck = (without_nodes(values) for values in (amplitude, angular, decay))
    with torch.autocast(theta.device.type, enabled=False):
        sound = _sum_of_modes(
            *struck,
            step=samples / max(samples - 1, 1) / sample_rate,
            samples=samples,
            dtype=theta.dtype,
        )
    return _normalize(sound) if normalize else sound


class DrumSettings(TypedDict, total=False):
    """Arguments of `rectangular_drum`."""

    sample_rate: float
    samples: int
    modes: tuple[int, int]
    log10: bool
    rejection: Rejection
    normalize: bool


class RectangularDrum(PrintedModule):
    """`rectangular_drum` as a module: ``(..., 5)`` to ``(..., samples)``.

    Parameters
    ----------
    sample_rate, samples, modes, log10, rejection, normalize
        As for `rectangular_drum`.

    Notes
    -----
    Explained in chapter ``pnp/drum``.

    Examples
    --------
    >>> drum = RectangularDrum(samples=1024, log10=True)
    >>> drum(torch.tensor([[3.0, 0.4, -2.0, -2.0, 0.6]])).shape
    torch.Size([1, 1024])
    """

    def __init__(
        self,
        *,
        sample_rate: float = 22050,
        samples: int = 2**16,
        modes: tuple[int, int] = (10, 10),
        log10: bool = False,
        rejection: Rejection = "mode",
        normalize: bool = True,
    ):
        super().__init__()
        self.settings = checked_settings(sample_rate, samples, modes, log10, rejection, normalize)

    def forward(self, theta: torch.Tensor) -> torch.Tensor:
        """Sound of each drum: ``(..., 5)`` to ``(..., samples)``."""
        return rectangular_drum(theta, **self.settings)


def checked_settings(sample_rate, samples, modes, log10, rejection, normalize) -> DrumSettings:
    """Arguments of `rectangular_drum`, or an error that names the wrong one."""
    return {
        "sample_rate": check.positive("sample_rate", sample_rate),
        "samples": check.count("samples", samples),
        "modes": checked_modes(modes),
        "log10": check.flag("log10", log10),
        "rejection": check.one_of("rejection", rejection, REJECTIONS),
        "normalize": check.flag("normalize", normalize),
    }


def _below_nyquist(angular: torch.Tensor, limit: float, rejection: str) -> torch.Tensor:
    below = angular.detach() < limit
    if rejection == "mode":
        return below
    rows = _rows_kept(~below)
    columns = _rows_kept(~below.transpose(-1, -2))
    return rows[..., :, None] & columns[..., None, :]


def _rows_kept(rejected: torch.Tensor) -> torch.Tensor:
    """Which rows the authors' rule keeps: as many as the column with most rejections leaves."""
    number = rejected.shape[-2]
    kept = number - rejected.sum(-2).amax(-1, keepdim=True)
    kept = torch.where(kept > 0, kept, number)
    return torch.arange(number, device=rejected.device) < kept


def _sum_of_modes(amplitude, angular, decay, *, step, samples, dtype) -> torch.Tensor:
    """Sum of the modes a e^{-σt} sin(ωt) at t = 0, step, 2 step, …; (..., modes) each.

    With t = block start + offset, e^{λt} is a product of two short tables, one over blocks and
    one over offsets, and the sum over modes is a product of two matrices.
    """
    block = 2 ** math.ceil(math.log2(samples) / 2)
    blocks = -(-samples // block)
    real, imaginary = _powers(angular, decay, block * step, blocks, amplitude[..., None, :], dtype)
    starts = torch.cat([imaginary, real], -1)
    real, imaginary = _powers(angular, decay, step, block, 1.0, dtype)
    offsets = torch.cat([real, imaginary], -1)
    return (starts @ offsets.transpose(-1, -2)).flatten(-2)[..., :samples]


def _powers(angular, decay, step, number, level, dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Real and imaginary part of a e^{λt} at t = 0, step, …; (..., number, modes) each.

    Again by blocks: few exponentials, in double precision, and their products in `dtype`.
    """
    fine = 2 ** math.ceil(math.log2(number) / 2)
    coarse = -(-number // fine)
    real_1, imaginary_1 = _exponentials(angular, decay, fine * step, coarse, level, dtype)
    real_2, imaginary_2 = _exponentials(angular, decay, step, fine, 1.0, dtype)
    real_1, imaginary_1 = real_1[..., :, None, :], imaginary_1[..., :, None, :]
    real_2, imaginary_2 = real_2[..., None, :, :], imaginary_2[..., None, :, :]
    real = real_1 * real_2 - imaginary_1 * imaginary_2
    imaginary = real_1 * imaginary_2 + imaginary_1 * real_2
    return tuple(part.flatten(-3, -2)[..., :number, :] for part in (real, imaginary))


def _exponentials(angular, decay, step, number, level, dtype):
    """The same, one by one."""
    times = step * torch.arange(number, dtype=torch.float64, device=angular.device)[:, None]
    exponent = decay[..., None, :] * times
    # What has faded by 190 dB (float64: 1500 dB) is zero. Otherwise products of four such
    # factors would reach subnormal numbers, which CPUs multiply many times slower.
    lasting = exponent < -0.25 * math.log(torch.finfo(dtype).tiny)
    envelope = torch.where(lasting, torch.exp(-exponent), 0.0) * level
    phase = angular[..., None, :] * times
    return (envelope * torch.cos(phase)).to(dtype), (envelope * torch.sin(phase)).to(dtype)


def _normalize(sound: torch.Tensor) -> torch.Tensor:
    peak = torch.maximum(sound.amax(-1, keepdim=True), -sound.amin(-1, keepdim=True))
    silent = peak < 1e8 * torch.finfo(sound.dtype).tiny
    return sound / torch.where(silent, 1.0, peak)
