"""The multi-resolution STFT loss against its definition, closed forms and auraloss."""

import math

import librosa
import numpy as np
import pytest
import torch

from sotlib import MultiResolutionSTFTLoss

RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))


def noise(generator, *shape, dtype=torch.float64):
    return torch.randn(*shape, generator=generator, dtype=dtype)


@pytest.mark.parametrize("gain", [0.5, 3.0])
def test_gain_gives_its_closed_form(generator, gain):
    x = noise(generator, 2, 4096)
    expected = abs(gain - 1) + abs(math.log(gain))
    torch.testing.assert_close(
        MultiResolutionSTFTLoss()(gain * x, x), torch.tensor(expected).double()
    )


def test_agrees_with_the_definition_frame_by_frame(generator):
    x, y = noise(generator, 3000), noise(generator, 3000)
    total = 0.0
    for size, hop, width in RESOLUTIONS:
        window = torch.zeros(size, dtype=torch.float64)
        start = (size - width) // 2
        window[start : start + width] = torch.hann_window(width, dtype=torch.float64)
        spectra = []
        for signal in (x, y):
            before, after = signal[1 : size // 2 + 1].flip(0), signal[-size // 2 - 1 : -1].flip(0)
            padded = torch.cat([before, signal, after])
            frames = [
                torch.fft.rfft(window * padded[i : i + size]).abs()
                for i in range(0, len(padded) - size + 1, hop)
            ]
            spectra.append(torch.stack(frames).clamp(min=1e-4))
        difference = spectra[1] - spectra[0]
        total += difference.square().sum().sqrt() / spectra[1].square().sum().sqrt()
        total += (spectra[1].log() - spectra[0].log()).abs().mean()
    torch.testing.assert_close(MultiResolutionSTFTLoss()(x, y), total / 3)


def test_sounds_do_not_mix(generator):
    x, y = noise(generator, 3, 3000), noise(generator, 3, 3000)
    y[1] *= 100
    each = MultiResolutionSTFTLoss(reduction="none")
    alone = torch.stack([each(*pair) for pair in zip(x, y, strict=True)])
    torch.testing.assert_close(each(x, y), alone)
    torch.testing.assert_close(MultiResolutionSTFTLoss()(x, y), alone.mean())


def test_agrees_with_auraloss(generator):
    auraloss = pytest.importorskip("auraloss")
    for _ in range(3):
        x, y = (noise(generator, 1, 1, 5000, dtype=torch.float32) for _ in range(2))
        theirs = auraloss.freq.MultiResolutionSTFTLoss()(x, y)
        torch.testing.assert_close(MultiResolutionSTFTLoss()(x, y), theirs)


def test_gradient_in_double_precision(generator):
    small = {"fft_sizes": (16,), "hop_lengths": (5,), "win_lengths": (12,)}
    loss = MultiResolutionSTFTLoss(**small, reduction="none")
    x, y = noise(generator, 2, 40).requires_grad_(), noise(generator, 2, 40)
    assert torch.autograd.gradcheck(lambda x: loss(x, y), x)


SMALL = {"fft_sizes": (16, 8), "hop_lengths": (5, 3), "win_lengths": (12, 8)}


def both_ways(loss, x, y):
    """Value and gradient in one pass, and as automatic differentiation of the definition."""
    found = []
    for target in (y, y.clone().requires_grad_()):  # two gradients are never taken in one pass
        signal = x.clone().requires_grad_()
        value = loss(signal, target)
        found.append((value.detach(), *torch.autograd.grad(value, signal)))
    return found


@pytest.mark.parametrize("level", [1e-6, 1.0])
def test_one_pass_is_the_definition(generator, level):
    """Also where the floor hides most of the bins."""
    x, y = level * noise(generator, 3, 3000), noise(generator, 3, 3000)
    y[1] = 0
    for loss in (MultiResolutionSTFTLoss(), MultiResolutionSTFTLoss(**SMALL)):
        ours, expected = both_ways(loss, x, y)
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)


