"""Filterbanks whose energies add up to a constant, as the PNP paper's authors had them.

The wavelets are made analytic and rescaled until their Littlewood-Paley sum, the energy that all
of them together pass at a frequency, reaches a given total near each of them: 2 for real signals,
whose negative half it stands for, and 1 where there are wavelets of both spins.
"""

import math

import numpy as np

from sotlib.scattering.filters import BANDWIDTH_AT_UNIT_SCALE, Wavelet, gaussian, morlet

# How far the low-pass of width T has fallen at the distance T from its peak.
LEVEL_AT_WIDTH = math.exp(-2 * (math.pi * BANDWIDTH_AT_UNIT_SCALE) ** 2)
SPARSE = 0.3  # two filters with a smaller overlap leave a dip between them
PASSES = 3  # after which the sums change no more than a few per mille


def analytic_bank(
    n: int, bank: list[Wavelet], total: float, low_pass: np.ndarray | None = None
) -> np.ndarray:
    """Responses on the n // 2 + 1 bins from 0 to 1/2, rescaled; all others are zero.

    ``low_pass`` is a response on n points whose energy counts, too.
    """
    half = np.stack([morlet(n, wavelet.xi, wavelet.sigma)[: n // 2 + 1] for wavelet in bank])
    half[:, -1] /= 2  # the bin at 1/2 stands for both its sides
    background = 0.0 if low_pass is None else low_pass[: n // 2 + 1] ** 2
    return half * np.sqrt(energy_gains(half**2, total, background))[:, None]


def energy_gains(energies: np.ndarray, total: float, background: np.ndarray | float) -> np.ndarray:
    """Factors to energies ``(filters, bins)``, from high to low, that make their sum ``total``."""
    peaks = energies.argmax(axis=1)
    last = len(peaks) - 1
    gains = np.ones(len(peaks))
    for _ in range(PASSES):
        # The highest has no neighbour above. Far from the second, it answers for its peak alone.
        is_sparse = last > 0 and _overlap(*(gains[:2, None] * energies[:2])) < SPARSE
        reached = gains @ energies + background
        for n, (start, stop) in enumerate(_neighbourhoods(peaks, is_sparse)):
            gains[n] *= total / reached[start:stop].max()
        if is_sparse:
            reached = gains @ energies + background
            gains[:2] *= total / reached[peaks[min(2, last)] : peaks[0] + 1].max()
    return gains


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a * b).sum() / (a + b).sum()


def _neighbourhoods(peaks: np.ndarray, is_sparse: bool) -> list[tuple[int, int]]:
    """Bins from the next lower peak to half way to the next higher one, for each filter."""
    bounds = []
    for n, peak in enumerate(peaks):
        higher = peaks[:n][peaks[:n] > peak]
        stop = math.ceil((peak + higher[-1]) / 2) if higher.size else peak
        start = peaks[n + 1] if n + 1 < len(peaks) else 1
        if n == 0 and is_sparse:
            start = stop - 1
        bounds.append((min(start, stop - 1), stop + 1))
    return bounds


def width(wavelet: Wavelet, n: int) -> int:
    """Width of a wavelet's envelope on n points: twice the distance at which φ_T has its T."""
    envelope = np.abs(np.fft.ifft(morlet(n, wavelet.xi, wavelet.sigma)))[: n // 2]
    return 2 * int(np.abs(envelope / envelope[0] - LEVEL_AT_WIDTH).argmin())


def padded_impulses(
    channels: int, bank: list[Wavelet], widths: list[int], F: int
) -> dict[int, np.ndarray]:
    """Impulse responses over ``channels`` channels, zero-padded to twice a power of two.

    Of the low-pass and of the wavelets of spin +1. ``bank`` is that of `frequential_bank`,
    ``widths`` are those of these wavelets, ``F`` that of the low-pass. Wavelets that are wider than
    the power of two are no part of the filterbank, those wider than the channels are not used.
    """
    fitting = 1 << (channels - 1).bit_length()
    padded = 2 * fitting
    impulses = {0: np.fft.ifft(gaussian(padded, F))}
    up = [w for w, wide in zip(bank[1:], widths, strict=False) if wide <= fitting]
    if up:
        half = analytic_bank(padded, up, 1.0)
        spread = np.fft.ifft(half, n=padded)
        for k in range(sum(wide <= channels for wide in widths)):
            impulses[1 + k] = spread[k]
    return impulses
