"""Optimal-transport and perceptual losses for audio.

The book beside this library explains each of them: what it computes, why, and what the papers show.
"""

from sotlib.cqt import CQT
from sotlib.exact import ExactTransport, exact_grid_transport
from sotlib.losses import (
    MultiResolutionSOTLoss,
    MultiScaleSpectralLoss,
    SinkhornSpectrogramLoss,
    SlicedSpectrogramLoss,
    SpectralLoss,
    Wasserstein1DLoss,
)
from sotlib.ot1d import quantile_functions, wasserstein_1d
from sotlib.sinkhorn import ConvergenceWarning, SinkhornResult, sinkhorn_grid
from sotlib.sinkhorn_divergence import sinkhorn_divergence
from sotlib.sliced import sliced_wasserstein
from sotlib.synths import harmonic_signal, sinusoid
from sotlib.transforms import STFT, MelSpectrogram

__version__ = "0.1.0"
__all__ = [
    "CQT",
    "STFT",
    "ConvergenceWarning",
    "ExactTransport",
    "MelSpectrogram",
    "MultiResolutionSOTLoss",
    "MultiScaleSpectralLoss",
    "SinkhornResult",
    "SinkhornSpectrogramLoss",
    "SlicedSpectrogramLoss",
    "SpectralLoss",
    "Wasserstein1DLoss",
    "exact_grid_transport",
    "harmonic_signal",
    "quantile_functions",
    "sinkhorn_divergence",
    "sinkhorn_grid",
    "sinusoid",
    "sliced_wasserstein",
    "wasserstein_1d",
]
