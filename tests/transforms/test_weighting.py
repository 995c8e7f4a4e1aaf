"""Weighted transforms: the standard's values, gains of one's own, and their place in losses."""

import numpy as np
import pytest
import torch

from sotlib import (
    CQT,
    STFT,
    MelSpectrogram,
    SlicedSpectrogramLoss,
    Transform,
    Wasserstein1DLoss,
    WeightedTransform,
    sinusoid,
)

FRAMES = {"fft_size": 256, "hop_length": 64, "sample_rate": 8000}
TRANSFORMS = [
    STFT(**FRAMES),
    STFT(**FRAMES, square_magnitude=True),
    MelSpectrogram(**FRAMES, n_mels=20),
    CQT(sample_rate=8000, hop_length=64, fmin=250.0, n_bins=30, bins_per_octave=12),
]
each = pytest.mark.parametrize("transform", TRANSFORMS, ids=["stft", "power", "mel", "cqt"])


@pytest.mark.parametrize(
    ("curve", "levels"),  # decibels at 63 Hz, 1, 4 and 16 kHz, IEC 61672-1, Table 3
    [("A", (-26.2, 0.0, 1.0, -6.6)), ("C", (-0.8, 0.0, -0.8, -8.5))],
)
def test_curves_are_those_of_the_standard(curve, levels):
    thirds = Transform(48000)
    thirds.add_table("frequencies", 10 ** np.array([1.8, 3.0, 3.6, 4.2]))
    gains = WeightedTransform(thirds, curve).tables(torch.float64)("gains")
    found = 20 * gains.log10()
    torch.testing.assert_close(found, torch.tensor(levels).double(), atol=0.1, rtol=0)


@each
def test_bins_are_multiplied_by_gains_or_by_their_squares_where_they_are_powers(
    transform, generator
):
    x = torch.randn(2, 2000, generator=generator, dtype=torch.float64)
    gains = np.linspace(0, 2, len(transform.frequencies))
    expected = transform(x) * torch.from_numpy(gains)[:, None]
    if getattr(transform, "square_magnitude", False):
        expected = expected * torch.from_numpy(gains)[:, None]
    for weighting in (gains, list(gains), torch.from_numpy(gains), lambda _: gains):
        weighted = WeightedTransform(transform, weighting)
        torch.testing.assert_close(weighted(x), expected)
        assert weighted(x.float()).dtype == torch.float32
    for scaling in ("normalized", "normalized_linear", "absolute"):
        assert torch.equal(weighted.positions(scaling), transform.positions(scaling))


def test_a_function_gets_frequencies_in_hertz():
    weighted = WeightedTransform(STFT(**FRAMES), lambda f: f > 1000)
    passed = weighted.tables(torch.float32)("gains")
    assert torch.equal(passed, (weighted.frequencies > 1000).float())


@each
def test_losses_take_it_for_a_transform(transform, generator):
    """Constant gains change nothing but the mass, which is normalised."""
    x, y = torch.randn(2, 2, 2000, generator=generator)
    constant = WeightedTransform(transform, np.full(len(transform.frequencies), 3.0))
    for kind in (Wasserstein1DLoss, SlicedSpectrogramLoss):
        torch.testing.assert_close(kind(constant)(x, y), kind(transform)(x, y), rtol=1e-4, atol=0)


def test_a_hum_is_outweighed():
    """A tone an octave up, with a louder hum of 50 Hz in one of the sounds."""
    tones = [sinusoid(f, samples=4096, sample_rate=8000) for f in (1000.0, 2000.0)]
    hum = sinusoid(50.0, samples=4096, sample_rate=8000)
    plain, weighted = (
        Wasserstein1DLoss(t, p=1, bin_position_scaling="absolute", square_magnitude=True)
        for t in (STFT(**FRAMES), WeightedTransform(STFT(**FRAMES), "A"))
    )
    clean = plain(tones[0], tones[1])
    assert abs(weighted(tones[0] + hum, tones[1]) / clean - 1) < 0.03
    assert plain(tones[0] + hum, tones[1]) > 1.3 * clean


@pytest.mark.parametrize(
    ("weighting", "error", "message"),
    [
        ("K", ValueError, "weighting must be one of 'A', 'B', 'C', 'D'; got 'K'"),
        (np.ones(7), ValueError, r"one gain .* for each of the 129 bins; got shape \(7,\)"),
        (-np.ones(129), ValueError, "with values from -1"),
        (np.zeros(129), ValueError, "not all 0"),
        (lambda f: 1 / f, ValueError, "weighting must be finite"),
        ("a", ValueError, "weighting must be one of"),
    ],
)
def test_wrong_weightings_are_named(weighting, error, message):
    with pytest.raises(error, match=message), np.errstate(divide="ignore"):
        WeightedTransform(STFT(**FRAMES), weighting)


def test_what_is_no_transform_is_named():
    with pytest.raises(TypeError, match="transform must be a Transform; got str"):
        WeightedTransform("stft")
