"""A training step of the SOT table's autoencoder, its parts, and how to use two cores."""

import subprocess
import sys

import torch

from sotlib import MultiScaleSpectralLoss
from sotlib.benchmarks import compare, show
from sotlib.experiments import sot_table

ROW = sot_table.ROWS["SOT-2048"]
BATCH = 64
SIDE_BY_SIDE = """
import sys, time, torch
sys.path.insert(0, "benchmarks")
torch.set_num_threads(int(sys.argv[1]))
from bench_training import Step
step = Step(frames=1)
for _ in range(3):
    step()
print("ready", flush=True)
input()
start = time.perf_counter()
for _ in range(20):
    step()
print((time.perf_counter() - start) / 20)
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
    """The same without preparation: target spectra every time, transport by sorting."""

    def __init__(self, frames):
        super().__init__(frames)
        self.mss = MultiScaleSpectralLoss(log_weight=0.0)

    def loss(self, sound):
        mss = ROW.mss_weight * self.mss(sound, self.signals)
        target, other = (self.comparison.stft(s).transpose(1, 2) for s in (self.signals, sound))
        mass = target.sum(-1, keepdim=True)
        return mss + sorted_transport(target / mass, other / mass, self.comparison.positions)


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
    """Seconds per step on two cores: one run with two threads, and two runs side by side."""
    alone = _steps(threads=2, runs=1)
    beside = _steps(threads=1, runs=2)
    return [
        {"name": "two runs side by side, one thread each", "seconds": beside / 2},
        {"name": "one run with two threads", "seconds": alone},
    ]


def _steps(threads, runs):
    command = [sys.executable, "-c", SIDE_BY_SIDE, str(threads)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(runs)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in processes) / runs


def run():
    """Time everything; see `sotlib.benchmarks` for what is returned."""
    rows = []
    for frames in (1, 16):
        ours, plain = Step(frames), StraightforwardStep(frames)
        torch.testing.assert_close(ours.loss(ours.signals * 0.7), plain.loss(ours.signals * 0.7))
        task = f"a training step, {BATCH} signals, {frames} frame{'s' * (frames > 1)} each"
        rows += compare(task, {"prepared targets": ours, "straightforward": plain})
        rows += compare(f"{task}: its parts", {"whole step": ours, **parts(ours)})
    beside = two_cores()
    rows += [
        {"task": "a step on two cores", **row, "ratio": row["seconds"] / beside[0]["seconds"]}
        for row in beside
    ]
    return {
        "title": "Training the harmonic autoencoder",
        "measures": "A step of SOT-2048 (encoder, synthesiser, losses, backward, Adam) with "
        "prepared targets, beside a straightforward one that computes the spectra of targets at "
        "every step and transports by sorting; its parts; and steps per second on two cores.",
        "device": "cpu",
        "seeds": [0],
        "rows": rows,
    }


def main() -> None:
    print(show(run()))


if __name__ == "__main__":
    main()
