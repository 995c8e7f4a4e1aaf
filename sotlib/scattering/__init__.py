"""Joint time-frequency scattering: the transform, its features, and a loss made of them."""

from .features import JTFSLoss, jtfs_distance, jtfs_features
from .filters import filterbank, gaussian, morlet
from .paths import PathTable
from .transform import TimeFrequencyScattering

__all__ = [
    "JTFSLoss",
    "PathTable",
    "TimeFrequencyScattering",
    "filterbank",
    "gaussian",
    "jtfs_distance",
    "jtfs_features",
    "morlet",
]
