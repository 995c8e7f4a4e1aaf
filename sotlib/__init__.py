"""Optimal-transport and perceptual losses for audio.

The book beside this library explains each of them: what it computes, why, and what the papers show.
"""

from sotlib.cqt import CQT
from sotlib.damping import AdaptiveDamping, ConstantDamping, ScheduledDamping
from sotlib.drum import RectangularDrum, modal_decays, modal_frequencies, rectangular_drum
from sotlib.drum_sounds import DrumSounds
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
from sotlib.pnp import PNPLoss, jacobian, pnp_loss, riemannian_metric
from sotlib.scaler import ParameterScaler
from sotlib.scattering import JTFSLoss, TimeFrequencyScattering, jtfs_distance, jtfs_features
from sotlib.sinkhorn import ConvergenceWarning, SinkhornResult, sinkhorn_grid
from sotlib.sinkhorn_divergence import sinkhorn_divergence
from sotlib.sliced import sliced_wasserstein
from sotlib.synths import harmonic_signal, sinusoid
from sotlib.transforms import STFT, MelSpectrogram

__version__ = "0.1.0"
__all__ = [
    "CQT",
    "STFT",
    "AdaptiveDamping",
    "ConstantDamping",
    "ConvergenceWarning",
    "DrumSounds",
    "ExactTransport",
    "JTFSLoss",
    "MelSpectrogram",
    "MultiResolutionSOTLoss",
    "MultiScaleSpectralLoss",
    "PNPLoss",
    "ParameterScaler",
    "RectangularDrum",
    "ScheduledDamping",
    "SinkhornResult",
    "SinkhornSpectrogramLoss",
    "SlicedSpectrogramLoss",
    "SpectralLoss",
    "TimeFrequencyScattering",
    "Wasserstein1DLoss",
    "exact_grid_transport",
    "harmonic_signal",
    "jacobian",
    "jtfs_distance",
    "jtfs_features",
    "modal_decays",
    "modal_frequencies",
    "pnp_loss",
    "quantile_functions",
    "rectangular_drum",
    "riemannian_metric",
    "sinkhorn_divergence",
    "sinkhorn_grid",
    "sinusoid",
    "sliced_wasserstein",
    "wasserstein_1d",
]
