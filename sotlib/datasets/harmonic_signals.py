"""The synthetic data set of the SOT paper: short harmonic signals of constant pitch."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sotlib._core import check
from sotlib.synths.harmonic import HarmonicSynth

FOLDS = ("train", "validation", "test", "all")
COUNTS = ("published", "uniform")
PEAK = 0.9


class HarmonicSignals:
    """Harmonic signals with known fundamental frequencies and amplitudes.

    Each has a fundamental frequency drawn uniformly between 40 and 1950 Hz and the first n
    harmonics with amplitudes drawn uniformly between 0.4 and 1; all is constant in time. Signals
    are scaled to a peak of 0.9.

    Parameters
    ----------
    fold : {'train', 'validation', 'test', 'all'}, default 'train'
        70, 20 and 10 % of the signals of one seed, without overlap; 'all' is the three one after
        the other.
    seed : int, default 0
        Decides everything that is drawn.
    size : int, default 4000
        Number of signals in all folds together, at least 10.
    samples : int, default 4096
        Length of each signal, at least 2.
    sample_rate : float, default 16000
        In Hz, above 3900. Harmonics at or above half of it are silent.
    counts : {'published', 'uniform'}, default 'published'
        How n is drawn. 'published' is the rule of the authors' code, ``max(1, m)`` with m uniform
        from 0 to 7: one harmonic for a quarter of the signals, two to seven for an eighth each,
        never eight. 'uniform' draws n uniformly from 1 to 8, as their poster may be read.
    first_phase : {1, 0}, default 1
        Of the synthesiser, see `HarmonicSynth`.

    Attributes
    ----------
    f0 : Tensor, shape (signals,)
        Fundamental frequencies in Hz.
    amplitudes : Tensor, shape (signals, 8)
        Amplitudes of the harmonics before scaling; 0 for those that are off.
    signals : Tensor, shape (signals, samples)
        The sounds, float32.

    Raises
    ------
    ValueError
        On an unknown fold, sizes that are too small, or a sample rate that cannot hold the highest
        pitch.

    Notes
    -----
    Torres, Peeters and Richard (ICASSP 2024): the rules are those of their public code; their draws
    are not public. Explained in chapter ``sot/autoencoder``.

    Examples
    --------
    >>> from sotlib import HarmonicSignals
    >>> data = HarmonicSignals("test", seed=0, size=100)
    >>> len(data), data.signals.shape, data.signals.abs().amax().item()
    (10, torch.Size([10, 4096]), 0.9000...)
    >>> f0, amplitudes, signal = data[3]
    >>> signal.shape
    torch.Size([4096])
    """

    F0_RANGE = (40.0, 1950.0)  # Hz
    AMPLITUDE_RANGE = (0.4, 1.0)
    HARMONICS = 8

    def __init__(
        self,
        fold: Literal["train", "validation", "test", "all"] = "train",
        *,
        seed: int = 0,
        size: int = 4000,
        samples: int = 4096,
        sample_rate: float = 16000,
        counts: Literal["published", "uniform"] = "published",
        first_phase: Literal[1, 0] = 1,
    ):
        fold = check.one_of("fold", fold, FOLDS)
        counts = check.one_of("counts", counts, COUNTS)
        seed = check.seed("seed", seed)
        size = check.count("size", size, least=10)
        samples = check.count("samples", samples, least=2)  # the first may be 0 in all
        if not check.positive("sample_rate", sample_rate) > 2 * self.F0_RANGE[1]:
            raise ValueError(
                f"sample_rate must exceed {2 * self.F0_RANGE[1]:g} Hz, twice the highest pitch; "
                f"got {sample_rate!r}."
            )
        draw = np.random.default_rng([seed, 0])
        f0 = draw.uniform(*self.F0_RANGE, size)
        amplitudes = draw.uniform(*self.AMPLITUDE_RANGE, (size, self.HARMONICS))
        if counts == "published":
            count = np.maximum(draw.integers(self.HARMONICS, size=size), 1)
        else:
            count = draw.integers(1, self.HARMONICS, size, endpoint=True)
        amplitudes *= np.arange(self.HARMONICS) < count[:, None]
        chosen = fold_indices(fold, seed=seed, size=size)
        self.f0 = torch.from_numpy(f0[chosen]).float()
        self.amplitudes = torch.from_numpy(amplitudes[chosen]).float()
        synth = HarmonicSynth(samples=samples, sample_rate=sample_rate, first_phase=first_phase)
        signals = synth(self.f0[:, None], self.amplitudes[:, None])
        self.signals = signals * (PEAK / signals.abs().amax(-1, keepdim=True))

    def __len__(self) -> int:
        return len(self.f0)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Fundamental frequency `()`, amplitudes `(8,)` and signal `(samples,)` of one of them."""
        return self.f0[index], self.amplitudes[index], self.signals[index]


def fold_indices(fold: str, *, seed: int, size: int) -> np.ndarray:
    """Which of all signals lie in a fold; the folds are disjoint."""
    order = np.random.default_rng([seed, 1]).permutation(size)
    train, validation = round(0.7 * size), round(0.2 * size)
    edges = {
        "train": (0, train),
        "validation": (train, train + validation),
        "test": (train + validation, size),
        "all": (0, size),
    }
    return order[slice(*edges[fold])]
