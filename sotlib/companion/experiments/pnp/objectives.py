"""What a row minimises: a function of predicted parameters and a fold's sounds.

Each objective is called with predictions for some sounds of a fold. In evaluation mode it is what
validation goes by: for the PNP loss, the loss without damping.
"""

import torch
from torch import nn

from sotlib.companion.experiments.pnp.instrument import Synthesis
from sotlib.companion.experiments.pnp.rows import CONSTANT, CONTINUED, FINAL, START
from sotlib.losses import MultiResolutionSTFTLoss
from sotlib.losses.pnp import PNPLoss
from sotlib.matching.damping import AdaptiveDamping, ConstantDamping, ScheduledDamping


class ParameterObjective(nn.Module):
    """Mean squared error of scaled parameters: the P-loss."""

    def forward(self, predicted, fold, indices):
        """Loss of the predictions (batch, d) for the sounds at `indices`."""
        return (predicted - fold.scaled[indices]).square().mean()


class MetricObjective(nn.Module):
    """The PNP loss, with M and the damping in one unit.

    Parameters
    ----------
    damping : ConstantDamping or a policy derived from it
        In this unit.
    unit : float
        An eigenvalue. The loss is of its order: Adam does not mind a constant factor, but for a
        floor of 1e-8 under its gradients and an overflow at 1e19.
    """

    def __init__(self, damping, *, unit):
        super().__init__()
        self.pnp = PNPLoss(damping=damping)
        self.unit = unit

    @property
    def damping(self):
        """The policy."""
        return self.pnp.damping

    def forward(self, predicted, fold, indices):
        """Loss of the predictions (batch, d) for the sounds at `indices`."""
        relative = fold.metric[indices] / self.unit
        return self.pnp(predicted, fold.scaled[indices], relative)


class SpectralObjective(nn.Module):
    """Multi-resolution STFT loss between the sounds of predicted and of true parameters."""

    def __init__(self, instrument, task):
        super().__init__()
        self.synthesis = Synthesis(instrument, task)
        self.loss = MultiResolutionSTFTLoss()

    def forward(self, predicted, fold, indices):
        """Loss of the predictions (batch, d) for the sounds at `indices`."""
        with torch.no_grad():
            target = self.synthesis(fold.scaled[indices])
        return self.loss(self.synthesis(predicted), target)


def make_objective(row, instrument, task, unit, limits, end=None):
    """The objective of a row; `end` is the damping of the row that it takes one from."""
    if row.loss == "ploss":
        return ParameterObjective()
    if row.loss == "spectral":
        return SpectralObjective(instrument, task)
    return MetricObjective(make_damping(row, limits, end), unit=unit)


def make_damping(row, limits, end=None):
    """The damping policy of a row, in the unit `Prepared.unit`."""
    if row.damping == "none":
        return ConstantDamping(0.0)
    if row.damping == "constant":
        return ConstantDamping(end or row.constant or (CONTINUED if row.after else CONSTANT))
    if row.damping == "scheduled":
        epochs = limits.scheduled_epochs
        if end == START:  # the other one never fell
            return ConstantDamping(START)
        return ScheduledDamping(START, epochs=epochs, final=end or FINAL, hold=end is not None)
    return AdaptiveDamping(row.start)
