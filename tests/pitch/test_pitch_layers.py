"""The compiled layers of the pitch encoder: torch's layers as the oracle, in every mode."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sotlib._core.vector_fft import fast_size, stages
from sotlib.pitch import _layers
from sotlib.pitch._layers import FEWEST, _compiled, _definition, pitch_layers

SHAPES = [(16, 1), (17, 5), (32, 20), (33, 33), (70, 285)]  # signals, bins


def make_layers(dtype=torch.float64):
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(2)
        sizes = (1, 40, 15), (40, 40, 15), (40, 30, 1), (30, 30, 1), (30, 10, 1)
        return nn.ModuleList(nn.Conv1d(*s, padding="same") for s in sizes).to(dtype)


def tensors(layers):
    return [t for layer in layers for t in (layer.weight, layer.bias)]


def derivatives(function, x, layers, slope):
    x = x.detach().requires_grad_()
    y = function(x, layers)
    return y.detach(), *torch.autograd.grad(y, [x, *tensors(layers)], slope)


def plain(x, layers):
    return _definition(x, *tensors(layers))


@pytest.fixture
def calls(monkeypatch):
    """How often the compiled layers were chosen."""
    counted, value = [], _layers._value
    monkeypatch.setattr(_layers, "_value", lambda *args: counted.append(1) or value(*args))
    return counted


@pytest.mark.parametrize(("signals", "bins"), SHAPES)
def test_are_torchs_layers(signals, bins, generator, calls):
    layers = make_layers()
    x = torch.randn(signals, bins, dtype=torch.float64, generator=generator)
    slope = torch.randn(signals, 10, bins, dtype=torch.float64, generator=generator)
    ours, theirs = (derivatives(f, x, layers, slope) for f in (pitch_layers, plain))
    assert calls == [1]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12 * float(b.abs().max()))


def test_single_precision_is_precise(generator, calls):
    x = torch.randn(64, 285, generator=generator)
    slope = torch.randn(64, 10, 285, generator=generator)
    ours = derivatives(pitch_layers, x, make_layers(torch.float32), slope)
    exact = derivatives(plain, x.double(), make_layers(), slope.double())
    assert calls == [1]
    for a, b in zip(ours, exact, strict=True):
        assert a.dtype == torch.float32
        assert (a - b).norm() < 1e-5 * b.norm()


def test_derivatives_of_both_orders_and_modes(generator):
    layers = make_layers()
    x = torch.randn(FEWEST, 3, dtype=torch.float64, generator=generator).requires_grad_()
    modes = {"check_forward_ad": True, "check_batched_grad": True, "fast_mode": True}
    assert torch.autograd.gradcheck(_compiled, (x, *tensors(layers)), **modes)
    a, b = (
        torch.autograd.grad(f(x, layers).pow(3).sum(), [x, layers[1].weight], create_graph=True)
        for f in (pitch_layers, plain)
    )
    torch.testing.assert_close(a, b)
    a, b = (
        torch.autograd.grad(sum(g.pow(2).sum() for g in gs), [x, *tensors(layers)][:-1])
        for gs in (a, b)
    )
    torch.testing.assert_close(a, b)


def test_functional_transforms(generator):
    layers = make_layers()
    x = torch.randn(2, FEWEST, 4, dtype=torch.float64, generator=generator)
    ours, theirs = (torch.vmap(lambda x, f=f: f(x, layers))(x) for f in (pitch_layers, plain))
    torch.testing.assert_close(ours, theirs)
    for transform in (torch.func.jacrev, torch.func.jacfwd):
        ours, theirs = (
            transform(lambda x, f=f: f(x, layers).pow(2).sum(0))(x[0])
            for f in (pitch_layers, plain)
        )
        torch.testing.assert_close(ours, theirs)


def test_threads_give_the_same_numbers_each_time(generator):
    layers, threads = make_layers(torch.float32), torch.get_num_threads()
    x = torch.randn(130, 30, generator=generator)
    slope = torch.randn(130, 10, 30, generator=generator)
    alone = derivatives(pitch_layers, x, layers, slope)
    torch.set_num_threads(3)
    try:
        first, second = (derivatives(pitch_layers, x, layers, slope) for _ in range(2))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    torch.testing.assert_close(first, alone, rtol=1e-4, atol=1e-4)


def test_strided_tensors_and_copies(generator):
    layers = make_layers()
    x = torch.randn(9, 20, dtype=torch.float64, generator=generator).T
    slope = torch.ones((), dtype=torch.float64).expand(20, 10, 9)
    expected = derivatives(plain, x, layers, slope)
    torch.testing.assert_close(derivatives(pitch_layers, x, layers, slope), expected)
    strided = copy.deepcopy(layers)
    for p in strided.parameters():
        p.data = p.data.transpose(0, -1).contiguous().transpose(0, -1)
    torch.testing.assert_close(derivatives(pitch_layers, x, strided, slope), expected)


def test_only_what_needs_a_gradient_gets_one(generator):
    layers = make_layers().requires_grad_(False)
    x = torch.randn(FEWEST, 6, dtype=torch.float64, generator=generator)
    assert not pitch_layers(x, layers).requires_grad
    layers[1].bias.requires_grad_()
    pitch_layers(x, layers).sum().backward()
    ours, layers[1].bias.grad = layers[1].bias.grad, None
    plain(x, layers).sum().backward()
    torch.testing.assert_close(ours, layers[1].bias.grad)


def test_few_signals_and_half_precision_take_torchs_layers(generator, calls):
    layers = make_layers(torch.float32)
    x = torch.randn(FEWEST, 6, generator=generator)
    assert pitch_layers(x[:0], layers).shape == (0, 10, 6)
    assert pitch_layers(x[1:], layers).shape == (FEWEST - 1, 10, 6)
    assert pitch_layers(x.bfloat16(), layers.bfloat16()).dtype == torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert pitch_layers(x, layers.float()).dtype == torch.bfloat16
    assert not calls


class TestFFT:
    @pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 27, 30, 64, 300])
    @pytest.mark.parametrize("inverse", [False, True])
    def test_is_numpys(self, size, inverse, generator):
        from sotlib._core.vector_fft import transform

        planes = torch.randn(2, size + 2, 32, dtype=torch.float64, generator=generator).numpy()
        out, work = planes.copy(), np.empty((4, size, 16))
        for column in (0, 16):
            transform(planes, int(inverse), column, 16, *stages(size, np.float64), work, out)
        given, ours = (p[0, :size] + 1j * p[1, :size] for p in (planes, out))
        expected = np.fft.ifft(given, axis=0) * size if inverse else np.fft.fft(given, axis=0)
        np.testing.assert_allclose(ours, expected, atol=1e-12 * size)
        np.testing.assert_array_equal(out[:, size:], planes[:, size:])

    def test_sizes(self):
        assert [fast_size(n) for n in (0, 1, 2, 7, 11, 292, 301)] == [2, 2, 2, 8, 12, 300, 320]
