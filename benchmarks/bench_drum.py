"""The drum beside evaluating every mode at every sample."""

import math

import torch

from sotlib import DrumSounds, modal_decays, modal_frequencies, rectangular_drum
from sotlib.companion.benchmarks import added_megabytes, beside, compare

BATCH, SAMPLES = 64, 2**16
NAIVE = "every mode at every sample"


def naive(theta: torch.Tensor) -> torch.Tensor:
    """What one writes first: e^{-σt} sin(ωt) on a grid of modes and samples."""
    seconds = torch.arange(SAMPLES, dtype=torch.float64) * (SAMPLES / (SAMPLES - 1) / 22050)
    angular = (2 * math.pi * modal_frequencies(theta)).flatten(1)[..., None]
    numbers = torch.arange(1, 11, dtype=torch.float64)
    strike = torch.sin(0.4 * math.pi * numbers) ** 2
    level = torch.outer(strike, strike).flatten()[:, None] / angular
    level = (level * (angular < math.pi * 22050)).to(theta.dtype)
    angular, decay = angular.to(theta.dtype), modal_decays(theta).flatten(1)[..., None]
    seconds, decay = seconds.to(theta.dtype), decay.to(theta.dtype)
    sound = (level * torch.exp(-decay * seconds) * torch.sin(angular * seconds)).sum(1)
    return sound / sound.abs().amax(1, keepdim=True)


def ours(theta: torch.Tensor) -> torch.Tensor:
    return rectangular_drum(theta, samples=SAMPLES)


def with_gradient(synthesis, theta: torch.Tensor) -> None:
    theta = theta.clone().requires_grad_()
    synthesis(theta).square().mean().backward()


def per_sound(rows: list[dict]) -> list[dict]:
    """The same for one sound, also in the row for a batch."""
    for row in rows:
        row["seconds"] /= BATCH if "batch" in row["name"] else 1
    return [row | {"ratio": row["seconds"] / rows[0]["seconds"]} for row in rows]


def synthesis() -> tuple[list[dict], dict]:
    """Rows; and the largest errors in single precision, as fractions of the peak."""
    drums = DrumSounds("test").theta[:: 10_000 // BATCH][:BATCH].float()
    one = drums[BATCH // 2 : BATCH // 2 + 1]
    contestants = {
        "sotlib, alone": (ours, one),
        f"sotlib, in a batch of {BATCH}": (ours, drums),
        f"{NAIVE}, float32": (naive, one),
        f"{NAIVE}, float64": (naive, one.double()),
    }
    what, both = f"one sound of {SAMPLES} samples", "forward and backward"
    rows = []
    if memory := added_megabytes(lambda: with_gradient(ours, drums)):
        task = f"memory for {BATCH} such sounds, {both}"
        rows = beside(task, {"sotlib": memory}, "megabytes")
    forward = {name: lambda f=f, t=t: f(t) for name, (f, t) in contestants.items()}
    backward = {name: lambda f=f, t=t: with_gradient(f, t) for name, (f, t) in contestants.items()}
    times = per_sound(compare(f"{what}, forward", forward, repeats=5))
    times += per_sound(compare(f"{what}, {both}", backward, repeats=5))
    exact = ours(drums.double())  # which the tests hold against the peer
    sounds = {"sotlib": ours(drums), NAIVE: torch.cat([naive(drum) for drum in drums.split(1)])}
    errors = {name: (sound - exact).abs().max().item() for name, sound in sounds.items()}
    return times + rows, errors


def run() -> dict:
    rows, errors = synthesis()
    return {
        "title": "Rectangular drum",
        "measures": "Synthesis of drums with 10 × 10 modes, each sound by itself or in a batch, "
        "whose time is divided by its size. 36 of the modes do not sound; sotlib leaves them out. "
        "Where no type is named it is float32; `errors` are then those of both, as fractions of "
        "the peak.",
        "device": "cpu",
        "seeds": [0],
        "rows": rows,
        "errors": errors,
    }
