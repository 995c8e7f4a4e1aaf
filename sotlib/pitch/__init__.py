"""Pitch estimation without labels: encoder, autoencoder, training."""

from sotlib.pitch.autoencoder import HarmonicAutoencoder
from sotlib.pitch.encoder import PitchEncoder
from sotlib.pitch.scale import hz_to_unit, soft_argmax, unit_to_hz
from sotlib.pitch.training import calibrate_pitch, equivariance_loss, pretrain_pitch

__all__ = [
    "HarmonicAutoencoder",
    "PitchEncoder",
    "calibrate_pitch",
    "equivariance_loss",
    "hz_to_unit",
    "pretrain_pitch",
    "soft_argmax",
    "unit_to_hz",
]
