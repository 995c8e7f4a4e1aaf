"""Pitch estimation without labels: encoder, autoencoder, training."""

from sotlib.pitch.autoencoder import HarmonicAutoencoder, Reconstruction
from sotlib.pitch.calibration import calibrate_pitch
from sotlib.pitch.encoder import EncoderOutput, PitchEncoder
from sotlib.pitch.equivariance import equivariance_loss
from sotlib.pitch.scale import hz_to_unit, soft_argmax, unit_to_hz
from sotlib.pitch.training import pretrain_pitch

__all__ = [
    "EncoderOutput",
    "HarmonicAutoencoder",
    "PitchEncoder",
    "Reconstruction",
    "calibrate_pitch",
    "equivariance_loss",
    "hz_to_unit",
    "pretrain_pitch",
    "soft_argmax",
    "unit_to_hz",
]
