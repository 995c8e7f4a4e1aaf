"""The constant-Q transform's two ways to apply its kernels, against each other and the kernels."""

import numpy as np
import pytest
import torch
from memory import LargestTensor

from sotlib import CQT
from sotlib.transforms._cqt import direct, sliding

OPTIONS = {"sample_rate": 8000, "hop_length": 32, "fmin": 60.0, "n_bins": 60, "bins_per_octave": 12}
WINDOWS = {"boxcar": 1, "hann": 3, "blackmanharris": 7, "flattop": 9}  # and their exponentials


def cqt(window="hann", **options):
    return CQT(window=window, **OPTIONS | options)


def by_kernel(transform):
    """The same transform, each kernel as it is: what every device but a CPU does."""
    other = CQT(window="hann", **OPTIONS)
    other.__dict__.update(transform.__dict__)
    other._sliding = None
    return other


def both(transform, x):
    """Values and gradients of both ways."""
    results = []
    for way in (transform, by_kernel(transform)):
        signal = x.clone().requires_grad_()
        values = way(signal)
        weights = torch.linspace(-1, 1, values.numel(), dtype=x.dtype).reshape(values.shape)
        (gradient,) = torch.autograd.grad((values * weights).sum(), signal)
        results.append((values.detach(), gradient))
    return results


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("options", [{}, {"padding": "zeros"}, {"hop_length": 50}, {"gamma": 5.0}])
def test_sliding_equals_the_kernels(window, options, generator):
    transform = cqt(window, **options)
    assert transform._sliding.spin.shape[1] == WINDOWS[window]
    x = torch.randn(2, 5000, generator=generator, dtype=torch.float64)
    ours, theirs = both(transform, x)
    for found, expected in zip(ours, theirs, strict=True):
        # nnAudio rounds the kernels to single precision.
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * expected.max().item())


def test_a_window_that_is_no_sum_of_cosines_is_left_as_it_is(generator):
    assert cqt(("gaussian", 300.0))._sliding is None


def test_few_frames_are_left_as_they_are():
    plan = cqt()._sliding
    assert not plan.pays(1)
    assert plan.pays(100)


@pytest.mark.parametrize("parts", [1, 2**9])
def test_parts_equal_the_whole(parts, generator, monkeypatch):
    transform, x = cqt(), torch.randn(3, 4000, generator=generator, dtype=torch.float64)
    whole = both(transform, x)
    for module in (direct, sliding):
        monkeypatch.setattr(module, "HELD", parts)
    for ours, expected in zip(both(transform, x), whole, strict=True):
        for found, value in zip(ours, expected, strict=True):
            torch.testing.assert_close(found, value)


def test_memory_grows_with_the_signal_not_with_its_frames(generator, monkeypatch):
    transform, x = cqt(hop_length=16), torch.randn(30000, generator=generator)
    for module in (direct, sliding):
        monkeypatch.setattr(module, "HELD", 2**14)
    for way in (transform, by_kernel(transform)):
        signal = x.clone().requires_grad_()
        with LargestTensor() as largest:
            values = way(signal)
            values.sum().backward()
        frames = values.shape[1] * transform.longest
        assert largest.elements <= 2 * values.numel() < frames / 10


@pytest.mark.parametrize("loud", [1e12, float("inf"), float("nan")])
def test_what_is_loud_does_not_reach_frames_far_away(loud, generator):
    """Each window's sum is carried on from the last one; it is made anew once a window."""
    transform = cqt()
    x = torch.randn(20000, generator=generator)
    expected = transform(x)[:, -100:]
    x[0] = loud
    assert not torch.equal(transform(x)[:, :1], expected[:, :1])
    torch.testing.assert_close(transform(x)[:, -100:], expected, rtol=1e-4, atol=1e-4)


def test_higher_derivatives_and_batches_of_them(generator):
    transform = cqt(n_bins=24)
    x = torch.randn(transform.longest + 40, generator=generator, dtype=torch.float64)
    assert transform._sliding.pays(len(x) // 32 + 1)

    def power(signal):
        return transform(signal).square().sum()

    direction = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    gradient = torch.func.grad(power)(x)
    _, along = torch.func.jvp(power, (x,), (direction,))
    torch.testing.assert_close(along, (gradient * direction).sum())
    # A quadratic form: its gradient is linear, so the second derivative gives it back.
    _, second = torch.func.jvp(torch.func.grad(power), (x,), (x,))
    torch.testing.assert_close(second, gradient)
    stack = torch.stack([x, direction])
    rows = torch.stack([torch.func.grad(power)(row) for row in stack])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(power))(stack), rows)


def test_exponentials_give_a_kernel_back():
    n = np.arange(300)
    kernel = (0.3 - 0.2 * np.cos(2 * np.pi * n / 300)) * np.exp(1j * (0.4 * n + 0.1))
    numbers, amplitudes = sliding._exponentials(kernel, 0.4 / (2 * np.pi))
    assert numbers.tolist() == [-1, 0, 1]
    turns = np.exp(1j * (0.4 + 2 * np.pi * numbers[:, None] / 300) * n)
    np.testing.assert_allclose(amplitudes @ turns, kernel, atol=1e-12)
