"""Optimal-transport and perceptual losses for audio."""

from sotlib.ot1d import quantile_functions, wasserstein_1d
from sotlib.sinkhorn import ConvergenceWarning, SinkhornResult, sinkhorn_grid

__version__ = "0.1.0"
__all__ = [
    "ConvergenceWarning",
    "SinkhornResult",
    "quantile_functions",
    "sinkhorn_grid",
    "wasserstein_1d",
]
