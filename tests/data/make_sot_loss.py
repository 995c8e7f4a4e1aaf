"""Write `sot_loss.npz` and `.json` with the package `sot-loss`, in an environment of its own.

$ python -m venv scratch
$ scratch/bin/pip install sot-loss==0.1.5
$ scratch/bin/python tests/data/make_sot_loss.py
"""

import inspect
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import sot
import torch
from sot.losses import _BaseSOTLoss, wasserstein_1d_circle

FOLDER = Path(__file__).parent
SAMPLES, SAMPLE_RATE = 2500, 16000

# Between them they set every option of the package that the library has; the rest are defaults.
SETTINGS = [
    {"transform": "stft"},
    {"transform": "stft", "fft_size": 2048, "hop_length": 512, "square_magnitude": True},
    {"transform": "stft", "fft_size": 512, "hop_length": 128, "window": "hann", "p": 1},
    {"transform": "stft", "square_magnitude": True, "balanced": False, "quantile_lowpass": True},
    {"transform": "stft", "normalize": False, "balanced": False, "p": 1},
    {"transform": "stft", "apply_root": True, "square_magnitude": True},
    {"transform": "mel", "n_mels": 64},
    {"transform": "cqt", "fmin": 240.0, "n_bins": 100, "window": "hann"},
    {"transform": "cqt", "fmin": 120.0, "n_bins": 120, "bins_per_semitone": 2, "gamma": 20.0,
     "bin_position_scaling": "normalized_linear"},
    {"transform": "stft", "dim": -2},
    {"transform": "stft", "bin_position_scaling": "absolute", "p": 1, "win_length": 800},
    {"cls": "MultiResolutionSOTLoss", "square_magnitude": True},
]  # fmt: skip

# With other gradients than the library's, and with other values.
OTHERS = {
    "circle": {"transform": "stft", "square_magnitude": True, "circular": True, "p": 1},
    "log": {"transform": "stft", "log": True, "p": 1},
}


def signals():
    """Two pairs: harmonic tones in faint noise, and noise.

    Without the noise the gradient at the empty bins would be the rounding of the FFT.
    """
    random = np.random.default_rng(0)
    t = np.arange(SAMPLES) / SAMPLE_RATE
    pair = []
    for pitch, phase in ((220.0, 0.0), (247.0, 1.0)):
        tone = sum(0.5 / k * np.sin(2 * np.pi * k * pitch * t + k * phase) for k in range(1, 13))
        faint = 0.01 * random.standard_normal(SAMPLES)
        pair.append(np.stack([tone + faint, 0.3 * random.standard_normal(SAMPLES)]))
    return [torch.from_numpy(part.astype(np.float32)) for part in pair]


def chroma():
    """Transport on the circle of twelve pitch classes, and its gradient."""
    a, b = torch.from_numpy(np.random.default_rng(1).dirichlet(np.ones(12), (2, 50)))
    positions = (torch.arange(12, dtype=a.dtype) / 12).expand_as(a)
    a.requires_grad_()
    value = wasserstein_1d_circle(positions, positions, a, b)
    value.sum().backward()
    arrays = {"a": a.detach(), "b": b, "loss": value.detach(), "grad_a": a.grad}
    return {f"chroma/{name}": array.numpy() for name, array in arrays.items()}


def defaults():
    """Every option of both classes with its default value."""
    inits = {
        "Wasserstein1DLoss": (_BaseSOTLoss.__init__, sot.Wasserstein1DLoss.__init__),
        "MultiResolutionSOTLoss": (sot.MultiResolutionSOTLoss.__init__,),
    }
    return {
        name: {
            option.name: option.default
            for init in functions
            for option in inspect.signature(init).parameters.values()
            if option.default is not option.empty
        }
        for name, functions in inits.items()
    }


def main():
    assert version("sot-loss") == "0.1.5"
    x, y = signals()
    arrays = {"x": x.numpy(), "y": y.numpy()}
    settings = [
        {"cls": "Wasserstein1DLoss", "sample_rate": SAMPLE_RATE} | options for options in SETTINGS
    ]
    for k, options in enumerate(settings):
        loss = getattr(sot, options["cls"])(**{n: v for n, v in options.items() if n != "cls"})
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        value = loss(a, b)
        value.backward()
        arrays |= {f"{k}/loss": value.item(), f"{k}/grad_x": a.grad, f"{k}/grad_y": b.grad}
        print(k, options, value.item())
    for name, options in OTHERS.items():
        value = sot.Wasserstein1DLoss(sample_rate=SAMPLE_RATE, **options)(x, y)
        arrays[f"{name}/loss"] = value.item()
    arrays |= chroma()
    np.savez_compressed(FOLDER / "sot_loss.npz", **arrays)
    content = {"defaults": defaults(), "settings": settings, "others": OTHERS}
    (FOLDER / "sot_loss.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
