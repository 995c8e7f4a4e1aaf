import itertools

import numpy as np
import pytest

from sotlib.scattering import filterbank, gaussian, morlet
from sotlib.scattering.averaging import mean_over_support
from sotlib.scattering.filters import CROSSING


@pytest.mark.parametrize(("J", "Q"), [(6, 1), (8, 8), (13, 12), (2, 12)])
def test_bandwidths_reach_the_largest_scale_and_no_further(J, Q):
    bank = filterbank(J, Q)
    least = 0.1 / 2**J
    assert all(fast.xi > slow.xi > 0 for fast, slow in itertools.pairwise(bank))
    assert all(fast.j <= slow.j <= J for fast, slow in itertools.pairwise(bank))
    assert all(wavelet.sigma > 0.999 * least for wavelet in bank)
    assert sum(wavelet.sigma == least for wavelet in bank) >= Q - 1


def test_neighbours_of_the_geometric_part_cross_at_the_level_r():
    n, Q = 2**14, 8
    fast, slow = filterbank(8, Q)[2:4]
    fast, slow = (morlet(n, wavelet.xi, wavelet.sigma) for wavelet in (fast, slow))
    fast, slow = fast / fast.max(), slow / slow.max()
    between = slice(slow.argmax(), fast.argmax())
    crossing = np.abs(fast - slow)[between].argmin() + between.start
    # The definition takes a Gaussian's crossing at the arithmetic mean of both bandwidths.
    assert abs(fast[crossing] - CROSSING) < 0.01


@pytest.mark.parametrize(("xi", "sigma"), [(0.45, 0.01), (0.35, 0.14), (-0.35, 0.14), (0.01, 0.01)])
def test_wavelets_have_no_mean_and_unit_norm(xi, sigma):
    wavelet = morlet(256, xi, sigma)
    assert abs(wavelet[0]) < 1e-15
    assert np.abs(np.fft.ifft(wavelet)).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("width", [1, 3, 16])
def test_low_pass_passes_constants(width):
    assert gaussian(256, width)[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("left", "samples", "stride"), [(16, 32, 3), (0, 64, 3), (13, 37, 2)])
def test_mean_over_support_is_exact_for_cubics_away_from_the_seam(left, samples, stride):
    mean = mean_over_support(64, left, samples, stride)
    assert mean.weights.sum() == pytest.approx(1, abs=1e-12)
    if left == 0:
        return  # the neighbours outside wrap around
    t = np.arange(64) / 64
    values = (1 - t + 3 * t**2 - 5 * t**3)[:: 2**stride][mean.start : mean.stop]
    truth = (1 - t + 3 * t**2 - 5 * t**3)[left : left + samples].mean()
    assert values @ mean.weights == pytest.approx(truth, abs=1e-12)
