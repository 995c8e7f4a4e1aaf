"""Losses on audio signals, as modules called with two batches of signals."""

from sotlib.losses.convergence import MultiResolutionSTFTLoss
from sotlib.losses.grid import SinkhornSpectrogramLoss, SlicedSpectrogramLoss
from sotlib.losses.multi_resolution import MultiResolutionSOTLoss
from sotlib.losses.pointwise import MultiScaleSpectralLoss, SpectralLoss
from sotlib.losses.sot import Wasserstein1DLoss

__all__ = [
    "MultiResolutionSOTLoss",
    "MultiResolutionSTFTLoss",
    "MultiScaleSpectralLoss",
    "SinkhornSpectrogramLoss",
    "SlicedSpectrogramLoss",
    "SpectralLoss",
    "Wasserstein1DLoss",
]
