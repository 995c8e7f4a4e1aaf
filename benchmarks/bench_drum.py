"""The drum against evaluating every mode at every sample; throughput of the metric.

Run: python benchmarks/bench_drum.py [results.json]
"""

import json
import math
import resource
import statistics
import sys
import time

import torch

from sotlib.drum import LOG10, modal_decays, modal_frequencies, rectangular_drum
from sotlib.drum_sounds import DrumSounds
from sotlib.pnp import riemannian_metric
from sotlib.scaler import ParameterScaler

BATCH, SAMPLES = 64, 2**16
METRICS, METRIC_SAMPLES = 100, 2**14


def every_mode_at_every_sample(theta: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What one writes first: e^{-σt} sin(ωt) on a grid of modes and samples, for one sound.

    In single precision the phases, and so the sound, are off; it is timed as the cheaper peer.
    """
    seconds = torch.arange(SAMPLES, dtype=torch.float64) * (SAMPLES / (SAMPLES - 1) / 22050)
    angular = (2 * math.pi * modal_frequencies(theta)).flatten(1)[..., None]
    decay = modal_decays(theta).flatten(1)[..., None].to(dtype)
    strike = torch.sin(0.4 * math.pi * torch.arange(1, 11)) ** 2
    level = (torch.outer(strike, strike).flatten()[:, None] / angular).to(dtype)
    level = level * (angular < math.pi * 22050)
    angular, seconds = angular.to(dtype), seconds.to(dtype)
    sound = (level * torch.exp(-decay * seconds) * torch.sin(angular * seconds)).sum(1)
    return sound / sound.abs().amax(1, keepdim=True)


def log_spectrogram(sound: torch.Tensor) -> torch.Tensor:
    """log(1 + 1000 |STFT|) of 1024-sample frames."""
    window = torch.hann_window(1024, dtype=sound.dtype, device=sound.device)
    spectrum = torch.stft(sound, 1024, 256, window=window, center=False, return_complex=True)
    return (1000 * spectrum.abs()).log1p().flatten(1)


def median_seconds(action, repeats: int = 5) -> float:
    """Median wall time after one warm-up."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_memory() -> float:
    """Largest resident size of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def forward_and_backward(synthesis, theta: torch.Tensor) -> None:
    theta = theta.clone().requires_grad_()
    synthesis(theta).square().mean().backward()


def run() -> dict:
    """Time everything; seconds for each sound, and ratios to ours."""
    drums = DrumSounds("test").theta[:: 10_000 // BATCH][:BATCH].float()
    results = {"threads": torch.get_num_threads(), "batch": BATCH, "samples": SAMPLES}

    before = peak_memory()
    results["drum_forward"] = median_seconds(lambda: rectangular_drum(drums)) / BATCH
    results["drum_backward"] = (
        median_seconds(lambda: forward_and_backward(rectangular_drum, drums)) / BATCH
    )
    results["memory_gb"] = peak_memory() - before
    exact = rectangular_drum(drums.double())
    results["single_precision_error"] = (rectangular_drum(drums) - exact).abs().max().item()

    for name, dtype in {"single": torch.float32, "double": torch.float64}.items():
        one = drums[:1].to(dtype)
        naive = lambda t, dtype=dtype: every_mode_at_every_sample(t, dtype)  # noqa: E731
        forward = median_seconds(lambda naive=naive, one=one: naive(one))
        backward = median_seconds(lambda naive=naive, one=one: forward_and_backward(naive, one))
        results[f"naive_{name}_forward"], results[f"naive_{name}_backward"] = forward, backward
        results[f"ratio_{name}_forward"] = forward / results["drum_forward"]
        results[f"ratio_{name}_backward"] = backward / results["drum_backward"]

    sounds = DrumSounds("train")
    scaler = ParameterScaler.fit(sounds.theta, log10=LOG10)
    scaled = scaler(sounds.theta[:: len(sounds) // METRICS][:METRICS]).float()

    def features(parameters):
        return log_spectrogram(rectangular_drum(scaler.inverse(parameters), samples=METRIC_SAMPLES))

    for chunk in (1, 4, 16):
        seconds = median_seconds(
            lambda chunk=chunk: riemannian_metric(features, scaled, chunk=chunk), repeats=3
        )
        results[f"metrics_per_second_chunk_{chunk}"] = METRICS / seconds
    one_by_one = median_seconds(
        lambda: riemannian_metric(features, scaled, vectorize=False), repeats=3
    )
    results["metrics_per_second_one_direction_at_a_time"] = METRICS / one_by_one
    features_alone = median_seconds(lambda: [features(part) for part in scaled.split(16)])
    results["metric_over_features_alone"] = (
        METRICS / results["metrics_per_second_chunk_16"] / features_alone
    )
    return results


def main() -> None:
    torch.set_num_threads(2)
    results = run()
    print(f"{BATCH} drums of {SAMPLES} samples, milliseconds a sound, {results['threads']} threads")
    print(f"{'':34}{'forward':>10}{'and backward':>14}")
    for label, key in {
        "sotlib": "drum",
        "every mode and sample, float32": "naive_single",
        "every mode and sample, float64": "naive_double",
    }.items():
        times = (1e3 * results[f"{key}_{way}"] for way in ("forward", "backward"))
        print(f"{label:34}{next(times):10.2f}{next(times):14.2f}")
    for name in ("single", "double"):
        ratios = (results[f"ratio_{name}_{way}"] for way in ("forward", "backward"))
        print(f"{'  times ours, ' + name:34}{next(ratios):10.0f}{next(ratios):14.0f}")
    print(f"memory for the batch, backward included: {results['memory_gb']:.2f} GB")
    print(f"float32 against float64: {results['single_precision_error']:.1e} of the peak")
    print(f"\nM of {METRICS} drums of {METRIC_SAMPLES} samples, log STFT, sounds a second")
    for key, value in results.items():
        if key.startswith("metric"):
            print(f"{key:46}{value:8.1f}")
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w") as file:
            json.dump(results, file, indent=2)


if __name__ == "__main__":
    main()
