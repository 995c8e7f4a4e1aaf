"""Optimal-transport and perceptual losses for audio.

The book beside this library explains each of them: what it computes, why, and what the papers show.
"""

from sotlib.datasets import (
    DrumSounds,
    HarmonicSignals,
)
from sotlib.losses import (
    JTFSLoss,
    MultiResolutionSOTLoss,
    MultiResolutionSTFTLoss,
    MultiScaleSpectralLoss,
    PNPLoss,
    SinkhornSpectrogramLoss,
    SlicedSpectrogramLoss,
    SpectralLoss,
    Wasserstein1DLoss,
    jtfs_distance,
    jtfs_features,
    pnp_loss,
)
from sotlib.matching import (
    AdaptiveDamping,
    ConstantDamping,
    ParameterScaler,
    ScheduledDamping,
    SoundMatcher,
    jacobian,
    riemannian_metric,
)
from sotlib.metrics import (
    log_spectral_distance,
    multi_scale_spectral_distance,
    raw_chroma_accuracy,
    raw_pitch_accuracy,
)
from sotlib.pitch import (
    HarmonicAutoencoder,
    PitchEncoder,
    calibrate_pitch,
    equivariance_loss,
    hz_to_unit,
    pretrain_pitch,
    soft_argmax,
    unit_to_hz,
)
from sotlib.scattering import (
    TimeFrequencyScattering,
)
from sotlib.synths import (
    HarmonicSynth,
    RectangularDrum,
    harmonic_signal,
    modal_decays,
    modal_frequencies,
    rectangular_drum,
    sinusoid,
)
from sotlib.transforms import (
    CQT,
    STFT,
    MelSpectrogram,
    Transform,
)
from sotlib.transport import (
    ConvergenceWarning,
    ExactTransport,
    SinkhornResult,
    exact_grid_transport,
    quantile_functions,
    sinkhorn_divergence,
    sinkhorn_grid,
    sliced_wasserstein,
    wasserstein_1d,
)

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
    "Transform",
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
