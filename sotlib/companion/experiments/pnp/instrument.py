"""A matching task: which sounds of a synthesiser, what a network sees, and what compares them."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor, nn

from sotlib.companion.experiments import FOLDS
from sotlib.datasets._grid import ParameterGrid
from sotlib.losses import jtfs_features
from sotlib.matching.network import LogCQT, SoundMatcher
from sotlib.matching.scaler import ParameterScaler
from sotlib.scattering import TimeFrequencyScattering
from sotlib.synths._parameters import Parameters

DATA_SEED = 0  # all runs share the same sounds


@dataclass(frozen=True)
class Task:
    """How many sounds, how long, and how finely they are seen."""

    sounds: tuple[int, int, int]
    """Of the training, validation and test fold; the first of a random order of each."""
    shards: int
    """Files that each fold is prepared in."""
    samples: int
    fmin: float
    n_bins: int
    hop_length: int = 256
    J: int = 13
    """The authors' scattering, but for its largest scale, which is also the width of its averages,
    and for the two that follow from it."""
    Q: int = 12
    J_fr: int = 6
    chunk: int = 4
    """Sounds whose metrics are computed at once."""
    reduced: str = ""


@dataclass(frozen=True, eq=False)
class Instrument:
    """A synthesiser whose parameters a network is to find."""

    parameters: Parameters
    grid: ParameterGrid
    """Its data set."""
    synth: Callable[..., nn.Module]
    """Takes ``sample_rate`` and ``samples``; physical parameters to sounds."""
    sample_rate: float
    tasks: Mapping[str, Task]
    """By the name of the budget."""

    @cached_property
    def scaler(self) -> ParameterScaler:
        """Scaling to [-1, 1] with the limits of the whole training fold, whatever the budget."""
        theta = self.grid.cell_parameters(self.grid.fold_ids("train"), seed=DATA_SEED)
        return ParameterScaler.fit(theta, log10=self.parameters.log10)

    def fold_sounds(self, task: Task, fold: str) -> tuple[Tensor, Tensor]:
        """IDs (sounds,) and physical parameters (sounds, d) of a fold, in double precision."""
        number = FOLDS.index(fold)
        ids = self.grid.fold_ids(fold, seed=DATA_SEED)
        order = np.random.default_rng([DATA_SEED, 2, number]).permutation(len(ids))
        ids = ids[order[: task.sounds[number]]]
        return ids, self.grid.cell_parameters(ids, seed=DATA_SEED)

    def features(self, task: Task) -> LogCQT:
        """What the network sees: (batch, samples) to (batch, bins, frames)."""
        return LogCQT(**self._cqt(task))

    def matcher(self, task: Task, *, given: int | None = None) -> SoundMatcher:
        """The untrained network."""
        parameters = len(self.parameters.names)
        return SoundMatcher(parameters=parameters, given=given, **self._cqt(task))

    def _cqt(self, task: Task) -> dict:
        return {
            "sample_rate": self.sample_rate,
            "hop_length": task.hop_length,
            "fmin": task.fmin,
            "n_bins": task.n_bins,
        }


class Synthesis(nn.Module):
    """A synthesiser as a function of scaled parameters: (batch, d) to (batch, samples)."""

    def __init__(self, instrument: Instrument, task: Task):
        super().__init__()
        self.synth = instrument.synth(sample_rate=instrument.sample_rate, samples=task.samples)
        # A copy: the module may move to another device.
        self.scaler = copy.deepcopy(instrument.scaler)

    def forward(self, scaled: Tensor) -> Tensor:
        """Sounds with these scaled parameters."""
        return self.synth(self.scaler.inverse(scaled))


class Perception(nn.Module):
    """Synthesis and log-compressed scattering: (batch, d) to (batch, coefficients)."""

    def __init__(self, instrument: Instrument, task: Task):
        super().__init__()
        self.synthesis = Synthesis(instrument, task)
        self.scattering = TimeFrequencyScattering(
            task.samples,
            J=task.J,
            Q=(task.Q, 1),
            J_fr=task.J_fr,
            T=2**task.J,
            F=2,
            padding="zeros",
            convention="pnp",
        )

    def forward(self, scaled: Tensor) -> Tensor:
        """Features of the sounds with these scaled parameters."""
        return self.heard(self.synthesis(scaled))

    def heard(self, sound: Tensor) -> Tensor:
        """Features of sounds."""
        return jtfs_features(self.scattering(sound)).flatten(1)
