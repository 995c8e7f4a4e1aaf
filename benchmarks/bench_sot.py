"""The SOT losses against the same transport by POT, forward and backward, in one process.

Run: python benchmarks/bench_sot.py (a couple of minutes).
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import ot
import torch

from sotlib import Wasserstein1DLoss, wasserstein_1d

PAIRS, BINS = 1088, 1025
SIZES = (65, 129, 257, 513, 1025, 2049)


FIRST_CALL = """
import time, torch
from sotlib import wasserstein_1d
x = torch.rand(8, 64, requires_grad=True)
start = time.perf_counter()
wasserstein_1d(x, torch.rand(8, 64), torch.arange(64.0)).sum().backward()
print(time.perf_counter() - start)
"""


def seconds(action, repeats=7):
    """Median time after one call to warm up."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def first_calls():
    """The first call of a process: compiling, and with the compiled kernel in the cache."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", FIRST_CALL]
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        runs = [
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            for _ in range(2)
        ]
    return [float(run.stdout) for run in runs]


def pot_transport(x, y, positions, p):
    """POT's sort-based transport for rows of weights on shared positions."""
    grid = positions[:, None].expand(-1, len(x))
    return ot.wasserstein_1d(grid, grid, x.T, y.T, p=p)


def transport_step(transport, x, y, positions):
    weights = x.clone().requires_grad_()
    transport(weights, y, positions, p=2).sum().backward()


class PotLoss(Wasserstein1DLoss):
    """The whole loss with POT's transport inside."""

    def forward(self, x, y):
        x, y = (self.transform(signal).transpose(1, 2) for signal in (x, y))
        x, y = (t.reshape(-1, t.shape[-1]) for t in self._masses(x, y))
        return pot_transport(x, y, self.transform.positions(), self.p).mean()


def loss_step(loss, x, y):
    signal = x.clone().requires_grad_()
    loss(signal, y).backward()


def run():
    """Time everything; ratios are POT's median over ours."""
    generator = torch.Generator().manual_seed(0)

    def masses(bins):
        weights = torch.rand(2, PAIRS, bins, generator=generator) ** 4
        return *(weights / weights.sum(-1, keepdim=True)), torch.linspace(0, 1, bins)

    rows, growth = [], []
    for bins in SIZES:
        problem = masses(bins)
        ours = seconds(lambda p=problem: transport_step(wasserstein_1d, *p))
        pot = seconds(lambda p=problem: transport_step(pot_transport, *p))
        growth.append({"size": bins, "ours": ours, "POT": pot})
        name = f"W2² and its gradient, {PAIRS} pairs of {bins} bins"
        rows.append({"name": name, "ours": ours, "peer": pot,
                     "ratio": pot / ours})  # fmt: skip
    rows = [rows[SIZES.index(BINS)]]

    x, y = torch.randn(2, 16, 16000, generator=generator)
    settings = {"sample_rate": 16000, "square_magnitude": True}
    ours = seconds(lambda: loss_step(Wasserstein1DLoss(**settings), x, y))
    pot = seconds(lambda: loss_step(PotLoss(**settings), x, y))
    rows.append({"name": "Wasserstein1DLoss and its gradient, 16 signals of 1 s at 16 kHz",
                 "ours": ours, "peer": pot, "ratio": pot / ours})  # fmt: skip
    compiling, cached = (time_ / rows[0]["ours"] for time_ in first_calls())
    return {
        "title": "Transport on a line",
        "peer": "POT, ot.wasserstein_1d on torch tensors",
        "rows": rows,
        "first call": {"compiling": compiling, "compiled before": cached},
        "growth": {"size": "bins", "series": growth},
    }


def main():
    result = run()
    print(f"{result['title']}; peer: {result['peer']}; {torch.get_num_threads()} threads")
    for row in result["rows"]:
        print(f"{row['ratio']:6.1f} times faster: {row['name']}")
    for name, times in result["first call"].items():
        print(f"first call of a process, {name}: {times:.1f} times the median of the first row")
    for row in result["growth"]["series"]:
        print(f"{row['size']:6d} bins: {row['POT'] / row['ours']:6.1f} times faster")


if __name__ == "__main__":
    main()
