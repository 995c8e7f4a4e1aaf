"""The SOT losses against the same transport by POT, forward and backward, in one process."""

import os
import subprocess
import sys
import tempfile

import ot
import torch

from sotlib import Wasserstein1DLoss, wasserstein_1d, wasserstein_circle
from sotlib.companion.benchmarks import compare, grow

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


def run():
    """Time everything; see `sotlib.companion.benchmarks` for what is returned."""
    rows = compare(
        f"W2² and its gradient, {PAIRS} pairs of {BINS} bins",
        {
            "wasserstein_1d": transport_step(wasserstein_1d, BINS),
            PEER: transport_step(pot_transport, BINS),
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
    compiling, cached = (first / rows[0]["seconds"] for first in first_calls())
    loss = Wasserstein1DLoss(sample_rate=16000, square_magnitude=True)
    rows += compare(
        "the whole loss and its gradient, 16 signals of 1 s at 16 kHz",
        {
            "Wasserstein1DLoss": loss_step(loss),
            "the same with POT's transport": loss_step(pot_loss(loss.transform, loss.p)),
        },
    )
    return {
        "title": "Transport on a line and a circle",
        "measures": "Forward and backward of transport between random spectra, and of the whole "
        "loss on noise with its default STFT, beside the transport of POT on torch tensors.",
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
