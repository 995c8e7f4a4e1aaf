"""Joint time-frequency scattering of one 2**16-sample signal, as the drum paper uses it.

Times are medians after a warm-up, all in one process with two threads: the transform without and
with its gradient, alone and in a batch of eight; a direct evaluation in which every filter runs at
the full rate; and the parts of the transform that no implementation of this kind can avoid, its
Fourier transforms, and then its matrix products, each alone on tensors of the same shapes.
"""

import statistics
import time

import torch

from sotlib.scattering import TimeFrequencyScattering, gaussian, morlet

SAMPLES = 2**16
SETTING = {"J": 13, "Q": (12, 1), "J_fr": 3, "T": "global", "F": 8}
BATCH = 8


def median_times(functions: dict, rounds: int = 7) -> dict[str, float]:
    """Median time of each; they take turns, so that a disturbance does not hit one alone."""
    times = {name: [] for name in functions}
    for attempt in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if attempt > 0:  # the first round warms up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def without_gradient(scattering, x):
    with torch.no_grad():
        return scattering(x)


def with_gradient(scattering, x):
    x = x.detach().requires_grad_()
    scattering(x).square().sum().backward()
    return x.grad


@torch.no_grad()
def direct(scattering, x):
    """The same coefficients of order 2 by full-rate filters, before any average over channels."""
    s = scattering.setting
    right = s.padded - s.samples - s.left
    padded = torch.nn.functional.pad(x[None, None], (s.left, right), mode="reflect")[0, 0]
    spectrum = torch.fft.fft(padded)
    scalogram = []
    for wavelet in s.psi1:
        response = as_float(morlet(s.padded, wavelet.xi, wavelet.sigma))
        scalogram.append(torch.fft.ifft(spectrum * response).abs())
    spectra = torch.fft.fft(torch.stack(scalogram))
    over_channels = [gaussian(s.padded_fr, 2**s.J_fr)]
    over_channels += [morlet(s.padded_fr, w.xi, w.sigma) for w in s.psi_fr[1:]]
    means = []
    for n2, wavelet in enumerate(s.psi2):
        channels = s.channels(n2)
        if not channels:
            continue
        response = as_float(morlet(s.padded, wavelet.xi, wavelet.sigma))
        bands = torch.fft.ifft(spectra[:channels] * response)[:, s.left : s.left + s.samples]
        sums = torch.zeros(len(over_channels), s.padded_fr)
        for part in bands.split(4096, dim=1):
            stack = torch.fft.fft(part, n=s.padded_fr, dim=0)
            for n_fr, filter_ in enumerate(over_channels):
                moduli = torch.fft.ifft(stack * as_float(filter_)[:, None], dim=0).abs()
                sums[n_fr] += moduli.sum(dim=1)
        means.append(sums / s.samples)
    return means


def as_float(response):
    return torch.from_numpy(response).float()


def rates(scattering):
    """(channels, samples) of every array that is transformed back, for each order."""
    s = scattering.setting
    first = {}
    for wavelet in s.psi1:
        first[s.padded >> wavelet.j] = first.get(s.padded >> wavelet.j, 0) + 1
    second = [(s.channels(n2), s.padded >> w.j) for n2, w in enumerate(s.psi2) if s.channels(n2)]
    return [(count, length) for length, count in first.items()], second


def fourier_transforms(scattering):
    """A function that does the Fourier transforms of one forward pass and nothing else."""
    first, second = rates(scattering)
    bands = [torch.randn(*shape, dtype=torch.complex64) for shape in first + second]
    moduli = [torch.randn(*shape) for shape in first]
    signal = torch.randn(scattering.setting.padded)

    def transform():
        torch.fft.rfft(signal)
        for band in bands:
            torch.fft.ifft(band)
        for modulus in moduli:
            torch.fft.rfft(modulus)

    return transform


def matrix_products(scattering):
    """A function that does the convolutions over channels of one forward pass, nothing else."""
    s = scattering.setting
    _, second = rates(scattering)
    inside = [(channels, length * s.samples // s.padded) for channels, length in second]
    table = scattering._table(torch.float32)
    convolve = [t for n in range(len(s.psi2)) if (t := table(f"convolve{n}")) is not None]
    signals = [torch.randn(2 * channels, length) for channels, length in inside]

    def multiply():
        for matrix, signal in zip(convolve, signals, strict=True):
            for part in signal.split(1024, dim=1):
                matrix @ part

    return multiply


def run(include_direct: bool = True) -> dict[str, float]:
    """Times in seconds; those of the batch are for all its signals."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        start = time.perf_counter()
        scattering = TimeFrequencyScattering(SAMPLES, **SETTING)
        results = {"construction": time.perf_counter() - start}
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(SAMPLES, generator=generator)
        batch = torch.randn(BATCH, SAMPLES, generator=generator)
        results |= median_times(
            {
                "Fourier transforms alone": fourier_transforms(scattering),
                "matrix products alone": matrix_products(scattering),
                "forward": lambda: without_gradient(scattering, x),
                "forward and backward": lambda: with_gradient(scattering, x),
                "forward, batch of 8": lambda: without_gradient(scattering, batch),
                "forward and backward, batch of 8": lambda: with_gradient(scattering, batch),
            }
        )
        if include_direct:
            start = time.perf_counter()
            direct(scattering, x)
            results["direct, full rate, order 2"] = time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)
    return results


def main() -> None:
    results = run()
    print(f"{'':34}{'seconds':>9}{'per signal / forward':>22}")
    for name, seconds in results.items():
        signals = BATCH if "batch" in name else 1
        print(f"{name:34}{seconds:9.3f}{seconds / signals / results['forward']:22.2f}")


if __name__ == "__main__":
    main()
