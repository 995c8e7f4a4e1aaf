"""Differentiable synthesisers."""

from sotlib.synths.arpeggio import Arpeggio, arpeggio
from sotlib.synths.drum import RectangularDrum, modal_decays, modal_frequencies, rectangular_drum
from sotlib.synths.filtered_noise import FilteredNoise
from sotlib.synths.harmonic import HarmonicSynth
from sotlib.synths.tones import harmonic_signal, sinusoid

__all__ = [
    "Arpeggio",
    "FilteredNoise",
    "HarmonicSynth",
    "RectangularDrum",
    "arpeggio",
    "harmonic_signal",
    "modal_decays",
    "modal_frequencies",
    "rectangular_drum",
    "sinusoid",
]
