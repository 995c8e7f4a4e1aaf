"""Losses on audio signals, as modules called with two batches of signals."""

from sotlib.losses.multi_resolution_sot import MultiResolutionSOTLoss
from sotlib.losses.multi_resolution_stft import MultiResolutionSTFTLoss
from sotlib.losses.sot import Wasserstein1DLoss
from sotlib.losses.spectral import MultiScaleSpectralLoss, SpectralLoss
from sotlib.losses.time_frequency import SinkhornSpectrogramLoss, SlicedSpectrogramLoss

__all__ = [
    "MultiResolutionSOTLoss",
    "MultiResolutionSTFTLoss",
    "MultiScaleSpectralLoss",
    "SinkhornSpectrogramLoss",
    "SlicedSpectrogramLoss",
    "SpectralLoss",
    "Wasserstein1DLoss",
]
