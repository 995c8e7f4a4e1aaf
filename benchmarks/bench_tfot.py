"""Transport over the time-frequency plane, timed against the full-matrix solvers of today.

Peers: POT's Sinkhorn (`ot.sinkhorn2`), which holds the matrix over all pairs of bins, and geomloss
where it is installed. All in double precision with the same ε, in one process after warm-up.
"""

import json
import statistics
import time
import warnings

import numpy as np
import ot
import torch

from sotlib import (
    STFT,
    SinkhornSpectrogramLoss,
    SlicedSpectrogramLoss,
    sinkhorn_divergence,
    sinkhorn_grid,
)

RATE = 8000
SIZES = ((16, 8), (32, 16), (64, 32), (128, 64), (257, 63))
LARGEST_FOR_PEERS = 64 * 32  # beyond this the matrix over all pairs takes 0.5 GB and more


def median_time(function, repeats=5):
    """Median wall time of calls in seconds, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def random_pair(bins, frames):
    generator = torch.Generator().manual_seed(0)
    pair = torch.rand(2, bins, frames, generator=generator, dtype=torch.float64) ** 4
    return pair / pair.sum((1, 2), keepdim=True)


def cost_matrix(bins, frames):
    points = np.stack(np.meshgrid(np.arange(bins), np.arange(frames), indexing="ij"), -1)
    points = points.reshape(-1, 2).astype(float)
    return ot.dist(points, points)


def note(onset, f0):
    t = torch.arange(2 * RATE) / RATE - onset
    envelope = torch.where(t > 0, torch.exp(-2 * t), 0.0)
    return envelope * sum(torch.sin(2 * torch.pi * f0 * k * t) / k for k in range(1, 7))


def same_updates(epsilon=1e-2, updates=500):
    """500 updates each on a 64 × 32 grid, and each to the same marginal error."""
    a, b = random_pair(64, 32)
    flat_a, flat_b, cost = a.flatten().numpy(), b.flatten().numpy(), cost_matrix(64, 32)
    reg = epsilon * cost.max()

    def pot(**options):
        return median_time(lambda: ot.sinkhorn2(flat_a, flat_b, cost, reg, **options), 3)

    def ours(**options):
        return median_time(lambda: sinkhorn_grid(a, b, epsilon=epsilon, **options))

    exact = {"max_iter": updates, "tol": 0.0, "epsilon_scaling": False, "over_relaxation": False}
    batch = a.expand(16, -1, -1), b.expand(16, -1, -1)
    return {
        "pot_500": pot(numItermax=updates, stopThr=0, warn=False),
        "sotlib_500": ours(**exact),
        "sotlib_500_in_batch_of_16": median_time(
            lambda: sinkhorn_grid(*batch, epsilon=epsilon, **exact), 3
        )
        / 16,
        "pot_to_1e-4": pot(numItermax=updates, stopThr=1e-4),
        "sotlib_to_1e-4": ours(),
    }


def growth(epsilon=1e-2, updates=20):
    """Seconds per update against the number of bins; None where a peer was left out.

    Of geomloss, which lowers ε by itself, seconds per solve.
    """
    try:
        import geomloss
    except ImportError:
        geomloss = None
    rows = []
    for bins, frames in SIZES:
        a, b = random_pair(bins, frames)
        exact = {"max_iter": updates, "tol": 0.0}
        row = {
            "bins": bins * frames,
            "sotlib": median_time(lambda: sinkhorn_grid(a, b, epsilon=epsilon, **exact)) / updates,  # noqa: B023
            "sotlib_log": median_time(lambda: sinkhorn_grid(a, b, epsilon=1e-3, **exact)) / updates,  # noqa: B023
            "pot": None,
            "geomloss": None,
        }
        if bins * frames <= LARGEST_FOR_PEERS:
            cost = cost_matrix(bins, frames)
            arguments = a.flatten().numpy(), b.flatten().numpy(), cost, epsilon * cost.max()
            options = {"numItermax": updates, "stopThr": 0, "warn": False}
            row["pot"] = median_time(lambda: ot.sinkhorn2(*arguments, **options), 3) / updates  # noqa: B023
            if geomloss is not None:
                points = torch.cartesian_prod(torch.arange(bins), torch.arange(frames)).double()
                blur = (epsilon * cost.max() / 2) ** 0.5  # its cost is half the square
                loss = geomloss.SamplesLoss(
                    blur=blur, scaling=0.9, debias=False, backend="tensorized"
                )
                mass = a.flatten(), b.flatten()
                row["geomloss"] = median_time(
                    lambda: loss(mass[0], points, mass[1], points),  # noqa: B023
                    1,
                )
        rows.append(row)
    return rows


def two_second_pair():
    """A pair of 2 s signals at 8 kHz: 257 bins × 63 frames, ε = 1e-3, marginal error 1e-4."""
    x, y = note(0.3, 220.0).requires_grad_(), note(0.5, 330.0)
    stft = STFT(fft_size=512, hop_length=256, window="hann", sample_rate=RATE)
    a, b = (s / s.sum() for s in (stft(x.detach()), stft(y)))
    axes = {
        "freqs": stft.positions("absolute"),
        "times": torch.arange(a.shape[-1]) * 256 / RATE,
        "time_scale": 1000.0,
    }
    results = {"shape": list(a.shape)}
    for epsilon in (1e-2, 1e-3, 1e-4):
        result = sinkhorn_grid(a, b, **axes, epsilon=epsilon)
        results[f"sinkhorn_{epsilon:g}"] = {
            "seconds": median_time(lambda: sinkhorn_grid(a, b, **axes, epsilon=epsilon), 3),  # noqa: B023
            "updates": result.n_iter,
            "marginal_error": result.marginal_error.item(),
        }
    results["divergence_0.001"] = median_time(
        lambda: sinkhorn_divergence(a, b, **axes, epsilon=1e-3), 3
    )
    for name, loss in (
        ("sliced_loss_forward_backward", SlicedSpectrogramLoss(stft)),
        ("sinkhorn_loss_forward_backward", SinkhornSpectrogramLoss(stft)),
    ):
        results[name] = median_time(lambda: torch.autograd.grad(loss(x, y), x))  # noqa: B023
    results["full_matrix_gigabytes"] = a.numel() ** 2 * 8 / 1e9
    return results


def memory():
    """Peak resident memory in MB that a solve at ε = 1e-3 adds (Linux; None elsewhere)."""
    a, b = random_pair(257, 63)
    sinkhorn_grid(a, b, epsilon=1e-3, max_iter=2)
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # sets the peak back to the present
    except OSError:
        return None
    before = _resident("VmRSS")
    sinkhorn_grid(a, b, epsilon=1e-3)
    return _resident("VmHWM") - before


def _resident(field):
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) / 1e3


def run():
    """Measure everything; return it as nested dicts of seconds (and MB)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a set number of updates does not converge
        return {
            "threads": torch.get_num_threads(),
            "same_updates": same_updates(),
            "growth": growth(),
            "two_second_pair": two_second_pair(),
            "memory_mb": memory(),
        }


def main():
    results = run()
    updates = results["same_updates"]
    print(json.dumps(updates, indent=1))
    print("64 × 32 bins, ε = 1e-2, double precision (POT / sotlib)")
    print(f"  500 updates               {updates['pot_500'] / updates['sotlib_500']:8.0f} ×")
    batch = updates["pot_500"] / updates["sotlib_500_in_batch_of_16"]
    print(f"  500 updates, 16 at a time {batch:8.0f} ×")
    print(
        f"  to marginal error 1e-4    {updates['pot_to_1e-4'] / updates['sotlib_to_1e-4']:8.0f} ×"
    )
    print("Milliseconds per update: bins, sotlib ε = 1e-2, ε = 1e-3, POT, POT / sotlib")
    for row in results["growth"]:
        peer = f"{1e3 * row['pot']:9.3f} {row['pot'] / row['sotlib']:8.1f} ×" if row["pot"] else ""
        times = f"{1e3 * row['sotlib']:8.3f} {1e3 * row['sotlib_log']:8.3f}"
        print(f"  {row['bins']:6d} {times} {peer}")
    print(json.dumps({k: results[k] for k in ("two_second_pair", "memory_mb")}, indent=1))


if __name__ == "__main__":
    main()
