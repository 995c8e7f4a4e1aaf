"""A training step of the SOT table's autoencoder, its parts, and how to use two cores."""

import math
import os
import subprocess
import sys
from typing import Any
from unittest import mock

import scipy.signal
import torch

from sotlib.companion.benchmarks import beside, compare
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.runner.executors import SETTINGS
from sotlib.pitch import _layers
from sotlib.synths import harmonic as harmonic_synth
from sotlib.synths._varying_harmonics import _definition

ROW = sot_table.ROWS["SOT-2048"]
BATCH = 64
IN_A_PROCESS = """
import sys, time, torch
sys.path.insert(0, "benchmarks")
torch.set_num_threads(int(sys.argv[1]))
from bench_training import Step
frames = int(sys.argv[2])
step, repeats = Step(frames), 20 if frames == 1 else 5
for _ in range(3):
    step()
print("ready", flush=True)
input()
start = time.perf_counter()
for _ in range(repeats):
    step()
print((time.perf_counter() - start) / repeats)
"""


class Step:
    """One step of training on 64 signals."""

    def __init__(self, frames):
        fold = sot_table.prepare("train", 100, frames)
        self.features, self.signals = fold.features[:BATCH], fold.signals[:BATCH]
        self.model = sot_table.make_model(ROW)
        self.comparison = sot_table.Comparison(ROW)
        self.targets = self.comparison.targets(self.signals)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4, weight_decay=1e-4)

    def loss(self, sound):
        return self.comparison(sound, self.targets)

    def __call__(self):
        self.optimizer.zero_grad()
        self.loss(self.model(self.features).sound).backward()
        self.optimizer.step()


class StraightforwardStep(Step):
    """The same of torch's own operations, which also transform the targets in every step."""

    def loss(self, sound):
        mss = sum(
            (
                spectrum(sound, size, size // 4, "hann")
                - spectrum(self.signals, size, size // 4, "hann")
            )
            .abs()
            .mean()
            for size in ROW.scales
        )
        target, other = (
            spectrum(s, ROW.transport_fft, 256, "flattop").square() for s in (self.signals, sound)
        )
        mass = target.sum(-1, keepdim=True)
        positions = self.comparison.positions
        return ROW.mss_weight * mss + sorted_transport(target / mass, other / mass, positions)

    def __call__(self):
        with (
            mock.patch.object(_layers, "FEWEST", math.inf),
            mock.patch.object(
                harmonic_synth,
                "varying_harmonics",
                lambda f0, amplitudes, options: _definition(options, f0, amplitudes),
            ),
        ):
            super().__call__()


def spectrum(sound, size, hop, window):
    """Magnitudes (batch, frames, bins), zeros after the end, as the public code has them."""
    window = torch.from_numpy(scipy.signal.get_window(window, size)).to(sound)
    frames = -(-sound.shape[-1] // hop)
    padded = torch.nn.functional.pad(sound, (0, (frames - 1) * hop + size - sound.shape[-1]))
    options = {"window": window, "center": False, "normalized": True, "return_complex": True}
    return torch.stft(padded, size, hop, **options).abs().transpose(1, 2)


def sorted_transport(x, y, positions):
    """Mean W2² up to level 1 by sorting all cumulative sums, differentiated automatically."""
    x, y = x.flatten(0, -2).cumsum(-1), y.flatten(0, -2).cumsum(-1)
    levels = torch.cat([x, y], -1).sort(-1).values
    quantiles = [
        positions[torch.searchsorted(c, levels).clamp(max=c.shape[-1] - 1)] for c in (x, y)
    ]
    steps = torch.diff(levels.clamp(max=1), dim=-1, prepend=torch.zeros(len(levels), 1))
    return (steps * (quantiles[0] - quantiles[1]).square()).sum(-1).mean()


def parts(step):
    """The step taken apart; losses compute their gradients in the forward pass."""
    model, comparison = step.model, step.comparison
    sound = model(step.features).sound.detach()
    output = model(step.features)
    spectra = [t.transpose(-1, -2) for t in step.targets]
    f0, amplitudes = output.f0.detach(), output.amplitudes.detach()

    def with_gradient(function):
        def run():
            function(sound.clone().requires_grad_()).backward()

        return run

    def transport(x):
        return comparison.transport(spectra[-1], comparison.stft(x), comparison.positions)

    def encode():
        encoded = model.encoder(step.features.flatten(0, 1))
        (encoded.logits.sum() + encoded.amplitudes.sum()).backward()

    def synthesise():
        controls = [c.clone().requires_grad_() for c in (f0, amplitudes)]
        model.synth(*controls).sum().backward()

    return {
        "encoder, forward and backward": encode,
        "synthesiser, forward and backward": synthesise,
        "MSS, forward and backward": with_gradient(
            lambda x: comparison.mss(x, tuple(spectra[:-1]))
        ),
        "STFT and transport, forward and backward": with_gradient(transport),
        "whole step, forward only": lambda: step.loss(model(step.features).sound),
    }


def two_cores():
    """Seconds per step on two cores: two runs side by side, and one with two threads."""
    return {
        "two runs side by side, one thread each": _steps(runs=2) / 2,
        "one run with two threads": _steps(threads=2),
    }


def memory(frames):
    """Seconds per step on one thread, with freed memory kept and with glibc's defaults."""
    kept = {name: value for name, value in SETTINGS.items() if name.startswith("MALLOC")}
    rest = {name: value for name, value in os.environ.items() if name not in kept}
    return {
        "freed memory is kept": _steps(frames=frames, environment=rest | kept),
        "glibc's defaults": _steps(frames=frames, environment=rest),
    }


def _steps(*, threads=1, runs=1, frames=1, environment=None):
    command = [sys.executable, "-c", IN_A_PROCESS, str(threads), str(frames)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes: list[Any] = [
        subprocess.Popen(command, env=environment, **pipes) for _ in range(runs)
    ]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in processes) / runs


def run():
    """Time everything; see `sotlib.companion.benchmarks` for what is returned."""
    rows = []
    for frames in (1, 16):
        ours, plain = Step(frames), StraightforwardStep(frames)
        torch.testing.assert_close(ours.loss(ours.signals * 0.7), plain.loss(ours.signals * 0.7))
        task = f"a training step, {BATCH} signals, {frames} frame{'s' * (frames > 1)} each"
        rows += compare(task, {"prepared targets": ours, "straightforward": plain})
        rows += compare(f"{task}: its parts", {"whole step": ours, **parts(ours)})
        rows += beside(f"{task}, on one thread", memory(frames))
    rows += beside("a step on two cores", two_cores())
    return {
        "title": "Training the harmonic autoencoder",
        "measures": "A step of SOT-2048 (encoder, synthesiser, losses, backward, Adam) with "
        "prepared targets, beside a straightforward one of torch's own layers, sines and STFT that "
        "computes the spectra of targets at every step and transports by sorting; its parts; what "
        "it costs to take memory anew in each step; and how to use two cores.",
        "device": "cpu",
        "seeds": [0],
        "rows": rows,
    }
