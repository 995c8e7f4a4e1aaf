"""Optimal-transport and perceptual losses for audio.

The book beside this library explains each of them: what it computes, why, and what the papers show.
"""

from sotlib.cqt import CQT
from sotlib.losses import (
    MultiResolutionSOTLoss,
    MultiScaleSpectralLoss,
    SpectralLoss,
    Wasserstein1DLoss,
)
from sotlib.ot1d import quantile_functions, wasserstein_1d
from sotlib.synths import harmonic_signal, sinusoid
from sotlib.transforms import STFT, MelSpectrogram

__version__ = "0.1.0"
__all__ = [
    "CQT",
    "STFT",
    "MelSpectrogram",
    "MultiResolutionSOTLoss",
    "MultiScaleSpectralLoss",
    "SpectralLoss",
    "Wasserstein1DLoss",
    "harmonic_signal",
    "quantile_functions",
    "sinusoid",
    "wasserstein_1d",
]
