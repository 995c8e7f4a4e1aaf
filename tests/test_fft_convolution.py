"""Convolution by FFT: torch's direct convolution as the oracle, for derivatives too."""

import pytest
import torch
from torch.nn.functional import conv1d

from sotlib import _fft_convolution
from sotlib._fft_convolution import PART, convolve_same

SHAPES = [  # signals, in channels, out channels, samples, taps
    (8, 1, 1, 1, 1),
    (9, 3, 2, 20, 15),
    (PART, 2, 5, 7, 4),
    (2 * PART + 3, 4, 3, 31, 2),
    (PART + 1, 2, 2, 5, 12),  # more taps than samples
]


@pytest.fixture(params=SHAPES, ids=str)
def problem(request, generator):
    signals, inside, outside, samples, taps = request.param
    x = torch.randn(signals, inside, samples, dtype=torch.float64, generator=generator)
    weight = torch.randn(outside, inside, taps, dtype=torch.float64, generator=generator)
    return x.requires_grad_(), weight.requires_grad_()


@pytest.fixture
def small(generator):
    x = torch.randn(8, 2, 5, dtype=torch.float64, generator=generator)
    weight = torch.randn(3, 2, 4, dtype=torch.float64, generator=generator)
    return x.requires_grad_(), weight.requires_grad_()


@pytest.fixture
def calls(monkeypatch):
    """How often the FFT was chosen."""
    counted, convolve = [], _fft_convolution._convolve
    monkeypatch.setattr(
        _fft_convolution, "_convolve", lambda *args: counted.append(1) or convolve(*args)
    )
    return counted


def direct(x, weight):
    return conv1d(x, weight, padding="same")


def test_is_torchs_convolution(problem, generator, calls):
    x, weight = problem
    ours, theirs = convolve_same(x, weight), direct(x, weight)
    assert calls == [1]
    torch.testing.assert_close(ours, theirs)
    slope = torch.randn(theirs.shape, dtype=x.dtype, generator=generator)
    for wanted in ([x, weight], [x], [weight]):
        a, b = (torch.autograd.grad(y, wanted, slope, retain_graph=True) for y in (ours, theirs))
        torch.testing.assert_close(a, b)


def test_single_precision_is_precise(generator, calls):
    x = torch.randn(64, 40, 285, generator=generator)
    weight = torch.randn(40, 40, 15, generator=generator)
    exact = direct(x.double(), weight.double())
    error = (convolve_same(x, weight) - exact).abs().max() / exact.abs().max()
    assert calls == [1]
    assert error < 2e-6


def test_derivatives_of_both_orders_and_modes(small):
    assert torch.autograd.gradcheck(
        convolve_same, small, check_forward_ad=True, check_batched_grad=True
    )
    assert torch.autograd.gradgradcheck(convolve_same, small)


def test_second_derivatives_of_one_argument(small):
    x, weight = small
    for wanted in small:
        a, b = (
            torch.autograd.grad(f(x, weight).pow(3).sum(), wanted, create_graph=True)[0]
            for f in (convolve_same, direct)
        )
        torch.testing.assert_close(
            torch.autograd.grad(a.pow(2).sum(), wanted),
            torch.autograd.grad(b.pow(2).sum(), wanted),
        )


def test_functional_transforms(small):
    x, weight = (t.detach() for t in small)
    for transform in (torch.func.jacrev, torch.func.jacfwd, torch.func.hessian):
        a, b = (
            transform(lambda w, f=f: f(x, w).pow(2).sum((0, 2)))(weight)
            for f in (convolve_same, direct)
        )
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("in_dims", [(0, None), (None, 0), (0, 0), (1, 2)])
def test_vmap(small, generator, in_dims):
    x, weight = (t.detach() for t in small)
    arguments = [
        t if axis is None else torch.stack([t, 2 * t + 1], axis)
        for t, axis in zip((x, weight), in_dims, strict=True)
    ]
    ours = torch.vmap(convolve_same, in_dims)(*arguments)
    torch.testing.assert_close(ours, torch.vmap(direct, in_dims)(*arguments))


def test_strided_signals_and_weights(generator):
    x = torch.randn(30, 3, 9, generator=generator).permute(2, 1, 0)
    weight = torch.randn(5, 3, 2, generator=generator).permute(2, 1, 0)
    torch.testing.assert_close(convolve_same(x, weight), direct(x, weight))
    slope = torch.ones(()).expand(9, 2, 30)
    x.requires_grad_()
    a, b = (torch.autograd.grad(f(x, weight), x, slope)[0] for f in (convolve_same, direct))
    torch.testing.assert_close(a, b)


def test_few_signals_and_half_precision_are_convolved_directly(small, calls):
    x, weight = (t.detach() for t in small)
    convolve_same(x[:7], weight)
    assert convolve_same(x.bfloat16(), weight.bfloat16()).dtype == torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert convolve_same(x.float(), weight.float()).dtype == torch.bfloat16
    assert convolve_same(x[:0], weight).shape == (0, 3, 5)
    assert not calls
