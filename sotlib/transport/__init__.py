"""Optimal transport: exactly on line and circle, on the time-frequency plane by several solvers."""

from sotlib.transport.barycenter import barycenter_grid
from sotlib.transport.binning import linear_binning
from sotlib.transport.circle import wasserstein_circle
from sotlib.transport.divergence import sinkhorn_divergence
from sotlib.transport.exact import ExactTransport, exact_grid_transport
from sotlib.transport.interpolation import barycenter_1d, interpolate_1d
from sotlib.transport.line import quantile_functions, wasserstein_1d
from sotlib.transport.partial import partial_wasserstein_1d
from sotlib.transport.sinkhorn import ConvergenceWarning, SinkhornResult, sinkhorn_grid
from sotlib.transport.sliced import sliced_wasserstein
from sotlib.transport.unbalanced import unbalanced_wasserstein_1d

__all__ = [
    "ConvergenceWarning",
    "ExactTransport",
    "SinkhornResult",
    "barycenter_1d",
    "barycenter_grid",
    "exact_grid_transport",
    "interpolate_1d",
    "linear_binning",
    "partial_wasserstein_1d",
    "quantile_functions",
    "sinkhorn_divergence",
    "sinkhorn_grid",
    "sliced_wasserstein",
    "unbalanced_wasserstein_1d",
    "wasserstein_1d",
    "wasserstein_circle",
]
