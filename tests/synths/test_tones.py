"""Closed-form signals."""

import math

import numpy as np
import pytest
import torch

from sotlib import harmonic_signal, sinusoid

RATE = {"samples": 800, "sample_rate": 8000}


def test_a_sinusoid_is_the_sine():
    expected = 0.5 * np.sin(2 * np.pi * 123.4 * np.arange(800) / 8000 + 0.3)
    ours = sinusoid(123.4, amplitude=0.5, phase=0.3, dtype=torch.float64, **RATE)
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_phases_are_computed_in_double_precision():
    late = sinusoid(7000.1, samples=1_000_000, sample_rate=16000)[-1]
    exact = math.sin(2 * math.pi * 7000.1 * 999_999 / 16000)
    assert late.item() == pytest.approx(exact, abs=1e-6)


def test_batches_broadcast():
    x = sinusoid(torch.tensor([[100.0], [200.0]]), amplitude=torch.tensor([1.0, 2.0, 3.0]), **RATE)
    assert x.shape == (2, 3, 800)
    torch.testing.assert_close(x[1, 2], sinusoid(200.0, amplitude=3.0, **RATE))


def test_harmonics_add_up():
    ours = harmonic_signal(300.0, [1.0, 0.5, 0.25], phases=0.1, **RATE)
    parts = [sinusoid(300.0 * k, amplitude=a, phase=0.1, **RATE)
             for k, a in ((1, 1.0), (2, 0.5), (3, 0.25))]  # fmt: skip
    torch.testing.assert_close(ours, sum(parts))


def test_harmonics_at_or_above_half_the_rate_are_silent():
    torch.testing.assert_close(
        harmonic_signal(2000.0, [1.0, 1.0, 1.0], **RATE), sinusoid(2000.0, **RATE)
    )


def test_a_batch_of_harmonic_signals():
    f0 = torch.tensor([100.0, 3000.0])
    amplitudes = torch.tensor([[1.0, 0.5], [0.8, 0.4]])
    batch = harmonic_signal(f0, amplitudes, **RATE)
    assert batch.shape == (2, 800)
    torch.testing.assert_close(batch[1], sinusoid(3000.0, amplitude=0.8, **RATE))


def test_gradients_reach_frequency_and_amplitudes():
    f0 = torch.tensor(440.0, dtype=torch.float64, requires_grad=True)
    amplitudes = torch.tensor([1.0, 0.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda f, a: harmonic_signal(f, a, samples=40, sample_rate=8000, dtype=torch.float64),
        (f0, amplitudes),
        atol=1e-4,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype(dtype):
    assert sinusoid(1.0, dtype=dtype, **RATE).dtype == dtype
    assert harmonic_signal(1.0, [1.0], dtype=dtype, **RATE).dtype == dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sinusoid(5000.0, **RATE), "frequency must lie between 0 and half the sample rate"),
        (lambda: sinusoid(-1.0, **RATE), "frequency must lie between 0 and half"),
        (lambda: sinusoid(math.nan, **RATE), "frequency must be finite"),
        (lambda: sinusoid(1.0, samples=0, sample_rate=1), "samples must be an integer"),
        (
            lambda: sinusoid(1.0, samples=9, sample_rate=-1),
            "sample_rate must be a finite number above 0",
        ),
        (lambda: harmonic_signal(5000.0, [1.0], **RATE), "f0 must lie between"),
        (lambda: harmonic_signal(1.0, [], **RATE), "amplitudes must list at least one harmonic"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
