"""Transport between the spectrograms of two short signals: plans, losses and memory."""

import math
from functools import partial
from typing import Any

import ot
import torch

from sotlib import (
    STFT,
    SinkhornSpectrogramLoss,
    SlicedSpectrogramLoss,
    sinkhorn_divergence,
    sinkhorn_grid,
    sliced_wasserstein,
)
from sotlib.companion.benchmarks import added_megabytes, beside, compare

RATE, SECONDS, FFT = 8000, 2.0, 512
PROJECTIONS, TIME_SCALE = 10, 1000.0


def note(onset, f0):
    t = torch.arange(int(SECONDS * RATE)) / RATE - onset
    envelope = torch.where(t > 0, torch.exp(-2 * t), 0.0)
    return envelope * sum(torch.sin(2 * torch.pi * f0 * k * t) / k for k in range(1, 7))


def gradient(function, x, y):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x, y), x)


def sliced_by_pot(freqs, times):
    """POT's sliced distance of point clouds, on the same projections over half a circle."""
    points = torch.cartesian_prod(freqs, TIME_SCALE * times)
    angles = torch.arange(PROJECTIONS, dtype=freqs.dtype) * (math.pi / PROJECTIONS)
    projections = torch.stack([angles.sin(), angles.cos()])

    def distance(a, b):
        masses = a.flatten(), b.flatten()
        return ot.sliced_wasserstein_distance(points, points, *masses, projections=projections)

    return distance


def long_signals() -> list[dict]:
    """Memory of the loss and its gradient for minutes of sound; it does not depend on updates."""
    memory = {}
    for minutes in (1, 5):
        generator = torch.Generator().manual_seed(minutes)
        x, y = torch.randn(2, 60 * minutes * RATE, generator=generator)
        stft = STFT(fft_size=FFT, hop_length=FFT // 2, window="hann", sample_rate=RATE)
        loss = SinkhornSpectrogramLoss(stft, tol=1.0)  # after a few updates
        if not (held := added_megabytes(partial(gradient, loss, x, y))):
            return []
        memory[f"sotlib, {minutes} min"], frames = held, stft(x).shape[-1]
    memory["four kernels over 5 min of frames (computed)"] = 4 * frames**2 * 8 / 1e6
    task = "signals to the gradient by SinkhornSpectrogramLoss, memory"
    return beside(task, memory, "megabytes")


def a_minute() -> list[dict]:
    """Time of the whole loss for a minute of two tones that wander."""
    rate = 16000
    time = torch.arange(60 * rate) / rate
    x, y = (torch.sin(2 * torch.pi * (f + 50 * torch.sin(time)) * time) for f in (300.0, 350.0))
    loss = SinkhornSpectrogramLoss(
        STFT(fft_size=FFT, hop_length=FFT // 2, window="hann", sample_rate=rate)
    )
    return compare(
        "a minute at 16 kHz, to the gradient by SinkhornSpectrogramLoss",
        {"sotlib, ε = 0.01": partial(gradient, loss, x, y)},
        repeats=3,
    )


def run() -> dict:
    x, y = note(0.3 * SECONDS / 2, 220.0), note(0.5 * SECONDS / 2, 330.0)
    stft = STFT(fft_size=FFT, hop_length=FFT // 2, window="hann", sample_rate=RATE)
    a, b = (s / s.sum() for s in (stft(x), stft(y)))
    freqs = stft.positions("absolute")
    times = torch.arange(a.shape[-1]) * (FFT // 2 / RATE)
    axes: dict[str, Any] = {"freqs": freqs, "times": times, "time_scale": TIME_SCALE}
    bins = f"{a.shape[0]} × {a.shape[1]} bins"

    def plan(epsilon):
        return lambda: sinkhorn_grid(a, b, **axes, epsilon=epsilon)

    def sliced(a, b):
        return sliced_wasserstein(a, b, **axes, n_projections=PROJECTIONS, half_circle=True)

    plans = {f"sotlib, sinkhorn_grid, ε = {epsilon:g}": plan(epsilon) for epsilon in (1e-3, 1e-2)}
    plans["sotlib, sinkhorn_grid, ε = 0.0001"] = plan(1e-4)
    plans["sotlib, sinkhorn_divergence, ε = 0.001"] = lambda: sinkhorn_divergence(
        a, b, **axes, epsilon=1e-3
    )
    rows = compare(f"{bins}, until the marginal error is 1e-4", plans, repeats=3)
    distances = {"sotlib": sliced, "POT": sliced_by_pot(freqs, times)}
    rows += compare(
        f"{bins}, sliced distance by the same {PROJECTIONS} projections, and its gradient",
        {name: lambda f=f: gradient(f, a, b) for name, f in distances.items()},
    )
    losses = SlicedSpectrogramLoss(stft, n_projections=PROJECTIONS), SinkhornSpectrogramLoss(stft)
    steps = {f"sotlib, {type(f).__name__}": lambda f=f: gradient(f, x, y) for f in losses}
    rows += compare("from the signals to the gradient in one of them", steps)
    if ours := added_megabytes(plan(1e-3)):
        memory = {"sotlib": ours, "matrix over all pairs (computed)": a.numel() ** 2 * 8 / 1e6}
        rows += beside(f"{bins}, memory for one plan, ε = 0.001", memory, "megabytes")
    rows += a_minute()
    rows += long_signals()
    return {
        "title": "Transport between spectrograms",
        "measures": f"Two notes of {SECONDS:g} s at 8 kHz as magnitudes of an STFT, in float32. "
        "A matrix over all pairs of bins, which other Sinkhorn solvers hold, is not made here: its "
        "size in double precision is computed. For the sliced distance the peer is POT's, "
        "`ot.sliced_wasserstein_distance`, which sorts the points anew at each call.",
        "device": "cpu",
        "rows": rows,
    }
