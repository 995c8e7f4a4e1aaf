"""The SOT losses against the same transport by POT, forward and backward, in one process."""

import os
import subprocess
import sys
import tempfile
import types
from typing import Any

import ot
import torch

from sotlib import (
    Wasserstein1DLoss,
    partial_wasserstein_1d,
    unbalanced_wasserstein_1d,
    wasserstein_1d,
    wasserstein_circle,
)
from sotlib.companion.benchmarks import compare, grow

# sot-loss imports it for its mel transform, which is not timed here.
sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))
import sot  # noqa: E402

PAIRS, BINS = 1088, 1025
SIZES = (65, 129, 257, 513, 1025, 2049)
PEER, PEER_ON_CIRCLE = "POT, ot.wasserstein_1d", "POT, ot.wasserstein_circle"
CHROMA = 12
FIRST_CALL = """
import time, torch
from sotlib import wasserstein_1d
x = torch.rand(8, 64, requires_grad=True)
start = time.perf_counter()
wasserstein_1d(x, torch.rand(8, 64), torch.arange(64.0)).sum().backward()
print(time.perf_counter() - start)
"""


def pot_transport(x, y, positions, p, transport=ot.wasserstein_1d):
    """POT's sort-based transport for rows of weights on shared positions."""
    grid = positions[:, None].expand(-1, len(x))
    return transport(grid, grid, x.T, y.T, p=p)


def pot_on_circle(x, y, positions, p):
    return pot_transport(x, y, positions, p, ot.wasserstein_circle)


def pot_loss(transform, p):
    """The whole loss with POT's transport inside."""

    def loss(x, y):
        x, y = (transform(signal).transpose(1, 2) for signal in (x, y))
        x, y = (t.reshape(-1, t.shape[-1]) for t in (x, y))
        x, y = (t / t.sum(-1, keepdim=True) for t in (x, y))
        return pot_transport(x, y, transform.positions(), p).mean()

    return loss


def transport_step(transport, bins, p=2):
    """W_p^p of random masses and its gradient, as a function without arguments."""
    weights = torch.rand(2, PAIRS, bins, generator=torch.Generator().manual_seed(0)) ** 4
    x, y = weights / weights.sum(-1, keepdim=True)
    positions = torch.arange(bins) / bins

    def step():
        weights = x.clone().requires_grad_()
        transport(weights, y, positions, p=p).sum().backward()

    return step


def unequal_masses(pairs, bins):
    """Spectra of noise with the masses of their frames, in double precision as POT needs."""
    draw = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, pairs, bins, generator=draw, dtype=torch.float64) ** 4
    return x, y, torch.linspace(0, 1, bins, dtype=torch.float64)


def unbalanced_steps(pairs, bins, reach=0.1):
    """Unbalanced transport, exact, and POT's Frank-Wolfe steps; values only, as POT's."""
    x, y, positions = unequal_masses(pairs, bins)
    grid = positions[:, None].repeat(1, pairs)

    def pot(steps):
        return lambda: ot.unbalanced.uot_1d(
            grid, grid, reach**2, x.T, y.T, numItermax=steps, returnCost="total"
        )

    def exact():
        unbalanced_wasserstein_1d(x, y, positions, reach=reach)

    return {
        "unbalanced_wasserstein_1d": exact,
        "POT, ot.unbalanced.uot_1d, 10 steps": pot(10),
        "POT, ot.unbalanced.uot_1d, 100 steps": pot(100),
    }


def partial_steps(pairs, bins, share=0.8):
    """Partial transport, and POT's of any cost, pair by pair."""
    x, y, positions = unequal_masses(pairs, bins)
    cost = ((positions[:, None] - positions) ** 2).numpy()
    wanted = share * torch.minimum(x.sum(-1), y.sum(-1))

    def pot():
        for a, b, mass in zip(x.numpy(), y.numpy(), wanted.tolist(), strict=True):
            ot.partial.partial_wasserstein2(a, b, cost, m=mass)

    def ours():
        partial_wasserstein_1d(x, y, positions, share=share)

    return {"partial_wasserstein_1d": ours, "POT, ot.partial.partial_wasserstein2": pot}


def loss_step(loss):
    x, y = torch.randn(2, 16, 16000, generator=torch.Generator().manual_seed(0))

    def step():
        signal = x.clone().requires_grad_()
        loss(signal, y).backward()

    return step


def first_calls():
    """Seconds of a process's first call: compiling, and with the kernel compiled before."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", FIRST_CALL]
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        runs = [
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            for _ in range(2)
        ]
    return [float(run.stdout) for run in runs]


def sums_of(bins):
    """What no transport on a line can do without, once each way."""
    x, y = torch.rand(2, PAIRS, bins, generator=torch.Generator().manual_seed(0))
    return lambda: [t.cumsum(-1) for t in (x, y, x, y)]


def transforms_alone(transform):
    """A loss that only adds up two spectrograms."""
    return lambda x, y: transform(x).sum() + transform(y).sum()


def run():
    """Time everything; see `sotlib.companion.benchmarks` for what is returned."""
    rows = compare(
        f"W2² and its gradient, {PAIRS} pairs of {BINS} bins",
        {
            "wasserstein_1d": transport_step(wasserstein_1d, BINS),
            PEER: transport_step(pot_transport, BINS),
            "cumulative sums of both alone, torch": sums_of(BINS),
        },
    )
    for bins in (CHROMA, BINS):
        for p in (1, 2):
            rows += compare(
                f"on a circle, p = {p}, and the gradient, {PAIRS} pairs of {bins} bins",
                {
                    "wasserstein_circle": transport_step(wasserstein_circle, bins, p),
                    PEER_ON_CIRCLE: transport_step(pot_on_circle, bins, p),
                },
            )
    rows += compare("unbalanced transport, 64 pairs of 257 bins", unbalanced_steps(64, 257))
    rows += compare("partial transport, 8 pairs of 257 bins", partial_steps(8, 257))
    compiling, cached = (first / rows[0]["seconds"] for first in first_calls())
    options: dict[str, Any] = {"sample_rate": 16000, "square_magnitude": True}
    loss, theirs = Wasserstein1DLoss(**options), sot.Wasserstein1DLoss(**options)
    x, y = torch.randn(2, 2, 16000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(x, y), theirs(x, y), rtol=1e-3, atol=0)
    rows += compare(
        "the whole loss and its gradient, 16 signals of 1 s at 16 kHz",
        {
            "Wasserstein1DLoss": loss_step(loss),
            "the same with POT's transport": loss_step(pot_loss(loss.transform, loss.p)),
            "sot-loss": loss_step(theirs),
            "the two STFTs and a gradient alone": loss_step(transforms_alone(loss.transform)),
        },
    )
    return {
        "title": "Transport on a line and a circle",
        "measures": "Forward and backward of transport between random spectra, and of the whole "
        "loss on noise with its default STFT, beside the transport of POT on torch tensors and "
        "sot-loss. "
        "Unbalanced and partial transport: values alone; POT's steps are an approximation. "
        "Cumulative sums alone, twice for the gradient, and transforms alone are what any such "
        "implementation has to do.",
        "device": "cpu",
        "seeds": [0],
        "rows": rows,
        "growth": grow(
            f"bins ({PAIRS} pairs)",
            SIZES,
            {
                "wasserstein_1d": lambda bins: transport_step(wasserstein_1d, bins),
                PEER: lambda bins: transport_step(pot_transport, bins),
            },
        ),
        "first call, in medians of the first row": {"compiling": compiling, "cached": cached},
    }
