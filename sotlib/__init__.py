"""Optimal-transport and perceptual losses for audio."""

from sotlib.ot1d import quantile_functions, wasserstein_1d

__version__ = "0.1.0"
__all__ = ["quantile_functions", "wasserstein_1d"]
