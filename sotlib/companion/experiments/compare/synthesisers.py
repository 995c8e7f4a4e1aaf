"""The synthesisers whose parameters are recovered: one table, an entry a synthesiser."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sotlib.synths import arpeggio, harmonic_signal, rectangular_drum, sinusoid

SAMPLES = 4096
QUARTER_TONE = 0.5 / 12  # octaves: 50 cents, as for raw pitch accuracy
ELSE = 0.1  # of the range: how near any other parameter has to come


@dataclass(frozen=True)
class Parameter:
    """One parameter, from low to high, which are 0 and 1 for the optimiser."""

    name: str
    unit: str
    low: float
    high: float
    log: bool = False
    """Equal steps are those of the logarithm."""
    pitch: bool = False

    @property
    def tolerance(self) -> float:
        """How near is near enough, as a share of the range."""
        return QUARTER_TONE / math.log2(self.high / self.low) if self.pitch else ELSE


@dataclass(frozen=True)
class Synthesiser:
    """A synthesiser with its parameters."""

    rate: int
    parameters: tuple[Parameter, ...]
    sound: Callable[[Tensor, Tensor | float], Tensor]
    """Takes physical values (batch, d), and phases (batch, harmonics) or 0."""
    phases: int = 0
    """Of its targets: so many are drawn, which the guesses do not know."""

    def __call__(self, scaled: Tensor, phases: Tensor | float = 0.0) -> Tensor:
        """Sounds (batch, samples) with parameters from 0 to 1, (batch, d)."""
        columns = [
            p.low * (p.high / p.low) ** u if p.log else p.low + u * (p.high - p.low)
            for p, u in zip(self.parameters, scaled.double().unbind(-1), strict=True)
        ]
        return self.sound(torch.stack(columns, -1), phases).float()

    @property
    def tolerances(self) -> Tensor:
        """Of all parameters, (d,)."""
        return torch.tensor([p.tolerance for p in self.parameters])

    def draw(self, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor | float]:
        """Draw true parameters and starts, each (count, d), and the phases of the targets.

        Examples
        --------
        >>> truth, start, _ = SYNTHESISERS["drum"].draw(3, seed=1)
        >>> truth.shape, start.shape
        (torch.Size([3, 5]), torch.Size([3, 5]))
        """
        generator = torch.Generator().manual_seed(seed)
        truth, start = torch.rand(2, count, len(self.parameters), generator=generator)
        phases = 2 * math.pi * torch.rand(count, self.phases, generator=generator).double()
        return truth, start, phases if self.phases else 0.0


def _gain(decibels: Tensor) -> Tensor:
    return 10 ** (decibels / 20)


def fade() -> Tensor:
    """An eighth of the sound at either end."""
    size = SAMPLES // 8
    rise = torch.sin(0.5 * math.pi * torch.arange(size) / size) ** 2
    return torch.cat([rise, torch.ones(SAMPLES - 2 * size), rise.flip(0)])


def _sinusoid(values, phases):
    phase = phases[:, 0] if torch.is_tensor(phases) else phases
    tone: dict[str, Any] = {"samples": SAMPLES, "sample_rate": 8000, "phase": phase}
    return fade() * sinusoid(values[:, 0], amplitude=_gain(values[:, 1]), **tone)


def _harmonic(values, phases):
    f0, slope, level = values.unbind(-1)
    number = torch.arange(1, 9, dtype=torch.float64)
    amplitudes = _gain(level[:, None] + slope[:, None] * number.log2()) / 4
    tone: dict[str, Any] = {"samples": SAMPLES, "sample_rate": 8000, "phases": phases}
    return fade() * harmonic_signal(f0, amplitudes, **tone)


def _drum(values, phases):
    """Struck after a sixteenth of a second of silence."""
    wait = SAMPLES // 8
    omega = 2 * math.pi * values[:, :1]
    theta = torch.cat([omega, values[:, 1:]], -1)
    struck = rectangular_drum(theta, sample_rate=8000, samples=SAMPLES - wait, modes=(5, 5))
    return torch.nn.functional.pad(struck, (wait, 0))


def _arpeggio(values, phases):
    return arpeggio(values, sample_rate=4096, samples=SAMPLES)


SYNTHESISERS = {
    "sinusoid": Synthesiser(
        8000,
        (
            Parameter("frequency", "Hz", 100, 3200, log=True, pitch=True),
            Parameter("level", "dB", -30, 0),
        ),
        _sinusoid,
        phases=1,
    ),
    "harmonic": Synthesiser(
        8000,
        (
            Parameter("pitch", "Hz", 100, 400, log=True, pitch=True),
            Parameter("slope", "dB per octave", -18, 0),
            Parameter("level", "dB", -30, 0),
        ),
        _harmonic,
        phases=8,
    ),
    "drum": Synthesiser(
        8000,
        (
            Parameter("fundamental", "Hz", 40, 1000, log=True, pitch=True),
            Parameter("decay", "s", 0.07, 0.4),
            Parameter("damping", "", 1e-5, 0.2, log=True),
            Parameter("dispersion", "", 1e-5, 0.3, log=True),
            Parameter("side ratio", "", 0.05, 1),
        ),
        _drum,
    ),
    "arpeggio": Synthesiser(
        4096,
        (
            Parameter("carrier", "Hz", 512, 1024, log=True, pitch=True),
            Parameter("modulation", "Hz", 4, 16, log=True),
            Parameter("chirp rate", "octaves/s", 0.5, 4, log=True),
        ),
        _arpeggio,
    ),
}
