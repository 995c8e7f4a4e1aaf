"""Optimal-transport and perceptual losses for audio.

The book beside this library explains each of them: what it computes, why, and what the papers show.
"""

from sotlib.datasets.drum_sounds import DrumSounds
from sotlib.datasets.harmonic_signals import HarmonicSignals
from sotlib.losses import (
    MultiResolutionSOTLoss,
    MultiResolutionSTFTLoss,
    MultiScaleSpectralLoss,
    SinkhornSpectrogramLoss,
    SlicedSpectrogramLoss,
    SpectralLoss,
    Wasserstein1DLoss,
)
from sotlib.losses.pnp import PNPLoss, jacobian, pnp_loss, riemannian_metric
from sotlib.matching.damping import AdaptiveDamping, ConstantDamping, ScheduledDamping
from sotlib.matching.network import SoundMatcher
from sotlib.matching.scaler import ParameterScaler
from sotlib.metrics import (
    log_spectral_distance,
    multi_scale_spectral_distance,
    raw_chroma_accuracy,
    raw_pitch_accuracy,
)
from sotlib.pitch.autoencoder import HarmonicAutoencoder
from sotlib.pitch.encoder import PitchEncoder
from sotlib.pitch.scale import hz_to_unit, soft_argmax, unit_to_hz
from sotlib.pitch.training import calibrate_pitch, equivariance_loss, pretrain_pitch
from sotlib.scattering import JTFSLoss, TimeFrequencyScattering, jtfs_distance, jtfs_features
from sotlib.synths.drum import RectangularDrum, modal_decays, modal_frequencies, rectangular_drum
from sotlib.synths.harmonic import HarmonicSynth
from sotlib.synths.tones import harmonic_signal, sinusoid
from sotlib.transforms.cqt import CQT
from sotlib.transforms.mel import MelSpectrogram
from sotlib.transforms.stft import STFT
from sotlib.transport.divergence import sinkhorn_divergence
from sotlib.transport.exact import ExactTransport, exact_grid_transport
from sotlib.transport.line import quantile_functions, wasserstein_1d
from sotlib.transport.sinkhorn import ConvergenceWarning, SinkhornResult, sinkhorn_grid
from sotlib.transport.sliced import sliced_wasserstein

__version__ = "0.1.0"
__all__ = [
    "CQT",
    "STFT",
    "AdaptiveDamping",
    "ConstantDamping",
    "ConvergenceWarning",
    "DrumSounds",
    "ExactTransport",
    "HarmonicAutoencoder",
    "HarmonicSignals",
    "HarmonicSynth",
    "JTFSLoss",
    "MelSpectrogram",
    "MultiResolutionSOTLoss",
    "MultiResolutionSTFTLoss",
    "MultiScaleSpectralLoss",
    "PNPLoss",
    "ParameterScaler",
    "PitchEncoder",
    "RectangularDrum",
    "ScheduledDamping",
    "SinkhornResult",
    "SinkhornSpectrogramLoss",
    "SlicedSpectrogramLoss",
    "SoundMatcher",
    "SpectralLoss",
    "TimeFrequencyScattering",
    "Wasserstein1DLoss",
    "calibrate_pitch",
    "equivariance_loss",
    "exact_grid_transport",
    "harmonic_signal",
    "hz_to_unit",
    "jacobian",
    "jtfs_distance",
    "jtfs_features",
    "log_spectral_distance",
    "modal_decays",
    "modal_frequencies",
    "multi_scale_spectral_distance",
    "pnp_loss",
    "pretrain_pitch",
    "quantile_functions",
    "raw_chroma_accuracy",
    "raw_pitch_accuracy",
    "rectangular_drum",
    "riemannian_metric",
    "sinkhorn_divergence",
    "sinkhorn_grid",
    "sinusoid",
    "sliced_wasserstein",
    "soft_argmax",
    "unit_to_hz",
    "wasserstein_1d",
]
