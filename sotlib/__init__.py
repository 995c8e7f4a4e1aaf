"""Optimal-transport and perceptual losses for audio.

The book beside this library explains each of them: what it computes, why, and what the papers show.
"""

from sotlib.autoencoder import HarmonicAutoencoder
from sotlib.cqt import CQT
from sotlib.damping import AdaptiveDamping, ConstantDamping, ScheduledDamping
from sotlib.drum import RectangularDrum, modal_decays, modal_frequencies, rectangular_drum
from sotlib.drum_sounds import DrumSounds
from sotlib.encoders import PitchEncoder
from sotlib.exact import ExactTransport, exact_grid_transport
from sotlib.harmonic_signals import HarmonicSignals
from sotlib.harmonic_synth import HarmonicSynth
from sotlib.losses import (
    MultiResolutionSOTLoss,
    MultiResolutionSTFTLoss,
    MultiScaleSpectralLoss,
    SinkhornSpectrogramLoss,
    SlicedSpectrogramLoss,
    SpectralLoss,
    Wasserstein1DLoss,
)
from sotlib.mel import MelSpectrogram
from sotlib.metrics import (
    log_spectral_distance,
    multi_scale_spectral_distance,
    raw_chroma_accuracy,
    raw_pitch_accuracy,
)
from sotlib.ot1d import quantile_functions, wasserstein_1d
from sotlib.pitch import hz_to_unit, soft_argmax, unit_to_hz
from sotlib.pitch_training import calibrate_pitch, equivariance_loss, pretrain_pitch
from sotlib.pnp import PNPLoss, jacobian, pnp_loss, riemannian_metric
from sotlib.scaler import ParameterScaler
from sotlib.scattering import JTFSLoss, TimeFrequencyScattering, jtfs_distance, jtfs_features
from sotlib.sinkhorn import ConvergenceWarning, SinkhornResult, sinkhorn_grid
from sotlib.sinkhorn_divergence import sinkhorn_divergence
from sotlib.sliced import sliced_wasserstein
from sotlib.sound_matcher import SoundMatcher
from sotlib.synths import harmonic_signal, sinusoid
from sotlib.transforms import STFT

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
