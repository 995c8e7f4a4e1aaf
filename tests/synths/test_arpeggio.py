"""The arpeggio, against its formula, its instantaneous frequency and its derivatives."""

import math

import numpy as np
import pytest
import torch

from sotlib import Arpeggio, arpeggio

THETA = torch.tensor(
    [[600.0, 5.0, 0.6], [1000.0, 15.0, 3.9], [512.0, 4.0, 0.5]], dtype=torch.float64
)


def as_printed(theta, sample_rate=8192.0, samples=2**15):
    """The formula sample by sample, with powers of two instead of exponentials."""
    f0, fm, gamma = theta
    n = np.arange(samples)
    time = n / sample_rate - samples / 2 / sample_rate
    deviation = 0.1 * 2 / gamma * sample_rate
    window = np.exp(-((n - (samples - 1) / 2) ** 2) / (2 * deviation**2))
    phase = 2 * np.pi * f0 * (2 ** (gamma * time) - 1) / (gamma * np.log(2))
    return gamma * np.sin(phase) * np.sin(2 * np.pi * fm * time) * window


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_formula(dtype, atol):
    sounds = arpeggio(THETA.to(dtype))
    assert sounds.dtype == dtype
    expected = np.stack([as_printed(theta) for theta in THETA.to(dtype).double().numpy()])
    np.testing.assert_allclose(sounds, expected, atol=atol)


def test_frequency_doubles_each_octave():
    """Without the beats and the window, by the zero crossings of the chirp."""
    f0, gamma, rate = 700.0, 1.5, 65536
    sound = arpeggio(
        torch.tensor([f0, 1e-3, gamma], dtype=torch.float64), sample_rate=rate, samples=2**16
    )
    time = (np.arange(2**16) - 2**15) / rate
    crossings = time[1:][np.diff(np.sign(sound.numpy())) != 0]
    crossings = crossings[(np.abs(crossings) > 1e-2) & (np.abs(crossings) < 0.3)]
    for start in range(0, len(crossings) - 40, 40):
        some = crossings[start : start + 40]
        if some[0] * some[-1] > 0:
            cycles = f0 * np.diff(2.0 ** (gamma * some[[0, -1]])) / (gamma * math.log(2))
            assert cycles.item() == pytest.approx(39 / 2, abs=0.05)


def test_batches_shapes_and_log10():
    sounds = arpeggio(THETA.reshape(3, 1, 3), samples=512)
    assert sounds.shape == (3, 1, 512)
    for theta, sound in zip(THETA, sounds, strict=True):
        assert torch.equal(arpeggio(theta, samples=512), sound[0])
    torch.testing.assert_close(arpeggio(THETA.log10(), log10=True), arpeggio(THETA))
    synth = Arpeggio(samples=512)
    assert torch.equal(synth(THETA), sounds[:, 0])
    assert "samples=512" in repr(synth)
    assert arpeggio(THETA, samples=1).shape == (3, 1)


def test_leading_factor_has_no_derivative():
    """In float64 against differences of the sound with that factor held."""

    def held(theta):
        return arpeggio(theta, samples=256) / theta[..., 2:] * theta[..., 2:].detach()

    theta = THETA.clone().requires_grad_()
    jacobian = torch.func.jacfwd(lambda t: arpeggio(t, samples=256))(THETA[0])
    step = 1e-5
    for axis in range(3):
        ends = torch.stack([THETA[0], THETA[0]])
        ends[0, axis] -= step
        ends[1, axis] += step
        sounds = held(ends) / ends[:, 2:] * THETA[0, 2]
        torch.testing.assert_close(
            (sounds[1] - sounds[0]) / (2 * step), jacobian[:, axis], rtol=1e-5, atol=1e-6
        )
    (gradient,) = torch.autograd.grad(arpeggio(theta, samples=256).square().sum(), theta)
    expected = 2 * arpeggio(THETA[0], samples=256) @ jacobian
    torch.testing.assert_close(gradient[0], expected)


@pytest.mark.parametrize("gamma", [1e-9, 1e3])
def test_extreme_rates_are_finite(gamma):
    theta = torch.tensor([600.0, 5.0, gamma], dtype=torch.float64, requires_grad=True)
    sound = arpeggio(theta)
    sound.sum().backward()
    assert sound.isfinite().all()
    assert theta.grad.isfinite().all()


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        ([5000.0, 5.0, 1.0], r"f0 = theta\[..., 0\] must lie between 1e-09 and 4096 \(half of"),
        ([600.0, math.nan, 1.0], r"fm = theta\[..., 1\]"),
        (
            [600.0, 5.0, 0.0],
            r"gamma = theta\[..., 2\] .*octaves/s; got 0.*f0, fm and gamma",
        ),
        ([600.0, 5.0], r"theta must have shape \(..., 3\) for f0, fm, gamma"),
    ],
)
def test_wrong_parameters(theta, message):
    with pytest.raises(ValueError, match=message):
        arpeggio(torch.tensor(theta))


def test_wrong_settings():
    for make in (Arpeggio, lambda **options: arpeggio(THETA, **options)):
        with pytest.raises(ValueError, match="samples must be an integer of at least 1"):
            make(samples=0)
        with pytest.raises(ValueError, match="sample_rate must be a finite number above 0"):
            make(sample_rate=-1.0)
