"""The constant-Q transform beside nnAudio's, which the losses of today call."""

from typing import Any

import torch
from nnAudio.features import CQT1992v2

from sotlib import CQT
from sotlib.companion.benchmarks import added_megabytes, beside, compare, grow

RATE = 16000
OPTIONS: dict[str, Any] = {"hop_length": 256, "fmin": 32.7, "n_bins": 250, "bins_per_octave": 36}


def contestants(rate=RATE) -> dict:
    """Ours and nnAudio's, with the settings that the SOT losses use by default."""
    ours = CQT(sample_rate=rate, window="hann", **OPTIONS)
    theirs = CQT1992v2(sr=rate, window="hann", output_format="Complex", verbose=False, **OPTIONS)

    def magnitude(x):
        # nnAudio's own magnitude has no finite gradient on silence.
        return theirs(x).square().sum(-1).clamp(min=1e-20).sqrt()

    return {"sotlib": ours, "nnAudio": magnitude}


def with_gradient(transform, x) -> None:
    x = x.detach().requires_grad_()
    transform(x).square().mean().backward()


def minute(generator) -> list[dict]:
    """Time and memory of a minute at the rate of music."""
    rate, task = 44100, "1 × 60 s at 44.1 kHz, forward and backward"
    x = torch.randn(60 * rate, generator=generator)
    steps = {name: lambda f=f: with_gradient(f, x) for name, f in contestants(rate=rate).items()}
    rows = compare(task, steps, repeats=3)
    memory = {name: added_megabytes(step) or 0.0 for name, step in steps.items()}
    return rows + beside(f"{task}, memory", memory, "megabytes") if all(memory.values()) else rows


def run() -> dict:
    generator = torch.Generator().manual_seed(0)
    transforms = contestants()
    rows = []
    for batch, seconds in ((1, 4), (16, 4)):
        x = torch.randn(batch, seconds * RATE, generator=generator)
        task = f"{batch} × {seconds} s"
        rows += compare(
            f"{task}, forward", {k: lambda f=f, x=x: f(x) for k, f in transforms.items()}
        )
        rows += compare(
            f"{task}, forward and backward",
            {k: lambda f=f, x=x: with_gradient(f, x) for k, f in transforms.items()},
        )
    rows += minute(generator)
    long = torch.randn(32 * RATE, generator=generator)

    def growing(transform):
        return lambda n: lambda: transform(long[None, : n * RATE])

    return {
        "title": "Constant-Q transform",
        "measures": "250 bins, 36 to the octave, from 32.7 Hz, hop 256, of signals at 16 kHz "
        "unless another rate is named; nnAudio's CQT1992v2 with the same kernels. The "
        "signals are noise, in float32.",
        "device": "cpu",
        "seeds": [0],
        "rows": rows,
        "growth": grow(
            "seconds of signal",
            (2, 4, 8, 16, 32),
            {name: growing(transform) for name, transform in transforms.items()},
        ),
    }
