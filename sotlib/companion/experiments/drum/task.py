"""The drum paper's task: which sounds, what a network sees of them, and what compares them."""

import copy
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from sotlib.companion.experiments import FOLDS
from sotlib.datasets.drum_sounds import DRUMS
from sotlib.losses import jtfs_features
from sotlib.matching.network import LogCQT, SoundMatcher
from sotlib.matching.scaler import ParameterScaler
from sotlib.scattering import TimeFrequencyScattering
from sotlib.synths.drum import LOG10, PARAMETERS, RectangularDrum

OMEGA = PARAMETERS.index("omega")
SAMPLE_RATE = 22050
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
    hop_length: int
    scattering: tuple
    """J, Q, J_fr and F of `sotlib.TimeFrequencyScattering`, averaged over the whole sound."""
    chunk: int
    """Sounds whose metrics are computed at once."""
    reduced: str = ""


TASKS = {
    "paper": Task(
        sounds=(82_224, 7776, 10_000),
        shards=400,
        samples=2**16,
        fmin=0.4 * SAMPLE_RATE / 2**10,
        n_bins=120,
        hop_length=256,
        scattering=(13, (12, 1), 5, 24),
        chunk=4,
    ),
    # Seconds of one core for a sound, measured on a busy machine: 0.7, nearly all for the metric.
    "reduced": Task(
        sounds=(3072, 384, 512),
        shards=32,
        samples=2**14,
        fmin=40.0,
        n_bins=96,
        hop_length=512,
        scattering=(10, (8, 1), 3, 8),
        chunk=4,
        reduced="3072, 384 and 512 sounds instead of 82 224, 7776 and 10 000, of 2^14 samples "
        "instead of 2^16; CQT from 40 Hz with 96 bins and a hop of 512 instead of from 8.6 Hz "
        "with 120 bins and a hop of 256; scattering with J = 10, Q = 8 and F = 1 octave instead "
        "of J = 13, Q = 12 and F = 2 octaves",
    ),
    "smoke": Task(
        sounds=(12, 6, 6),
        shards=2,
        samples=2**11,
        fmin=320.0,
        n_bins=48,
        hop_length=64,
        scattering=(6, (4, 1), 2, 4),
        chunk=4,
        reduced="24 sounds of 2^11 samples, to see that everything runs",
    ),
}


@cache
def scaler() -> ParameterScaler:
    """Scaling to [-1, 1] with the limits of the whole training fold, whatever the budget."""
    return ParameterScaler.fit(
        DRUMS.cell_parameters(DRUMS.fold_ids("train"), seed=DATA_SEED), log10=LOG10
    )


def fold_sounds(task: Task, fold: str) -> tuple[torch.Tensor, torch.Tensor]:
    """IDs (sounds,) and physical parameters (sounds, 5) of a fold, in double precision."""
    number = FOLDS.index(fold)
    ids = DRUMS.fold_ids(fold, seed=DATA_SEED)
    order = np.random.default_rng([DATA_SEED, 2, number]).permutation(len(ids))
    ids = ids[order[: task.sounds[number]]]
    return ids, DRUMS.cell_parameters(ids, seed=DATA_SEED)


def make_features(task: Task) -> LogCQT:
    """What the network sees: (batch, samples) to (batch, bins, frames)."""
    return LogCQT(**_cqt(task))


def make_matcher(task: Task, *, omega_given: bool = False) -> SoundMatcher:
    """The untrained network."""
    given = OMEGA if omega_given else None
    return SoundMatcher(parameters=len(PARAMETERS), given=given, **_cqt(task))


def _cqt(task: Task) -> dict:
    return {
        "sample_rate": SAMPLE_RATE,
        "hop_length": task.hop_length,
        "fmin": task.fmin,
        "n_bins": task.n_bins,
        "padding": "zeros",
    }


class Synthesis(torch.nn.Module):
    """The drum as a function of scaled parameters: (batch, 5) to (batch, samples)."""

    def __init__(self, task: Task):
        super().__init__()
        self.drum = RectangularDrum(sample_rate=SAMPLE_RATE, samples=task.samples)
        # A copy: the module may move to another device.
        self.scaler = copy.deepcopy(scaler())

    def forward(self, scaled: torch.Tensor) -> torch.Tensor:
        """Sounds, each divided by its peak."""
        return self.drum(self.scaler.inverse(scaled))


class Perception(torch.nn.Module):
    """Synthesis and log-compressed scattering: (batch, 5) to (batch, paths)."""

    def __init__(self, task: Task):
        super().__init__()
        J, Q, J_fr, F = task.scattering
        self.synthesis = Synthesis(task)
        self.scattering = TimeFrequencyScattering(task.samples, J=J, Q=Q, J_fr=J_fr, F=F)

    def forward(self, scaled: torch.Tensor) -> torch.Tensor:
        """Features of the sounds with these scaled parameters."""
        return self.features(self.synthesis(scaled))

    def features(self, sound: torch.Tensor) -> torch.Tensor:
        """Features of sounds."""
        return jtfs_features(self.scattering(sound)).flatten(1)
