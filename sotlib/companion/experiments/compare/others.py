"""What compares parameters instead of sounds, and takes part in the recovery: PNP."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sotlib.companion.experiments.compare.combinations import Compare
from sotlib.companion.experiments.compare.synthesisers import Synthesiser
from sotlib.losses import jtfs_features, pnp_loss
from sotlib.matching import riemannian_metric
from sotlib.scattering import TimeFrequencyScattering


@dataclass(frozen=True)
class Other:
    """One method."""

    family: str
    settings: str
    make: Callable[[Synthesiser, Tensor, Tensor | float], tuple[Compare, Tensor]]
    """Takes the synthesiser, true parameters and phases of the targets; returns what compares
    parameters with its second result, a row for each target."""
    package: str = "sotlib"


def metrics(synth: Synthesiser, truth: Tensor, phases: Tensor | float) -> Tensor:
    """Metric of the scattering features at each target, (batch, d, d)."""
    samples = synth(truth[:1]).shape[-1]
    slowest = round(math.log2(synth.rate / 8))
    scattering = TimeFrequencyScattering(samples, J=slowest, Q=(8, 2), J_fr=3)

    def metric(number):
        own = phases[[number]] if isinstance(phases, Tensor) else phases

        def features(theta):
            return jtfs_features(scattering(synth(theta, own))).flatten(1)

        return riemannian_metric(features, truth[[number]], vectorize=False)

    return torch.cat([metric(number) for number in range(len(truth))])


def _pnp(synth, truth, phases):
    size = truth.shape[1]
    known = torch.cat([truth, metrics(synth, truth, phases).flatten(1)], -1)

    def compare(guess, known):
        metric = known[:, size:].reshape(-1, size, size)
        return pnp_loss(guess, known[:, :size], metric, reduction="none")

    return compare, known


OTHERS = {
    "PNP": Other(
        "parameters", "metric of JTFS at the target, whose parameters it knows, no damping", _pnp
    ),
}
