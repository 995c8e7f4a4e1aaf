"""Wavelet filterbanks and paddings: pure functions of the setting, in double precision.

Frequencies ξ and bandwidths σ are in cycles per sample throughout. The same functions serve the
time axis (samples) and the frequency axis, whose "samples" are first-order channels.
"""

import math
from typing import Literal, NamedTuple

import numpy as np

BANDWIDTH_AT_UNIT_SCALE = 0.1  # sigma_0: a low-pass of width T has the bandwidth sigma_0 / T
CROSSING = math.sqrt(0.5)  # r: the level at which two neighbouring wavelets cross


class Convention(NamedTuple):
    """What implementations of the filterbank do not agree on."""

    spacing: float  # the highest wavelet is centred at 1 / (1 + 2**(spacing / Q)) ...
    least_peak: float  # ... or here, if that is higher
    reach: float  # a: a wavelet counts as zero beyond this many bandwidths


CONVENTIONS = {"dafx": Convention(3, 0.35, 5.0), "pnp": Convention(1, 0.4, 4.0)}


class Wavelet(NamedTuple):
    """Centre frequency, bandwidth and log2 of the coarsest sampling step of a filter."""

    xi: float
    sigma: float
    j: int


def coarsest_rate(xi: float, sigma: float, reach: float) -> int:
    """Log2 of the largest step at which a filter's output may be sampled."""
    return math.floor(-math.log2(min(abs(xi) + reach * sigma, 0.5))) - 1


def filterbank(
    J: int, Q: int, *, convention: Literal["dafx", "pnp"] = "dafx", least_xi: float = 0.0
) -> list[Wavelet]:
    """Morlet wavelets with Q per octave, down to the bandwidth sigma_0 / 2**J.

    Centre frequencies fall geometrically while the bandwidth, proportional to them, stays above
    its least value; from there, Q - 1 wavelets of that bandwidth fill the rest in equal steps.

    Parameters
    ----------
    J : int
        log2 of the largest scale.
    Q : int
        Wavelets per octave.
    convention : {'dafx', 'pnp'}, default 'dafx'
        Whose implementation to follow, see `sotlib.TimeFrequencyScattering`.
    least_xi : float, default 0
        Wavelets centred below it are left out.

    Returns
    -------
    list of Wavelet
        From high to low centre frequency.

    Examples
    --------
    >>> [round(wavelet.xi, 4) for wavelet in filterbank(2, 1)]
    [0.35, 0.175, 0.0875]
    """
    spacing, least_peak, reach = CONVENTIONS[convention]
    step = 2 ** (1 / Q)
    xi = max(1 / (1 + 2 ** (spacing / Q)), least_peak)
    sigma = xi * (1 - 1 / step) / (1 + 1 / step) / math.sqrt(2 * math.log(1 / CROSSING))
    least = BANDWIDTH_AT_UNIT_SCALE / 2**J
    bank = []
    if sigma > least:
        bank.append((xi, sigma))
        while sigma > least * step:
            xi, sigma = xi / step, sigma / step
            bank.append((xi, sigma))
    else:
        xi = sigma
    bank += [(xi - xi * q / Q, least) for q in range(1, Q)]
    return [
        Wavelet(xi, sigma, coarsest_rate(xi, sigma, reach)) for xi, sigma in bank if xi >= least_xi
    ]


def _periodised_gaussian(n: int, xi: float, sigma: float) -> np.ndarray:
    periods = min(math.ceil(math.sqrt(2 * math.log(1e7)) * sigma + 1), 5)
    reach = 39 * sigma  # beyond it, exp underflows to zero
    total = np.zeros(n)
    # One copy for each unit interval of [1 - periods, periods).
    for k in range(1 - periods, periods):
        edges = math.floor((xi - k - reach) * n), math.ceil((xi - k + reach) * n)
        first, last = (min(max(edge, 0), n) for edge in edges)
        omega = k + np.arange(first, last) / n
        total[first:last] += np.exp(-((omega - xi) ** 2) / (2 * sigma**2))
    return total


def _unit_l1(response: np.ndarray) -> np.ndarray:
    return response / np.abs(np.fft.ifft(response)).sum()


def morlet(n: int, xi: float, sigma: float) -> np.ndarray:
    """Frequency response of a Morlet wavelet on n points: real, zero at 0, unit L1 norm in time."""
    bump = _periodised_gaussian(n, xi, sigma)
    lowpass = _periodised_gaussian(n, 0.0, sigma)
    return _unit_l1(bump - bump[0] / lowpass[0] * lowpass)


def gaussian(n: int, width: float) -> np.ndarray:
    """Frequency response of the low-pass of the given width on n points, unit L1 norm in time."""
    return _unit_l1(_periodised_gaussian(n, 0.0, BANDWIDTH_AT_UNIT_SCALE / width))


def _half_width(n: int, width: float) -> int:
    """Half-width outside which the low-pass has an L1 norm of at most 1e-3 on one side."""
    side = np.abs(np.fft.ifft(gaussian(n, width)))[: n // 2]
    beyond = np.cumsum(side[::-1])[::-1]
    inside = np.flatnonzero(beyond <= 1e-3)
    return int(inside[0]) + 1 if inside.size else n // 2


def time_padding(samples: int, width: float) -> tuple[int, int]:
    """Padded length, a power of two, and the number of samples added on the left.

    The low-pass of the given width must not reach from one end of the signal around to the other,
    as far as reflection, which has samples - 1 values to give on each side, allows.

    Examples
    --------
    >>> time_padding(8192, 256)
    (16384, 4096)
    """
    wanted = math.ceil(math.log2(samples + 6 * _half_width(samples, width)))
    padded = 2 ** min(wanted, math.floor(math.log2(3 * samples - 2)))
    return padded, (padded - samples) // 2


def padded_channels(J: int, Q: int, J_fr: int, width: float) -> int:
    """Length of the padded frequency axis, a multiple of 2**J_fr, for frequential width F."""
    wanted = (J + 1) * Q + 8 * min(width, 2**J_fr)
    return int(wanted // 2**J_fr) * 2**J_fr


def frequential_bank(up: list[Wavelet], width: int) -> list[Wavelet]:
    """Low-pass of the given width, the wavelets of spin +1, the same with spin -1."""
    low_pass = Wavelet(0.0, BANDWIDTH_AT_UNIT_SCALE / width, int(math.log2(width)))
    down = [wavelet._replace(xi=-wavelet.xi) for wavelet in up]
    return [low_pass, *up, *down]
