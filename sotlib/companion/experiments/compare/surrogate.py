"""A surrogate of the sinusoid: powers of a complex number, whose angle is the frequency.

After Hayes, Saitis and Fazekas (2023): the real part of z**n takes the place of cos(w n), z moves
in the unit disk, and the frequency is its angle. Explained in chapter ``compare/recovery``.
"""

import math

import torch
from torch import Tensor

from sotlib.companion.experiments.compare.descent import Way
from sotlib.companion.experiments.compare.synthesisers import SAMPLES, Synthesiser, fade

MAGNITUDES = 0.1, 1.0  # of z at the start, drawn evenly, as by the authors


def powers(z: Tensor) -> Tensor:
    """Real parts of the powers 0, 1, 2, … of complex z (batch,), (batch, samples)."""
    return torch.exp(torch.arange(SAMPLES) * z.log()[:, None]).real


def magnitudes(sounds: Tensor) -> Tensor:
    """Orthonormal magnitude spectra, which no phase can change."""
    return torch.fft.rfft(sounds, norm="ortho").abs()


def compare(x: Tensor, y: Tensor) -> Tensor:
    """Mean square difference of the magnitude spectra."""
    return (magnitudes(x) - magnitudes(y)).square().mean(-1)


def disk(scaled: Tensor) -> Tensor:
    """Complex z, (batch,), of its two coordinates from 0 to 1, the first of (batch, 3)."""
    x, y = (2 * scaled[:, :2].double() - 1).unbind(-1)
    return torch.complex(x, y)


def _scaled(z: Tensor, level: Tensor) -> Tensor:
    columns = (z.real + 1) / 2, (z.imag + 1) / 2, level.double()
    return torch.stack(columns, -1).float()


def inside(scaled: Tensor) -> Tensor:
    """Bring z back to the disk and the level to its range."""
    z = disk(scaled)
    return _scaled(z / z.abs().clamp(min=1), scaled[:, 2].clamp(0, 1))


def _unit(slope: Tensor) -> Tensor:
    """Keep the direction only: near the circle the size grows by orders of magnitude."""
    return slope / slope.norm(dim=-1, keepdim=True)


def surrogate(
    synth: Synthesiser, truth: Tensor, phases: Tensor | float, *, normalise: bool = True
) -> Way:
    """Build the way of z and of the level, (batch, 3), to sinusoids of unknown phases.

    Without `normalise` the gradient in z keeps its size.
    """
    frequency, level = synth.parameters
    envelope = fade().double()

    def sound(scaled):
        place = scaled[:, :2]
        if normalise and place.requires_grad:
            place.register_hook(_unit)
        gain = 10 ** ((level.low + scaled[:, 2:].double() * (level.high - level.low)) / 20)
        return (gain * envelope * powers(disk(place))).float()

    def begin(start):
        """At the frequencies and levels of the other losses."""
        low, high = MAGNITUDES
        generator = torch.Generator().manual_seed(0)
        size = low + (high - low) * torch.rand(len(start), generator=generator)
        hertz = frequency.low * (frequency.high / frequency.low) ** start[:, 0].double()
        return _scaled(torch.polar(size.double(), 2 * math.pi * hertz / synth.rate), start[:, 1])

    def end(scaled):
        """Frequency, and the level of the sinusoid whose spectrum is nearest to the surrogate's."""
        angle = disk(scaled).angle().abs()
        hertz = (angle * synth.rate / (2 * math.pi)).clamp(min=frequency.low)
        pure = magnitudes(envelope * torch.cos(torch.arange(SAMPLES) * angle[:, None]))
        gain = (magnitudes(sound(scaled)) * pure).sum(-1) / pure.square().sum(-1)
        decibels = 20 * gain.clamp(min=1e-10).log10()
        columns = (
            (hertz / frequency.low).log() / math.log(frequency.high / frequency.low),
            (decibels - level.low) / (level.high - level.low),
        )
        return torch.stack(columns, -1).float().clamp(0, 1)

    return Way(compare, sound, synth(truth, phases), begin, end, inside)
