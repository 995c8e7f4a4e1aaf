"""The ways in which two sounds can differ: one table, a line and a small function a difference.

A function takes values of the parameter (batch,), four numbers from 0 to 1 for each pair of sounds
that both share, (batch, 4), and a generator for what each has of its own; it returns sounds
(batch, samples) that are differentiable in the values. All else is equal, phases too, unless the
name of the difference says otherwise. Sounds have room to end in: struck notes begin late and die
away, all others are faded in and out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sotlib.synths import HarmonicSynth, harmonic_signal, sinusoid

RATE, SAMPLES = 8000, 8192
TONE: dict[str, Any] = {"samples": SAMPLES, "sample_rate": RATE}
FADE = 1600  # samples, at either end
HARMONICS = torch.arange(1, 9, dtype=torch.float64)


@dataclass(frozen=True)
class Difference:
    """One way to differ."""

    unit: str
    low: float
    high: float
    """Both values lie between these."""
    least: float
    most: float
    """Sizes of the difference, least to most in equal steps of the logarithm."""
    sound: Callable[[Tensor, Tensor, torch.Generator], Tensor]
    offset: float = 0.0
    """The difference is this, and the size on either side of it."""
    faded: bool = True
    """Fade the sounds in and out, so that nothing of them is cut off."""


def _f0(common: Tensor) -> Tensor:
    """110 to 330 Hz."""
    return 110.0 * 3.0 ** common[:, 0]


def _phases(common: Tensor) -> Tensor:
    """Of eight harmonics, scattered over the circle from two numbers."""
    turns = common[:, 1:2] * HARMONICS + common[:, 2:3] * HARMONICS.square()
    return 2 * math.pi * turns


def _tone(f0, amplitudes, phases) -> Tensor:
    """Harmonics at half of full scale together, at most."""
    return harmonic_signal(f0, amplitudes / 4, phases=phases, **TONE)


def _falling(common: Tensor) -> Tensor:
    return (1 / HARMONICS).expand(len(common), -1)


def _time() -> Tensor:
    return torch.arange(SAMPLES, dtype=torch.float64) / RATE


def _plain(common: Tensor) -> Tensor:
    return _tone(_f0(common), _falling(common), _phases(common))


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def _pitch_of_a_sinusoid(semitones, common, own):
    phase = 2 * math.pi * common[:, 1]
    return sinusoid(110.0 * 2 ** (semitones / 12), amplitude=0.5, phase=phase, **TONE)


def _pitch(semitones, common, own):
    return _tone(110.0 * 2 ** (semitones / 12), _falling(common), _phases(common))


def _pitch_and_timbre(semitones, common, own):
    amplitudes = _falling(common) * _uniform(own, len(common), 8)
    phases = 2 * math.pi * _uniform(own, len(common), 8)
    return _tone(110.0 * 2 ** (semitones / 12), amplitudes, phases)


def _number(count, common, own):
    """The last harmonic is faded in."""
    amplitudes = (count[:, None] - HARMONICS + 1).clamp(0, 1) / HARMONICS
    return _tone(_f0(common), amplitudes, _phases(common))


def _gain(decibels: Tensor) -> Tensor:
    return 10 ** (decibels[:, None] / 20)


def _loudness(decibels, common, own):
    return (_gain(decibels) * _plain(common)).float()


def _loudness_and_phases(decibels, common, own):
    phases = 2 * math.pi * _uniform(own, len(common), 8)
    return (_gain(decibels) * _tone(_f0(common), _falling(common), phases)).float()


def _struck(onset, common, decay) -> Tensor:
    """A note that begins at a time, rises within some milliseconds, and decays; times in s."""
    since = _time() - onset[:, None]
    envelope = torch.sigmoid(since / 0.002) * torch.exp(-since.clamp(min=0) / decay)
    f0 = _f0(common)
    phases = _phases(common) - 2 * math.pi * HARMONICS * (f0 * onset)[:, None]
    return (envelope * _tone(f0, _falling(common), phases)).float()


def _shift(milliseconds, common, own):
    return _struck(milliseconds / 1000, common, 0.1)


def _decay(octaves, common, own):
    decay = 0.02 * 2 ** octaves[:, None]
    return _struck(torch.full_like(octaves, 0.05), common, decay)


def _brightness(slope, common, own):
    amplitudes = _gain(slope) ** HARMONICS.log2()
    return _tone(_f0(common), amplitudes, _phases(common))


def _vibrato(cents, common, own):
    """Six cycles a second."""
    frames = 128
    time = (torch.arange(frames) + 0.5) * SAMPLES / frames / RATE
    wave = torch.sin(2 * math.pi * (6 * time + common[:, 1:2]))
    f0 = _f0(common)[:, None] * 2 ** (cents[:, None] / 1200 * wave)
    amplitudes = (_falling(common) / 4).float()[:, None].expand(-1, frames, -1)
    return HarmonicSynth(first_phase=0, **TONE)(f0, amplitudes)


def _modulation(octaves, common, own):
    """Louder and softer, 2 Hz times 2 to the octaves."""
    wave = torch.sin(2 * math.pi * 2 ** (octaves[:, None] + 1) * _time())
    return ((1 + 0.8 * wave) / 2 * _plain(common)).float()


def _noise(decibels, common, own):
    noise = torch.randn(len(common), SAMPLES, generator=own, dtype=torch.float64)
    return (_plain(common) + 0.3 * _gain(decibels) * noise).float()


DIFFERENCES = {
    "pitch of a sinusoid": Difference("semitones", 0, 48, 0.05, 24, _pitch_of_a_sinusoid),
    "pitch of a sinusoid cut off": Difference(
        "semitones", 0, 48, 0.05, 24, _pitch_of_a_sinusoid, faded=False
    ),
    "pitch of a harmonic sound": Difference("semitones", 0, 24, 0.05, 18, _pitch),
    "pitch, with another timbre": Difference("semitones", 0, 24, 0.05, 18, _pitch_and_timbre),
    "around an octave": Difference("semitones", 0, 24, 0.05, 6, _pitch, offset=12),
    "number of harmonics": Difference("harmonics", 1, 8, 0.05, 6, _number),
    "loudness": Difference("dB", -40, 0, 0.1, 30, _loudness),
    "loudness, with other phases": Difference("dB", -40, 0, 0.1, 30, _loudness_and_phases),
    "time shift": Difference("ms", 50, 850, 0.1, 500, _shift, faded=False),
    "decay": Difference("octaves", 0, 5, 0.05, 4, _decay, faded=False),
    "brightness": Difference("dB per octave", -24, 0, 0.1, 18, _brightness),
    "vibrato": Difference("cents", 0, 200, 1, 150, _vibrato),
    "modulation rate": Difference("octaves", 0, 3, 0.02, 2, _modulation),
    "noise level": Difference("dB", -40, 0, 0.5, 30, _noise),
}


def sizes(difference: Difference, count: int) -> list[float]:
    """So many sizes, in the difference's unit."""
    steps = torch.linspace(0, 1, count, dtype=torch.float64)
    return (difference.least * (difference.most / difference.least) ** steps).tolist()


