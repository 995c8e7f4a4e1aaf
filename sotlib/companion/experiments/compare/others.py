"""What takes part in the recovery though it is no loss between the synthesiser's sounds.

PNP compares parameters; a surrogate takes the place of the sinusoid.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sotlib.companion.experiments.compare.descent import Way
from sotlib.companion.experiments.compare.surrogate import surrogate
from sotlib.companion.experiments.compare.synthesisers import SYNTHESISERS, Synthesiser
from sotlib.losses import jtfs_features, pnp_loss
from sotlib.matching import riemannian_metric
from sotlib.scattering import TimeFrequencyScattering


@dataclass(frozen=True)
class Other:
    """One method."""

    family: str
    settings: str
    make: Callable[[Synthesiser, Tensor, Tensor | float], Way]
    """Takes the synthesiser, true parameters and phases of the targets."""
    package: str = "sotlib"
    synthesisers: tuple[str, ...] = tuple(SYNTHESISERS)
    """For which there is one."""


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

    return Way(compare, torch.clone, known)


OTHERS = {
    "PNP": Other(
        "parameters", "metric of JTFS at the target, whose parameters it knows, no damping", _pnp
    ),
    "surrogate": Other(
        "bin by bin",
        "powers of z for the sinusoid, squared difference of magnitude spectra, direction of the "
        "gradient in z",
        surrogate,
        package="torch",
        synthesisers=("sinusoid",),
    ),
}
