"""The synthetic data set: draws by seed, folds, ranges, sounds against their closed form."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from sotlib import HarmonicSignals, harmonic_signal
from sotlib.datasets.harmonic_signals import fold_indices

FOLDS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def everything():
    """All signals of a seed, short ones: the draws are those of the long ones."""
    return HarmonicSignals("all", seed=3, samples=64)


class TestFolds:
    @pytest.mark.parametrize("size", [10, 11, 15, 37, 4000])
    def test_are_disjoint_and_complete(self, size):
        parts = [fold_indices(fold, seed=5, size=size) for fold in FOLDS]
        assert all(len(part) for part in parts)
        assert sorted(np.concatenate(parts)) == list(range(size))

    def test_are_70_20_and_10_percent(self):
        sizes = [len(fold_indices(fold, seed=0, size=4000)) for fold in FOLDS]
        assert sizes == [2800, 800, 400]

    def test_share_no_signal_and_make_up_all(self, everything):
        folds = [HarmonicSignals(fold, seed=3, samples=64) for fold in FOLDS]
        for name in ("f0", "amplitudes", "signals"):
            together = torch.cat([getattr(fold, name) for fold in folds])
            assert torch.equal(together, getattr(everything, name))
        assert len(everything.f0.unique()) == len(everything) == 4000

    def test_do_not_follow_the_order_of_the_draws(self):
        train = fold_indices("train", seed=0, size=4000)
        assert abs(train.mean() - 1999.5) < 50
        assert not np.array_equal(train, np.sort(train))

    def test_depend_on_the_seed(self):
        first, second = (set(fold_indices("test", seed=s, size=4000)) for s in (0, 1))
        assert len(first & second) < 100


class TestDraws:
    def test_the_seed_decides_everything(self):
        one, again, other = (HarmonicSignals("test", seed=s, size=100) for s in (1, 1, 2))
        for name in ("f0", "amplitudes", "signals"):
            assert torch.equal(getattr(one, name), getattr(again, name))
            assert not torch.equal(getattr(one, name), getattr(other, name))

    def test_neither_length_nor_sample_rate_changes_them(self):
        short = HarmonicSignals("test", size=50, samples=32)
        long = HarmonicSignals("test", size=50, samples=2048, sample_rate=44100)
        assert torch.equal(short.f0, long.f0)
        assert torch.equal(short.amplitudes, long.amplitudes)

    def test_other_random_states_are_left_alone(self):
        before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
        HarmonicSignals("test", size=20)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002

    def test_pitches_are_uniform(self, everything):
        assert everything.f0.min() >= 40
        assert everything.f0.max() <= 1950
        assert scipy.stats.kstest((everything.f0 - 40) / 1910, "uniform").pvalue > 0.01

    def test_amplitudes_of_the_harmonics_that_are_on_are_uniform(self, everything):
        on = everything.amplitudes[everything.amplitudes > 0]
        assert on.min() >= 0.4
        assert on.max() <= 1
        assert scipy.stats.kstest((on - 0.4) / 0.6, "uniform").pvalue > 0.01

    @pytest.mark.parametrize(
        ("counts", "eighths"), [("published", [2, 1, 1, 1, 1, 1, 1, 0]), ("uniform", [1] * 8)]
    )
    def test_the_first_n_harmonics_are_on(self, counts, eighths):
        """'published' is what max(1, m) makes of m from 0 to 7."""
        on = HarmonicSignals("all", seed=3, samples=64, counts=counts).amplitudes > 0
        count = on.sum(1)
        assert torch.equal(on, torch.arange(8) < count[:, None])
        numbers = torch.bincount(count, minlength=9)[1:].numpy()
        expected = np.array(eighths) * 500
        assert (numbers[expected == 0] == 0).all()
        drawn = expected > 0
        assert scipy.stats.chisquare(numbers[drawn], expected[drawn]).pvalue > 0.01

    def test_pitch_and_number_of_harmonics_are_independent(self, everything):
        count = (everything.amplitudes > 0).sum(1)
        assert scipy.stats.spearmanr(everything.f0, count).pvalue > 0.01


class TestSounds:
    def test_are_the_closed_form_at_a_peak_of_09(self):
        data = HarmonicSignals("validation", seed=7, size=100)
        expected = harmonic_signal(
            data.f0.double(),
            data.amplitudes.double(),
            samples=4097,
            sample_rate=16000,
            dtype=torch.float64,
        )[:, 1:]
        expected *= 0.9 / expected.abs().amax(-1, keepdim=True)
        assert data.signals.dtype == torch.float32
        assert data.signals.shape == (20, 4096)
        torch.testing.assert_close(data.signals.double(), expected, rtol=0, atol=1e-5)

    def test_every_peak_is_09(self, everything):
        peaks = everything.signals.abs().amax(-1)
        torch.testing.assert_close(peaks, torch.full_like(peaks, 0.9))

    def test_even_the_shortest_at_the_lowest_rate_are_finite(self):
        data = HarmonicSignals("all", size=500, samples=2, sample_rate=3900.1)
        peaks = data.signals.abs().amax(-1)
        torch.testing.assert_close(peaks, torch.full_like(peaks, 0.9))

    def test_hold_no_frequency_above_half_the_rate(self):
        """At 8 kHz the eighth harmonic of 1950 Hz would fold to 400 Hz."""
        data = HarmonicSignals("all", size=200, sample_rate=8000)
        k = data.f0.argmax()
        spectrum = torch.fft.rfft(data.signals[k] * torch.hann_window(4096)).abs()
        frequency = torch.fft.rfftfreq(4096, 1 / 8000)
        apart = torch.ones_like(spectrum, dtype=torch.bool)
        for harmonic in range(1, 9):
            apart &= (frequency - harmonic * data.f0[k]).abs() > 30
        assert spectrum[apart].max() < 1e-3 * spectrum.max()


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"fold": "valid"}, "fold must be one of 'train', 'validation', 'test', 'all'; got"),
            ({"seed": -1}, "seed must be an integer of at least 0; got -1"),
            ({"seed": 1.5}, "seed must be an integer"),
            ({"size": 9}, "size must be an integer of at least 10; got 9"),
            ({"counts": "1-8"}, "counts must be one of 'published', 'uniform'; got '1-8'"),
            ({"first_phase": -1}, "first_phase must be one of 1, 0; got -1"),
            ({"samples": 1}, "samples must be an integer of at least 2; got 1"),
            ({"sample_rate": 3900}, "sample_rate must exceed 3900 Hz, twice the highest pitch"),
            ({"sample_rate": math.inf}, "sample_rate must be a finite number above 0"),
            ({"sample_rate": "x"}, "sample_rate must be a finite number above 0"),
        ],
    )
    def test_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            HarmonicSignals(**arguments)
