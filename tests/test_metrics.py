"""Metrics: NumPy and the formula for cents as oracles, closed forms, edges, bad input."""

import math

import numpy as np
import pytest
import scipy.signal
import torch

from sotlib import (
    log_spectral_distance,
    multi_scale_spectral_distance,
    raw_chroma_accuracy,
    raw_pitch_accuracy,
)

accuracies = pytest.mark.parametrize("accuracy", [raw_pitch_accuracy, raw_chroma_accuracy])
distances = pytest.mark.parametrize(
    "distance",
    [
        log_spectral_distance,
        lambda x, y: log_spectral_distance(x, y, convention="mean_square"),
        multi_scale_spectral_distance,
    ],
    ids=["LSD", "LSD-mean-square", "MSS"],
)


def magnitudes(x, size, hop):
    """Frames that begin in the signal, zeros after its end, divided by the root of their size."""
    window = scipy.signal.get_window("hann", size)
    frames = -(-len(x) // hop)
    x = np.pad(x, (0, frames * hop + size - len(x)))
    starts = np.arange(frames) * hop
    return np.abs(np.fft.rfft(window * x[starts[:, None] + np.arange(size)])) / math.sqrt(size)


def shifted(frequency, cents):
    return frequency * 2 ** (np.asarray(cents) / 1200)


class TestLogSpectralDistance:
    @pytest.mark.parametrize(("samples", "size", "hop"), [(4096, 1024, 256), (999, 256, 100)])
    @pytest.mark.parametrize("level", [1.0, 1e-3])
    def test_against_numpy(self, samples, size, hop, level, generator):
        x, y = level * torch.randn(2, 3, samples, dtype=torch.float64, generator=generator)
        roots, squares = [], []
        for a, b in zip(x.numpy(), y.numpy(), strict=True):
            decibels = [
                10 * np.log10(np.maximum(magnitudes(s, size, hop) ** 2, 1e-5)) for s in (a, b)
            ]
            square = (decibels[0] - decibels[1]) ** 2
            roots.append(np.sqrt(square.mean(axis=1)).mean())
            squares.append(square.mean())
        options = {"fft_size": size, "hop_length": hop}
        for convention, expected in (("root", roots), ("mean_square", squares)):
            ours = log_spectral_distance(x, y, convention=convention, **options)
            np.testing.assert_allclose(ours, np.mean(expected), rtol=1e-9)

    def test_the_root_is_the_default(self, generator):
        x, y = torch.randn(2, 2000, generator=generator)
        assert log_spectral_distance(x, y) == log_spectral_distance(x, y, convention="root")

    @pytest.mark.parametrize("factor", [10.0, 0.5, 3.0])
    def test_a_factor_is_its_decibels(self, factor, generator):
        x = 100 * torch.randn(4096, dtype=torch.float64, generator=generator)
        options = {"hop_length": 1024}  # no frame is mostly zeros
        decibels = abs(20 * math.log10(factor))
        root = log_spectral_distance(x, factor * x, **options)
        square = log_spectral_distance(x, factor * x, convention="mean_square", **options)
        assert root.item() == pytest.approx(decibels, rel=1e-9)
        assert square.item() == pytest.approx(decibels**2, rel=1e-9)

    def test_the_mean_square_is_at_least_the_square_of_the_root(self, generator):
        """Jensen's inequality: the conventions differ by more than their unit."""
        x, y = torch.randn(2, 8, 4096, generator=generator)
        root = log_spectral_distance(x, y)
        assert log_spectral_distance(x, y, convention="mean_square") > root.square()

    def test_what_lies_below_the_floor_is_silence(self):
        x = 1e-4 * torch.sin(torch.arange(4096) * 0.3)  # its power is 1e-8 * 64 at most
        assert log_spectral_distance(x, torch.zeros(4096)) == 0

    def test_silence_is_minus_50_decibels(self):
        """One impulse at the middle of a frame has the same power in every bin."""
        x = torch.zeros(1024, dtype=torch.float64)
        x[512] = 32.0  # the window is 1 there, and the norm is the root of 1024
        distance = log_spectral_distance(x, torch.zeros_like(x), hop_length=1024)
        assert distance.item() == pytest.approx(50.0, rel=1e-12)


class TestMultiScaleSpectralDistance:
    def test_against_numpy(self, generator):
        x, y = torch.randn(2, 1000, dtype=torch.float64, generator=generator)
        expected = 0.0
        for size in (2048, 1024, 512, 256, 128, 64):
            a, b = (magnitudes(s.numpy(), size, size // 4) for s in (x, y))
            expected += np.abs(a - b).mean()
            expected += np.abs(np.log(np.maximum(a, 1e-5)) - np.log(np.maximum(b, 1e-5))).mean()
        np.testing.assert_allclose(multi_scale_spectral_distance(x, y), expected, rtol=1e-9)


@distances
class TestDistances:
    def test_symmetric_and_zero_at_equality(self, distance, generator):
        x, y = torch.randn(2, 2, 4096, generator=generator)
        torch.testing.assert_close(distance(x, y), distance(y, x))
        assert distance(x, x) == 0
        assert distance(x, y) > 0

    def test_the_mean_over_the_batch(self, distance, generator):
        x, y = torch.randn(2, 3, 2000, generator=generator)
        alone = torch.stack([distance(a, b) for a, b in zip(x, y, strict=True)])
        torch.testing.assert_close(distance(x, y), alone.mean())
        torch.testing.assert_close(distance(x[None], y[None]), alone.mean())

    def test_a_scalar_without_gradient_in_the_dtype_of_the_signals(self, distance):
        for dtype in (torch.float32, torch.float64):
            x = torch.randn(2, 500, dtype=dtype, requires_grad=True)
            value = distance(x, torch.zeros(2, 500, dtype=dtype))
            assert value.shape == ()
            assert value.dtype == dtype
            assert not value.requires_grad

    def test_strided_half_and_autocast_input(self, distance, generator):
        x, y = torch.randn(2, 2, 900, generator=generator).bfloat16()
        expected = distance(x.float(), y.float())
        assert torch.equal(distance(x, y), expected)
        strided = distance(x.float().T.contiguous().T, y.float())
        torch.testing.assert_close(strided, expected)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(distance(x, y), expected)

    def test_silence_is_finite(self, distance):
        silence = torch.zeros(2, 4096)
        assert distance(silence, silence) == 0
        assert torch.isfinite(distance(silence, torch.ones(2, 4096)))

    def test_bad_signals(self, distance):
        x = torch.zeros(2, 500)
        with pytest.raises(ValueError, match="x and y must have the same shape"):
            distance(x, x[:, 1:])
        with pytest.raises(ValueError, match="y must be finite; 1 of its 1000 values"):
            distance(x, x.masked_fill(torch.arange(1000).view(2, 500) == 3, math.nan))
        with pytest.raises(ValueError, match="x must not be empty"):
            distance(x[:0], x[:0])
        with pytest.raises(TypeError, match=r"x must be a torch.Tensor; got ndarray"):
            distance(x.numpy(), x)
        with pytest.raises(TypeError, match="x must hold floating-point numbers"):
            distance(x.int(), x)


def test_bad_options_of_the_log_spectral_distance():
    x = torch.zeros(500)
    with pytest.raises(ValueError, match="convention must be one of 'root', 'mean_square'; got"):
        log_spectral_distance(x, x, convention="db")
    with pytest.raises(ValueError, match="fft_size must be an integer of at least 1; got 0"):
        log_spectral_distance(x, x, fft_size=0)


class TestAccuracies:
    def test_against_the_formula_for_cents(self):
        rng = np.random.default_rng(0)
        reference = rng.uniform(40, 1950, 3000)
        estimate = shifted(reference, rng.normal(0, 80, 3000) + 1200 * rng.integers(-2, 3, 3000))
        cents = 1200 * np.log2(estimate / reference)
        expected = np.mean(np.abs(cents) < 50)
        assert raw_pitch_accuracy(reference, estimate) == pytest.approx(expected, abs=1e-12)
        chroma = np.mean(np.abs((cents + 600) % 1200 - 600) < 50)
        assert raw_chroma_accuracy(reference, estimate) == pytest.approx(chroma, abs=1e-12)
        assert 0.05 < expected < chroma < 0.95

    @accuracies
    @pytest.mark.parametrize(
        ("cents", "share"),
        [(0, 1), (49.999, 1), (-49.999, 1), (50.001, 0), (-50.001, 0), (100, 0), (600, 0)],
    )
    def test_the_edge_lies_at_50_cents(self, accuracy, cents, share):
        assert accuracy([440.0], [shifted(440.0, cents)]) == share

    @pytest.mark.parametrize("octaves", [-3, -1, 1, 2])
    def test_octaves_count_for_chroma_only(self, octaves):
        for cents, chroma in ((0, 1), (49.9, 1), (-49.9, 1), (50.1, 0), (-50.1, 0)):
            estimate = [shifted(440.0, 1200 * octaves + cents)]
            assert raw_pitch_accuracy([440.0], estimate) == 0
            assert raw_chroma_accuracy([440.0], estimate) == chroma

    def test_a_twelfth_is_wrong_for_both(self):
        assert raw_pitch_accuracy([100.0], [300.0]) == 0
        assert raw_chroma_accuracy([100.0], [300.0]) == 0

    @accuracies
    def test_the_tolerance(self, accuracy):
        estimate = shifted(440.0, [5, 15, 25, 35])
        for tolerance, share in ((1, 0), (10, 0.25), (30, 0.75), (100, 1)):
            assert accuracy([440.0] * 4, estimate, cent_tolerance=tolerance) == share

    @accuracies
    @pytest.mark.parametrize("f", [1e-3, 0.1, 1.0, 10.0, 20.0, 1e5])
    def test_any_frequency_equals_itself(self, accuracy, f):
        """10 Hz too, the base of mir_eval's cents, which takes 0 cents for an unvoiced frame."""
        assert accuracy([f], [f]) == 1
        assert accuracy([f, 440.0], [f, 100.0]) == 0.5

    @accuracies
    def test_order_of_the_two_does_not_matter(self, accuracy):
        rng = np.random.default_rng(1)
        a, b = rng.uniform(100, 120, (2, 500))
        assert accuracy(a, b) == accuracy(b, a)

    @accuracies
    def test_tensors_arrays_lists_of_any_shape(self, accuracy):
        reference = torch.tensor([[440.0, 100.0], [200.0, 300.0]])
        estimate = torch.tensor([[441.0, 130.0], [201.0, 303.0]], requires_grad=True)
        values = [
            accuracy(reference, estimate),
            accuracy(reference.double(), estimate.double()),
            accuracy(reference.T, estimate.T),
            accuracy(reference.numpy(), estimate.detach().numpy()),
            accuracy(reference.tolist(), estimate.tolist()),
            accuracy(reference, estimate.detach().numpy()),
            accuracy(reference.bfloat16(), estimate.bfloat16()),
        ]
        assert values == [0.75] * 7
        assert {type(v) for v in values} == {float}
        assert accuracy(torch.tensor(440.0), torch.tensor(441.0)) == 1

    def test_numbers_of_python_keep_their_precision(self):
        for difference, share in ((-1e-6, 1), (1e-6, 0)):
            assert raw_pitch_accuracy([440.0], [shifted(440.0, 50 + difference).item()]) == share

    @accuracies
    @pytest.mark.parametrize(
        ("reference", "estimate", "message"),
        [
            ([440.0], [440.0, 441.0], r"must have the same shape, .* got \(1,\) and \(2,\)"),
            ([], [], "with at least one frequency"),
            (torch.ones(2, 3), torch.ones(3, 2), "must have the same shape"),
            ([0.0], [440.0], "reference must hold finite frequencies above 0 Hz"),
            ([440.0], [-440.0], "estimate must hold finite frequencies above 0 Hz"),
            ([440.0], [math.nan], "estimate must be finite"),
            ([math.inf], [440.0], "reference must be finite"),
        ],
    )
    def test_bad_frequencies(self, accuracy, reference, estimate, message):
        with pytest.raises(ValueError, match=message):
            accuracy(reference, estimate)

    @accuracies
    @pytest.mark.parametrize("tolerance", [0, -1, math.nan, "50"])
    def test_bad_tolerance(self, accuracy, tolerance):
        with pytest.raises(ValueError, match="cent_tolerance must be a finite number above 0"):
            accuracy([440.0], [440.0], cent_tolerance=tolerance)
