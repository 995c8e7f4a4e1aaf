"""Every loss that the book compares, at the same work: what a step and a longer sound cost."""

import sys
import types
from collections.abc import Callable, Mapping

import auraloss
import torch

from sotlib import HarmonicSynth
from sotlib.companion.benchmarks import added_megabytes, beside, compare, grow
from sotlib.companion.experiments.compare.losses import LOSSES

# sot-loss imports it for its mel transform, which is not timed here.
sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))
import sot  # noqa: E402

RATE, BATCH = 16000, 8
BASELINE = "MSS-LogLin"
LENGTHS = [2**n for n in range(12, 18)]
BATCHES = [1, 2, 4, 8, 16, 32]


def multi_resolution(rate, samples):
    loss = auraloss.freq.MultiResolutionSTFTLoss()
    return lambda x, y: loss(x[:, None], y[:, None])


def mel(rate, samples):
    loss = auraloss.freq.MelSTFTLoss(rate, n_mels=64)
    return lambda x, y: loss(x[:, None], y[:, None])


def transport(rate, samples):
    return sot.Wasserstein1DLoss(fft_size=2048, sample_rate=rate, square_magnitude=True)


PEERS = {
    "auraloss: MR-STFT": multi_resolution,
    "auraloss: one mel STFT": mel,
    "sot-loss: SOT-2048": transport,
}


def sounds(batch, samples):
    """Two batches of harmonic sounds with a little noise, as a training may compare."""
    draw = torch.Generator().manual_seed(0)
    synth = HarmonicSynth(samples=samples, sample_rate=RATE)
    pitch = 100 * 2 ** (3 * torch.rand(2, batch, 1, generator=draw))
    amplitudes = torch.rand(2, batch, 1, 8, generator=draw) / 8
    noise = 1e-3 * torch.randn(2, batch, samples, generator=draw)
    return [synth(f, a) + n for f, a, n in zip(pitch, amplitudes, noise, strict=True)]


def placed(loss, device: str):
    """A loss with what it holds on a device: a function holds it in its closure."""
    if isinstance(loss, torch.nn.Module | torch.Tensor):
        return loss.to(device)
    inside = vars(loss) if hasattr(loss, "__dict__") else {}
    for name, held in inside.items():
        setattr(loss, name, placed(held, device))
    for cell in getattr(loss, "__closure__", None) or ():
        cell.cell_contents = placed(cell.cell_contents, device)
    return [placed(part, device) for part in loss] if isinstance(loss, list) else loss


def step(build: Callable, batch=BATCH, samples=RATE, device="cpu") -> Callable[[], None]:
    """A loss and its gradient in the first sounds, as a function without arguments."""
    loss = placed(build(RATE, samples), device)
    x, y = (sound.to(device) for sound in sounds(batch, samples))

    def run():
        signal = x.clone().requires_grad_()
        loss(signal, y).sum().backward()

    return run


def value(build: Callable, device="cpu") -> Callable[[], None]:
    """The loss alone, as in a validation."""
    loss = placed(build(RATE, RATE), device)
    x, y = (sound.to(device) for sound in sounds(BATCH, RATE))

    def run():
        with torch.no_grad():
            loss(x, y)

    return run


def ours() -> Mapping[str, Callable]:
    """Builders, the baseline first."""
    names = [BASELINE, *(name for name in LOSSES if name != BASELINE)]
    return {name: LOSSES[name].build for name in names}


def run(device="cpu"):
    """Time everything; see `sotlib.companion.benchmarks` for what is returned."""
    work = f"a loss of {BATCH} sounds of 1 s at {RATE // 1000} kHz, and its gradient"
    losses = {**ours(), **PEERS}
    steps = {name: step(build, device=device) for name, build in losses.items()}
    rows = compare(work, steps, repeats=3)
    alone = work.removesuffix(", and its gradient")
    values = {name: value(build, device) for name, build in losses.items()}
    rows += compare(alone, values, repeats=3)
    for seconds in (1, 4):
        calls = {k: step(v, samples=seconds * RATE, device=device) for k, v in losses.items()}
        memory = {name: added_megabytes(call, device) for name, call in calls.items()}
        known = {name: megabytes for name, megabytes in memory.items() if megabytes}
        rows += beside(f"memory for {work.replace('1 s', f'{seconds} s')}", known, "megabytes")

    def longer(build):
        return lambda samples: step(build, batch=2, samples=samples, device=device)

    def more(build):
        return lambda batch: step(build, batch=batch, samples=RATE // 4, device=device)

    lengths = grow("samples", LENGTHS, {k: longer(v) for k, v in losses.items()}, repeats=3)
    batches = grow("sounds of ¼ s", BATCHES, {k: more(v) for k, v in losses.items()}, repeats=3)
    return {
        "title": "All losses at the same work",
        "measures": f"Harmonic sounds with a little noise; ratios are to {BASELINE}. Names as in "
        "the table of losses that the book compares, and, after a colon, what other packages have "
        "(kymatio's scattering: see above). Growth is over the length of two sounds.",
        "device": device,
        "rows": rows,
        "lengths": lengths,
        "batches": batches,
        "settings": {name: loss.settings for name, loss in LOSSES.items()},
    }
