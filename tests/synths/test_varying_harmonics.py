"""The compiled sum of harmonics: torch's operations as the oracle, on blocks of every length."""

import pytest
import torch

from sotlib.synths._varying_harmonics import _definition, varying_harmonics

RATE = 8000.0


def controls(generator, *, frames=3, signals=2, harmonics=5, dtype=torch.float64):
    f0 = 50 + 1500 * torch.rand(signals, frames, dtype=torch.float64, generator=generator)
    amplitudes = torch.rand(
        signals, frames, harmonics, dtype=torch.float64, generator=generator
    ).to(dtype)
    return f0.requires_grad_(), amplitudes.requires_grad_()


@pytest.mark.parametrize("first_phase", [0, 1])
@pytest.mark.parametrize(("frames", "hop"), [(1, 5), (2, 1), (3, 255), (2, 256), (3, 700), (40, 7)])
def test_is_its_definition(frames, hop, first_phase, generator):
    given = controls(generator, frames=frames)
    options = frames * hop, RATE, first_phase
    ours, theirs = varying_harmonics(*given, options), _definition(options, *given)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)
    slope = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    for wanted in (given, given[:1], given[1:]):
        a, b = (torch.autograd.grad(y, wanted, slope, retain_graph=True) for y in (ours, theirs))
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_single_precision_loses_nothing_on_the_way(generator):
    """More precise than the definition, whose phases of high harmonics are rounded."""
    options = 4096, 16000.0, 1
    single = controls(generator, frames=16, signals=64, harmonics=20, dtype=torch.float32)
    double = [c.detach().double().requires_grad_() for c in single]
    sounds = varying_harmonics(*single, options), _definition(options, *double)
    slope = torch.randn(sounds[0].shape, generator=generator)
    sounds[0].backward(slope)
    sounds[1].backward(slope.double())
    ours, theirs = (
        [y, *(c.grad for c in g)] for y, g in zip(sounds, (single, double), strict=True)
    )
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() < 1e-6 * b.abs().max()


def test_derivatives_of_both_orders_and_modes(generator):
    given = controls(generator, frames=2, harmonics=3)

    def sound(*given):
        return varying_harmonics(*given, (10, RATE, 1))

    options = {"atol": 1e-4, "check_batched_grad": True}
    assert torch.autograd.gradcheck(sound, given, check_forward_ad=True, **options)
    assert torch.autograd.gradgradcheck(sound, given, atol=1e-3)


def test_threads_change_nothing(generator):
    given = controls(generator, signals=9)
    results, threads = [], torch.get_num_threads()
    for count in (1, 3):
        torch.set_num_threads(count)
        try:
            sound = varying_harmonics(*given, (90, RATE, 1))
            results.append((sound, *torch.autograd.grad(sound.sum(), given)))
        finally:
            torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_gradients_that_are_one_number_and_strided_controls(generator):
    f0, amplitudes = controls(generator)
    strided = (t.detach().transpose(0, 1).contiguous().transpose(0, 1) for t in (f0, amplitudes))
    strided = [t.requires_grad_() for t in strided]
    for given in ((f0, amplitudes), strided):
        varying_harmonics(*given, (90, RATE, 1)).sum().backward()  # an expanded gradient
    torch.testing.assert_close(strided[0].grad, f0.grad)
    torch.testing.assert_close(strided[1].grad, amplitudes.grad)
