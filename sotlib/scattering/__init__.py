"""Joint time-frequency scattering: a transform large enough for a house of its own."""

from sotlib.scattering.filters import filterbank, gaussian, morlet
from sotlib.scattering.paths import PathTable
from sotlib.scattering.transform import TimeFrequencyScattering

__all__ = [
    "PathTable",
    "TimeFrequencyScattering",
    "filterbank",
    "gaussian",
    "morlet",
]
