"""From signals to spectra: STFT, mel, constant-Q."""

from sotlib.transforms.base import Transform
from sotlib.transforms.cqt import CQT
from sotlib.transforms.mel import MelSpectrogram
from sotlib.transforms.stereo import mid_side
from sotlib.transforms.stft import STFT
from sotlib.transforms.weighting import WeightedTransform

__all__ = [
    "CQT",
    "STFT",
    "MelSpectrogram",
    "Transform",
    "WeightedTransform",
    "mid_side",
]
