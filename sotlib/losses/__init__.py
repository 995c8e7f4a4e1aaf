"""Losses between sounds, and between parameters: every loss is here."""

from sotlib.losses.multi_resolution_sot import MultiResolutionSOTLoss
from sotlib.losses.multi_resolution_stft import MultiResolutionSTFTLoss
from sotlib.losses.multi_scale_spectral import MultiScaleSpectralLoss
from sotlib.losses.pnp import PNPLoss, pnp_loss
from sotlib.losses.scattering import JTFSLoss, jtfs_distance, jtfs_features
from sotlib.losses.sot import Wasserstein1DLoss
from sotlib.losses.spectral import SpectralLoss
from sotlib.losses.time_frequency import SinkhornSpectrogramLoss, SlicedSpectrogramLoss
from sotlib.losses.unbalanced import UnbalancedWasserstein1DLoss
from sotlib.losses.variable_length import VariableLengthLoss

__all__ = [
    "JTFSLoss",
    "MultiResolutionSOTLoss",
    "MultiResolutionSTFTLoss",
    "MultiScaleSpectralLoss",
    "PNPLoss",
    "SinkhornSpectrogramLoss",
    "SlicedSpectrogramLoss",
    "SpectralLoss",
    "UnbalancedWasserstein1DLoss",
    "VariableLengthLoss",
    "Wasserstein1DLoss",
    "jtfs_distance",
    "jtfs_features",
    "pnp_loss",
]
