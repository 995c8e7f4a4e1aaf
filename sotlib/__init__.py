"""Optimal-transport and perceptual losses for audio."""

__version__ = "0.1.0"