def test_one_pass_in_single_precision(generator):
    x, y = noise(generator, 2, 2, 3000)
    loss = MultiResolutionSTFTLoss()
    _, (value, exact) = both_ways(loss, x, y)
    found = both_ways(loss, x.float(), y.float())
    errors = [torch.linalg.vector_norm(gradient - exact) for _, gradient in found]
    assert errors[0] < 2 * errors[1]
    assert found[0][0].item() == pytest.approx(value.item(), rel=1e-5)


def test_other_derivatives(generator):
    """Second ones, those in forward mode, and of a batch by vmap."""
    loss = MultiResolutionSTFTLoss(**SMALL)
    x, y = noise(generator, 2, 2, 24)
    wanted = x.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, y), wanted, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda x: loss(x, y), wanted, fast_mode=True)
    _, (_, gradient) = both_ways(loss, x, y)
    torch.testing.assert_close(torch.func.jacfwd(lambda x: loss(x, y))(x), gradient)
    by_rows = torch.func.vmap(torch.func.grad(loss))(x, y)
    alone = [both_ways(loss, x[k], y[k])[1][1] for k in range(2)]
    torch.testing.assert_close(by_rows, torch.stack(alone))


@pytest.mark.parametrize("case", ["silence", "silent target", "equal"])
def test_gradient_is_finite(generator, case):
    y = noise(generator, 1, 3000)
    x = y.clone() if case == "equal" else torch.zeros_like(y)
    x, y = (y, x) if case == "silent target" else (x, y)
    x.requires_grad_()
    value = MultiResolutionSTFTLoss()(x, y)
    (gradient,) = torch.autograd.grad(value, x)
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fft_sizes": (512,)}, "same number of entries; got 1, 3 and 3"),
        ({"fft_sizes": 512}, "fft_sizes must be a sequence of at least one int; got 512"),
        ({"reduction": "max"}, "reduction must be one of 'mean', 'sum', 'none'"),
        ({"win_lengths": (2000, 1200, 240)}, "win_length must not exceed fft_size=1024"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MultiResolutionSTFTLoss(**options)


def test_short_signals_are_named():
    with pytest.raises(ValueError, match="x is too short for STFT"):
        MultiResolutionSTFTLoss()(torch.zeros(1000), torch.zeros(1000))


MEL = {"n_mels": (64, 80, 32), "sample_rate": 16000.0}


@pytest.mark.parametrize("gain", [0.5, 3.0])
def test_in_bands_a_gain_gives_its_closed_form(generator, gain):
    x = noise(generator, 2, 4096)
    expected = abs(gain - 1) + abs(math.log(gain))
    torch.testing.assert_close(
        MultiResolutionSTFTLoss(**MEL)(gain * x, x), torch.tensor(expected).double()
    )


def test_bands_agree_with_the_definition(generator):
    x, y = noise(generator, 3000), noise(generator, 3000)
    total = 0.0
    for (size, hop, width), bands in zip(RESOLUTIONS, MEL["n_mels"], strict=True):
        filters = librosa.filters.mel(
            sr=16000, n_fft=size, n_mels=bands, htk=True, norm=None, dtype=np.float64
        )
        a, b = (
            filters
            @ np.abs(
                librosa.stft(
                    signal.numpy(), n_fft=size, hop_length=hop, win_length=width, pad_mode="reflect"
                )
            )
            for signal in (x, y)
        )
        total += np.linalg.norm(b - a) / np.linalg.norm(b) + np.abs(np.log(b / a)).mean()
    assert float(MultiResolutionSTFTLoss(**MEL)(x, y)) == pytest.approx(total / 3, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_mels": (64, 32), "sample_rate": 16000}, "n_mels must have an entry for each of the 3"),
        ({"n_mels": 64, "sample_rate": 16000}, "n_mels must be a sequence"),
        ({"n_mels": (64, 80, 32)}, "sample_rate is needed with n_mels"),
        ({"sample_rate": 16000}, "sample_rate is of use with n_mels alone"),
    ],
)
def test_wrong_bands(options, message):
    with pytest.raises(ValueError, match=message):
        MultiResolutionSTFTLoss(**options)
