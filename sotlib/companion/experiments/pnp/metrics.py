"""Metrics in single precision, and in double precision where that is not enough."""

import torch

from sotlib.matching.metric import jacobian


def finite_metrics(phi_of_g, scaled):
    """Metrics (sounds, d, d), in double precision only where single precision is not enough.

    With them, two masks of the sounds: where they were not finite in single and, zero then, in
    double precision.
    """
    metric = _metrics(phi_of_g, scaled.float())
    single = _broken(metric)
    double = torch.zeros_like(single)
    if single.any():
        again = _metrics(phi_of_g, scaled[single].double())
        double[single] = _broken(again)
        metric[single] = again
        metric[double] = 0.0
    return metric, single, double


def _metrics(phi_of_g, scaled):
    slopes = jacobian(phi_of_g, scaled, chunk=len(scaled)).double()
    return slopes.transpose(-1, -2) @ slopes


def _broken(metric):
    return ~metric.isfinite().flatten(1).all(1)
