"""What the drum paper's models minimise: a function of predicted parameters and a fold's sounds.

Each objective is called with predictions for some sounds of a fold. In evaluation mode it is what
validation goes by: for the PNP loss, the loss without damping.
"""

import torch
from torch import nn

from sotlib.companion.experiments.drum.task import Synthesis
from sotlib.companion.experiments.pnp.objectives import ParameterObjective
from sotlib.losses import MultiResolutionSTFTLoss
from sotlib.losses.pnp import PNPLoss
from sotlib.matching.damping import AdaptiveDamping, ConstantDamping, ScheduledDamping

# Damping relative to the largest eigenvalue of M over the training fold. The paper's adaptive one
# starts there (both are 10^20). The public configurations' constant damping is 10^5 and their
# scheduled one falls to 1, absolute numbers which stand beside a largest M_jj of 3·10^10.
START = 1.0
CONSTANT = 1e5 / 3e10
FINAL = 1 / 3e10


class MetricObjective(nn.Module):
    """The PNP loss, with M and the damping in units of the largest eigenvalue.

    Parameters
    ----------
    damping : ConstantDamping or a policy derived from it
        In these units.
    largest : float
        The eigenvalue.
    typical : float
        Mean eigenvalue of the training fold. The loss that is minimised is divided by it: Adam
        does not mind a constant factor, but for a floor of 1e-8 under its gradients and an
        overflow at 1e19.
    rescaled : bool
        Divide by the damping, too, while training. Adam remembers the size of about 1000
        gradients: where the damping falls faster than that, its steps get shorter.
    """

    def __init__(self, damping, *, largest, typical, rescaled=False):
        super().__init__()
        self.pnp = PNPLoss(damping=damping)
        self.largest, self.typical, self.rescaled = largest, typical, rescaled

    @property
    def damping(self):
        """The policy."""
        return self.pnp.damping

    def forward(self, predicted, fold, indices):
        """Loss of the predictions (batch, 5) for the sounds at `indices`."""
        relative = fold.metric[indices] / self.largest
        loss = self.pnp(predicted, fold.scaled[indices], relative)
        size = self.typical / self.largest
        if self.rescaled and self.training:
            size += self.damping.value
        return loss / size


class SpectralObjective(nn.Module):
    """Multi-resolution STFT loss between the sounds of predicted and of true parameters."""

    def __init__(self, task):
        super().__init__()
        self.synthesis = Synthesis(task)
        self.loss = MultiResolutionSTFTLoss()

    def forward(self, predicted, fold, indices):
        """Loss of the predictions (batch, 5) for the sounds at `indices`."""
        with torch.no_grad():
            target = self.synthesis(fold.scaled[indices])
        return self.loss(self.synthesis(predicted), target)


def make_objective(row, task, drums, limits):
    """The objective of a row."""
    if row.loss == "ploss":
        return ParameterObjective()
    if row.loss == "spectral":
        return SpectralObjective(task)
    metric = drums.folds["train"].metric
    typical = float(metric.diagonal(dim1=-2, dim2=-1).mean())
    return MetricObjective(
        make_damping(row, limits),
        largest=drums.largest,
        typical=typical,
        rescaled=row.rescaled,
    )


def make_damping(row, limits):
    """The damping policy of a row, relative to the largest eigenvalue."""
    if row.damping == "none":
        return ConstantDamping(0.0)
    if row.damping == "constant":
        return ConstantDamping(CONSTANT)
    if row.damping == "scheduled":
        return ScheduledDamping(START, epochs=limits.scheduled_epochs, final=FINAL)
    return AdaptiveDamping(START)