def pairs(
    difference: Difference, size: float, count: int, seed: int
) -> tuple[Tensor, Tensor, Callable[[Tensor, int], Tensor]]:
    """Values that differ by a size, each (count,), and the function that makes sounds of them.

    Which of both is larger is drawn. The function takes values and 0 for the first sound, or 1 for
    the second.

    Examples
    --------
    >>> shift = DIFFERENCES["time shift"]
    >>> value, target, sound = pairs(shift, 20.0, 4, seed=0)
    >>> (value - target).abs()
    tensor([20., 20., 20., 20.], dtype=torch.float64)
    >>> sound(value, 0).shape
    torch.Size([4, 8192])
    """
    generator = torch.Generator().manual_seed(seed)
    common = _uniform(generator, count, 4)
    upward, place, inner = _uniform(generator, 3, count)
    gap = torch.full_like(place, size)
    if difference.offset:
        gap = difference.offset + torch.where(inner < 0.5, -gap, gap)
    lower = difference.low + place * (difference.high - difference.low - gap)
    value = torch.where(upward < 0.5, lower, lower + gap)
    target = torch.where(upward < 0.5, lower + gap, lower)

    def sound(values: Tensor, which: int) -> Tensor:
        own = torch.Generator().manual_seed(2 * seed + which)
        sounds = difference.sound(values, common, own)
        return sounds * _fade() if difference.faded else sounds

    return value, target, sound


def _fade() -> Tensor:
    rise = torch.sin(0.5 * math.pi * torch.arange(FADE) / FADE) ** 2
    return torch.cat([rise, torch.ones(SAMPLES - 2 * FADE), rise.flip(0)])
