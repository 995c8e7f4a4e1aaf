"""The arpeggio: an exponential chirp with amplitude modulation, under a Gaussian window."""

import math
from typing import TypedDict

import torch

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.synths._parameters import Parameters

ARPEGGIO = Parameters(
    names=("f0", "fm", "gamma"),
    units=("Hz", "Hz", "octaves/s"),
    ranges=((1e-9, 1e9), (1e-9, 1e9), (1e-9, 1e3)),
    log10=(True, True, True),
)
PARAMETERS, LOG10 = ARPEGGIO.names, ARPEGGIO.log10
DURATION = 0.2  # standard deviation of the window in seconds at one octave a second


def arpeggio(
    theta: torch.Tensor,
    *,
    sample_rate: float = 8192,
    samples: int = 2**15,
    log10: bool = False,
) -> torch.Tensor:
    r"""Sound of a chirp that rises through notes, the second synthesiser of the PNP papers.

    .. math:: x(t) = \gamma \sin\!\left(2\pi f_0 \frac{2^{\gamma t} - 1}{\gamma \ln 2}\right)
        \sin(2\pi f_m t)\, e^{-t^2 / 2 s^2}, \quad s = 0.2\,\mathrm{s} / \gamma,

    around t = 0, where its frequency is f0; the factor :math:`\gamma` is a constant for
    derivatives. Differentiable in all three parameters, in reverse and in forward mode. Phases are
    computed in double precision, whatever the dtype of `theta`.

    Parameters
    ----------
    theta : Tensor (..., 3), float32 or float64
        Carrier frequency f0 at t = 0 in Hz, above 0 and up to half the sample rate; modulation
        frequency fm in Hz, likewise; chirp rate gamma in octaves per second, above 0 and up to
        1000.
    sample_rate : float, default 8192
        In Hz.
    samples : int, default 32768
        Length of the sound. Sample i is taken at ``(i - samples // 2) / sample_rate`` seconds; the
        window is centred half a sample later, as in the authors' code.
    log10 : bool, default False
        Whether all three are given as log10.

    Returns
    -------
    Tensor (..., samples)
        In the dtype of `theta`. It is not divided by its peak, which lies a little below gamma.

    Raises
    ------
    ValueError
        Where a parameter is not finite or out of range; the message names it.
    TypeError
        Where `theta` is not a float32 or float64 tensor.

    Notes
    -----
    Han, Lostanlen and Lagrange, "Learning to Solve Inverse Problems for Perceptual Sound
    Matching", arXiv 2311.14213. Explained in chapter ``pnp/arpeggio``.

    Examples
    --------
    >>> sound = arpeggio(torch.tensor([[800.0, 8.0, 2.0]]), samples=2**13)
    >>> sound.shape, sound[0, 2**12].item()
    (torch.Size([1, 8192]), 0.0)
    """
    settings = checked_settings(sample_rate, samples, log10)
    sample_rate, samples = settings["sample_rate"], settings["samples"]
    half = sample_rate / 2, "half of sample_rate"
    columns = ARPEGGIO.physical(theta, log10=log10, limits={"f0": half, "fm": half})
    f0, fm, gamma = (column[..., None] for column in columns)
    index = torch.arange(samples, dtype=torch.float64, device=theta.device)
    exponent = ((index - (samples - 1) / 2) * gamma / (DURATION * sample_rate)) ** 2 / 2
    # Where the window has underflowed the chirp's phase may have overflowed.
    heard = exponent < -math.log(torch.finfo(torch.float64).tiny)
    time = torch.where(heard, (index - samples // 2) / sample_rate, 0.0)
    rate = gamma * math.log(2)
    chirp = torch.sin(2 * math.pi * f0 * torch.expm1(rate * time) / rate)
    beats = torch.sin(2 * math.pi * fm * time)
    window = torch.where(heard, torch.exp(-exponent), 0.0)
    return (gamma.detach() * chirp * beats * window).to(theta.dtype)


class ArpeggioSettings(TypedDict, total=False):
    """Arguments of `arpeggio`."""

    sample_rate: float
    samples: int
    log10: bool


class Arpeggio(PrintedModule):
    """`arpeggio` as a module: ``(..., 3)`` to ``(..., samples)``.

    Parameters
    ----------
    sample_rate, samples, log10
        As for `arpeggio`.

    Notes
    -----
    Explained in chapter ``pnp/arpeggio``.

    Examples
    --------
    >>> synth = Arpeggio(samples=1024, log10=True)
    >>> synth(torch.tensor([[2.9, 0.9, 0.3]])).shape
    torch.Size([1, 1024])
    """

    def __init__(self, *, sample_rate: float = 8192, samples: int = 2**15, log10: bool = False):
        super().__init__()
        self.settings = checked_settings(sample_rate, samples, log10)

    def forward(self, theta: torch.Tensor) -> torch.Tensor:
        """Sound of each arpeggio: ``(..., 3)`` to ``(..., samples)``."""
        return arpeggio(theta, **self.settings)


def checked_settings(sample_rate, samples, log10) -> ArpeggioSettings:
    """Arguments of `arpeggio`, or an error that names the wrong one."""
    return {
        "sample_rate": check.positive("sample_rate", sample_rate),
        "samples": check.count("samples", samples),
        "log10": check.flag("log10", log10),
    }
