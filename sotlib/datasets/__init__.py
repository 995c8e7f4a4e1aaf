"""Synthetic sounds with known parameters."""

from sotlib.datasets.arpeggios import Arpeggios
from sotlib.datasets.drum_sounds import DrumSounds
from sotlib.datasets.harmonic_signals import HarmonicSignals

__all__ = [
    "Arpeggios",
    "DrumSounds",
    "HarmonicSignals",
]
