"""Joint time-frequency scattering in the drum paper's setting, and where its time goes."""

from typing import Any

import scrapl  # which brings its kymatio along
import torch
from torch.nn.functional import pad

from sotlib import JTFSLoss, TimeFrequencyScattering
from sotlib.companion.benchmarks import added_megabytes, beside, compare
from sotlib.scattering import gaussian, morlet

SAMPLES, BATCH = 2**16, 8
SETTING: dict[str, Any] = {"J": 13, "Q": (12, 1), "J_fr": 3, "T": "global", "F": 8}

# The setting in which the authors of SCRAPL publish times.
LOSS_SAMPLES = 2**15
LOSS: dict[str, Any] = {"J": 12, "J_fr": 3, "Q_fr": 2, "T": 2**12, "F": 8}
Q = (8, 2)


def loss_step(transform):
    """Squared distance of coefficients and its gradient, as a function without arguments."""
    x, y = torch.randn(2, LOSS_SAMPLES, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        target = transform(y)

    def step():
        signal = x.clone().requires_grad_()
        (transform(signal) - target).square().sum().backward()

    return step


def one_path_step():
    """SCRAPL's step, with a path drawn at random, without what it does to the optimiser."""
    return random_step(
        scrapl.SCRAPLLoss(
            LOSS_SAMPLES, Q1=Q[0], Q2=Q[1], use_p_adam=False, use_p_saga=False, **LOSS
        )
    )


def random_step(loss):
    """A loss of two signals and its gradient, as a function without arguments."""
    x, y = torch.randn(2, 1, 1, LOSS_SAMPLES, generator=torch.Generator().manual_seed(0))

    def step():
        signal = x.clone().requires_grad_()
        loss(signal, y).backward()

    return step


def losses() -> list[dict]:
    """Rows for a loss and its gradient, beside the transform that comes with scrapl-loss."""
    from kymatio.scattering1d.frontend.torch_frontend import TimeFrequencyScatteringTorch

    theirs = TimeFrequencyScatteringTorch(shape=(LOSS_SAMPLES,), Q=Q, format="time", **LOSS)
    ours = TimeFrequencyScattering(LOSS_SAMPLES, Q=Q, **LOSS)
    steps = {
        "sotlib": loss_step(ours),
        "kymatio, as scrapl-loss has it": loss_step(theirs),
    }
    what = f"a loss of {LOSS_SAMPLES} samples and its gradient"
    times = steps | {
        "sotlib, orders 0 and 1 and one random path": random_step(JTFSLoss(ours, random_paths=1)),
        "sotlib, the same with eight": random_step(JTFSLoss(ours, random_paths=8)),
        "scrapl-loss, one random path": one_path_step(),
    }
    # Of all that is padded: forward, again for the gradient, and back.
    times["the matrix products over channels alone"] = matrix_products(
        ours, times=3, samples=ours.setting.padded
    )
    rows = compare(what, times, repeats=5)
    memory = {name: added_megabytes(step) for name, step in steps.items()}
    known = {name: value for name, value in memory.items() if value is not None}
    return rows + (beside(f"memory for {what}", known, "megabytes") if known else [])


@torch.no_grad()
def without_gradient(scattering, x):
    return scattering(x)


def with_gradient(scattering, x):
    x = x.detach().requires_grad_()
    scattering(x).square().sum().backward()


STEPS = {"forward": without_gradient, "forward and backward": with_gradient}


def settings(x) -> list[dict]:
    """Rows for what the drum paper's text states, and for what its authors' code does."""
    stated = SETTING | {"J_fr": 5, "F": 24, "padding": "zeros"}
    ways = {
        "J_fr = 3, F = 8": TimeFrequencyScattering(SAMPLES, **SETTING),
        "J_fr = 5, F = 24, as the paper's text": TimeFrequencyScattering(SAMPLES, **stated),
        "as its authors' code": TimeFrequencyScattering.of_pnp(SAMPLES),
    }
    named = {f"{name}: {len(way.paths)} paths": way for name, way in ways.items()}
    rows = []
    for name, step in STEPS.items():
        timed = {key: lambda step=step, way=way: step(way, x) for key, way in named.items()}
        rows += compare(f"one signal of {SAMPLES} samples, {name}, by setting", timed, repeats=3)
    return rows


def response(n, wavelet):
    return torch.from_numpy(morlet(n, wavelet.xi, wavelet.sigma)).float()


@torch.no_grad()
def direct(scattering, x):
    """Order 2 by filters at the full rate, before the average over channels."""
    s = scattering.setting
    right = s.padded - s.samples - s.left
    spectrum = torch.fft.fft(pad(x[None, None], (s.left, right), mode="reflect")[0, 0])
    moduli = [torch.fft.ifft(spectrum * response(s.padded, w)).abs() for w in s.psi1]
    spectra = torch.fft.fft(torch.stack(moduli))
    over_channels = [torch.from_numpy(gaussian(s.padded_fr, 2**s.J_fr)).float()]
    over_channels += [response(s.padded_fr, wavelet) for wavelet in s.psi_fr[1:]]
    means = []
    for n2, wavelet in enumerate(s.psi2):
        if not (channels := s.channels(n2)):
            continue
        bands = torch.fft.ifft(spectra[:channels] * response(s.padded, wavelet))
        sums = torch.zeros(len(over_channels), s.padded_fr)
        for part in bands[:, s.left : s.left + s.samples].split(4096, dim=1):
            stack = torch.fft.fft(part, n=s.padded_fr, dim=0)
            for n_fr, filter_ in enumerate(over_channels):
                filtered = torch.fft.ifft(stack * filter_[:, None], dim=0)
                sums[n_fr] += filtered.abs().sum(dim=1)
        means.append(sums / s.samples)
    return means


def shapes(scattering):
    """(channels, samples) of every array that is transformed back, for each order."""
    s = scattering.setting
    first: dict[int, int] = {}
    for wavelet in s.psi1:
        first[s.padded >> wavelet.j] = first.get(s.padded >> wavelet.j, 0) + 1
    second = [(s.channels(n2), s.padded >> w.j) for n2, w in enumerate(s.psi2) if s.channels(n2)]
    return [(count, length) for length, count in first.items()], second


def fourier_transforms(scattering):
    """A function that does the Fourier transforms of one forward pass and nothing else."""
    first, second = shapes(scattering)
    bands = [torch.randn(*shape, dtype=torch.complex64) for shape in first + second]
    real = [torch.randn(scattering.setting.padded), *(torch.randn(*shape) for shape in first)]
    return lambda: [torch.fft.rfft(x) for x in real] + [torch.fft.ifft(band) for band in bands]


def matrix_products(scattering, times=1, samples=None):
    """A function that does the convolutions over channels of one forward pass, nothing else."""
    s, samples = scattering.setting, samples or scattering.setting.samples
    table = scattering.tables(torch.float32)
    matrices = [table(f"convolve{n2}") for n2 in range(len(s.psi2)) if s.channels(n2)]
    signals = [
        torch.randn(2, channels, length * samples // s.padded)  # real and imaginary parts
        for channels, length in shapes(scattering)[1]
    ]

    def multiply():
        for matrix, signal in times * list(zip(matrices, signals, strict=True)):
            for part in signal.split(1024, dim=-1):
                matrix @ part

    return multiply


def run() -> dict:
    scattering = TimeFrequencyScattering(SAMPLES, **SETTING)
    generator = torch.Generator().manual_seed(0)
    signals = torch.randn(BATCH, SAMPLES, generator=generator)
    x, one, many = signals[0], f"one signal of {SAMPLES} samples", f"{BATCH} such signals"
    forward = {"sotlib": lambda: without_gradient(scattering, x)}
    slow = forward | {"direct, at the full rate, order 2 only": lambda: direct(scattering, x)}
    parts = {
        "sotlib, forward": forward["sotlib"],
        "sotlib, forward and backward": lambda: with_gradient(scattering, x),
        "the forward pass's Fourier transforms alone": fourier_transforms(scattering),
        "its matrix products over channels alone": matrix_products(scattering),
    }
    rows = compare(f"{one}, forward, beside a direct evaluation", slow, repeats=1)
    rows += compare(f"{one}, where the time goes", parts)
    rows += settings(x)
    for name, step in STEPS.items():
        ways = {
            "sotlib, one batch": lambda step=step: step(scattering, signals),
            "sotlib, one by one": lambda step=step: [step(scattering, x) for x in signals],
        }
        rows += compare(f"{many}, {name}", ways, repeats=3)
    rows += losses()
    return {
        "title": "Joint time-frequency scattering",
        "measures": "Noise in float32; J = 13, Q = (12, 1), J_fr = 3, global averages over time, "
        "F = 8. The direct evaluation runs every filter at the full rate, makes less (no orders 0 "
        "and 1, no average over channels), and is timed once. Fourier transforms and matrix "
        "products alone, on arrays of the same shapes, are what no such implementation can avoid. "
        "By setting: also those of the drum paper's text and of its authors' code. "
        "The loss: J = 12, Q = (8, 2), J_fr = 3, Q_fr = 2, T = 4096, F = 8.",
        "device": "cpu",
        "seeds": [0],
        "rows": rows,
        "paths": len(scattering.paths),
    }
