"""The SOT losses against the same transport by POT, forward and backward, in one process.

Run: python benchmarks/bench_sot.py (a couple of minutes).
"""

import statistics
import time

import ot
import torch

from sotlib import Wasserstein1DLoss, wasserstein_1d

PAIRS, BINS = 1088, 1025
SIZES = (65, 129, 257, 513, 1025, 2049)


def seconds(action, repeats=7):
    """First call, and median of `repeats` more."""
    start = time.perf_counter()
    action()
    first = time.perf_counter() - start
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return first, statistics.median(times)


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
        first, ours = seconds(lambda p=problem: transport_step(wasserstein_1d, *p))
        _, pot = seconds(lambda p=problem: transport_step(pot_transport, *p))
        growth.append({"size": bins, "ours": ours, "POT": pot})
        name = f"W2² and its gradient, {PAIRS} pairs of {bins} bins"
        rows.append({"name": name, "first call": first, "ours": ours, "peer": pot,
                     "ratio": pot / ours})  # fmt: skip
    rows = [rows[SIZES.index(BINS)]]

    x, y = torch.randn(2, 16, 16000, generator=generator)
    settings = {"sample_rate": 16000, "square_magnitude": True}
    first, ours = seconds(lambda: loss_step(Wasserstein1DLoss(**settings), x, y))
    _, pot = seconds(lambda: loss_step(PotLoss(**settings), x, y))
    rows.append({"name": "Wasserstein1DLoss and its gradient, 16 signals of 1 s at 16 kHz",
                 "first call": first, "ours": ours, "peer": pot, "ratio": pot / ours})  # fmt: skip
    return {
        "title": "Transport on a line",
        "peer": "POT, ot.wasserstein_1d on torch tensors",
        "rows": rows,
        "growth": {"size": "bins", "series": growth},
    }


def main():
    result = run()
    print(f"{result['title']}; peer: {result['peer']}; {torch.get_num_threads()} threads")
    for row in result["rows"]:
        print(f"{row['ratio']:6.1f} times faster: {row['name']}")
        print(f"       first call {row['first call'] / row['ours']:.0f} times the median of later")
    for row in result["growth"]["series"]:
        print(f"{row['size']:6d} bins: {row['POT'] / row['ours']:6.1f} times faster")


if __name__ == "__main__":
    main()
