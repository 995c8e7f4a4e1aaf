"""The rectangular drum, against the published sounds, the membrane's equation and itself."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from sotlib.synths.drum import RectangularDrum, modal_decays, modal_frequencies, rectangular_drum

REFERENCE = Path(os.environ.get("SOTLIB_REFERENCE", "")) / "drum_sounds.npz"
THETA = torch.tensor(
    [
        [600.0, 0.4, 0.02, 0.03, 0.6],
        [2000.0, 0.1, 1e-4, 0.2, 0.9],
        [400.0, 0.7, 0.15, 1e-4, 0.15],
    ],
    dtype=torch.float64,
)


def as_stored(theta):
    """Omega, p and D as log10."""
    return torch.stack([theta[:, 0].log10(), theta[:, 1], *theta[:, 2:4].log10().T, theta[:, 4]], 1)


def published_constants(theta):
    """S⁴, c², d1, d3 as printed in the paper, and n for ten modes a side; ℓ0 = π."""
    omega, tau, p, dispersion, alpha = theta
    beta = alpha + 1 / alpha
    stiffness = (dispersion * omega * alpha) ** 2 + (p * alpha / tau) ** 2
    speed = alpha * (1 / beta - p**2 * beta) / tau**2
    speed += alpha * omega**2 * (1 / beta - dispersion**2 * beta)
    first, second = np.arange(1, 11)[:, None], np.arange(1, 11)[None, :]
    n = first**2 + (second / alpha) ** 2
    return stiffness, speed, 2 * (1 - p * beta) / tau, -2 * p * alpha / tau, n


def every_mode_at_every_sample(theta, samples, sample_rate=22050.0):
    """The formula as it is written, in double precision, without normalisation."""
    time = np.arange(samples) * samples / (samples - 1) / sample_rate
    strike = np.sin(np.pi * np.arange(1, 11) * 0.4)
    sounds = []
    for row in theta.numpy():
        stiffness, speed, d1, d3, n = published_constants(row)
        decay = (d1 - d3 * n) / 2
        angular = np.sqrt(np.abs(stiffness * n**2 + speed * n - decay**2))
        level = 0.03 * np.outer(strike, strike) ** 2 / angular / (np.pi**2 * row[4] / 4)
        level[angular >= np.pi * sample_rate] = 0
        grid = (level, decay, angular)
        level, decay, angular = (values.reshape(-1, 1) for values in grid)
        sounds.append((level * np.exp(-decay * time) * np.sin(angular * time)).sum(0))
    return torch.from_numpy(np.stack(sounds))


@pytest.mark.skipif(not REFERENCE.exists(), reason="the published sounds are not here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_published_sounds(dtype):
    with np.load(REFERENCE) as file:
        theta, published = torch.from_numpy(file["theta"]), torch.from_numpy(file["sound"])
    sound = rectangular_drum(theta.to(dtype), log10=True)
    assert sound.dtype == dtype
    assert (sound - published).abs().max() < 2e-4
    for ours, theirs in zip(sound.double(), published.double(), strict=True):
        assert np.corrcoef(ours, theirs)[0, 1] > 0.9999


def test_first_mode_has_the_given_frequency_and_decay():
    torch.testing.assert_close(modal_frequencies(THETA)[:, 0, 0] * 2 * math.pi, THETA[:, 0])
    torch.testing.assert_close(modal_decays(THETA)[:, 0, 0], 1 / THETA[:, 1])


def test_ideal_square_membrane():
    """Without damping by frequency or stiffness, and with slow decay: sqrt(m1² + m2²)."""
    theta = torch.tensor([[500.0, 1e6, 0.0, 0.0, 1.0]], dtype=torch.float64)
    m = torch.arange(1, 11, dtype=torch.float64)
    expected = 500 / (2 * math.pi) * ((m[:, None] ** 2 + m**2) / 2).sqrt()
    torch.testing.assert_close(modal_frequencies(theta)[0], expected)


def test_one_mode_is_a_damped_sinusoid():
    sound = rectangular_drum(THETA, modes=(1, 1), samples=1000, normalize=False)
    time = torch.arange(1000, dtype=torch.float64) * 1000 / 999 / 22050
    omega, tau, alpha = (THETA[:, i, None] for i in (0, 1, 4))
    level = 0.03 * math.sin(0.4 * math.pi) ** 4 / (omega * math.pi**2 * alpha / 4)
    torch.testing.assert_close(sound, level * torch.exp(-time / tau) * torch.sin(omega * time))


def test_rates_are_those_of_the_published_constants_and_never_overdamped():
    generator = np.random.default_rng(0)
    low, high = np.array([250, 0.07, 1e-5, 1e-5, 0.01]), np.array([6283, 0.8, 0.2, 0.3, 1.0])
    for row in low + (high - low) * generator.random((200, 5)):
        stiffness, speed, d1, d3, n = published_constants(row)
        decay = (d1 - d3 * n) / 2
        square = stiffness * n**2 + speed * n - decay**2
        assert (square > 0).all()
        theta = torch.from_numpy(row[None])
        np.testing.assert_allclose(modal_decays(theta)[0], decay, rtol=1e-10)
        np.testing.assert_allclose(
            (2 * np.pi * modal_frequencies(theta)[0]) ** 2, square, rtol=1e-9
        )


def test_modes_solve_the_membranes_equation():
    """Each mode from its differential equation, struck by an impulse, by SciPy."""
    samples, theta = 256, THETA[0]
    stiffness, speed, d1, d3, n = published_constants(theta.numpy())
    friction, spring = (d1 - d3 * n).ravel(), (stiffness * n**2 + speed * n).ravel()
    strike = np.sin(np.pi * np.arange(1, 11) * 0.4)
    kick = 0.03 * np.outer(strike, strike).ravel() ** 2 / (np.pi**2 * theta[4].item() / 4)
    frequency = np.sqrt(spring - (friction / 2) ** 2)
    kick[frequency >= np.pi * 22050] = 0

    def motion(_, state):
        place, velocity = state.reshape(2, -1)
        return np.concatenate([velocity, -friction * velocity - spring * place])

    time = np.arange(samples) * samples / (samples - 1) / 22050
    solution = solve_ivp(
        motion,
        (0, time[-1]),
        np.concatenate([np.zeros_like(kick), kick]),
        method="DOP853",
        t_eval=time,
        rtol=1e-10,
        atol=1e-14,
    )
    expected = solution.y[:100].sum(0)
    sound = rectangular_drum(theta[None], samples=samples, normalize=False)[0].numpy()
    assert np.abs(sound - expected).max() < 1e-7 * np.abs(expected).max()


@pytest.mark.parametrize("samples", [1, 2, 3, 255, 256, 257, 1000])
def test_blocks_give_the_sum_over_all_modes(samples):
    sound = rectangular_drum(THETA, samples=samples, normalize=False)
    assert sound.shape == (3, samples)
    expected = every_mode_at_every_sample(THETA, samples) if samples > 1 else torch.zeros(3, 1)
    torch.testing.assert_close(sound, expected.double(), rtol=1e-10, atol=1e-15)


def test_long_sounds_stay_in_tune_in_single_precision():
    theta = torch.tensor([[20000.0, 100.0, 0.0, 1e-3, 0.5]])
    sound = rectangular_drum(theta, samples=2**16)
    exact = rectangular_drum(theta.double(), samples=2**16)
    assert sound.dtype == torch.float32
    assert (sound - exact).abs().max() < 5e-6


def test_log10_is_the_same_drum():
    physical = rectangular_drum(THETA, samples=500)
    torch.testing.assert_close(
        rectangular_drum(as_stored(THETA), samples=500, log10=True), physical
    )


def test_peak_is_one_and_only_then():
    assert torch.equal(rectangular_drum(THETA, samples=999).abs().amax(1), torch.ones(3).double())
    assert (rectangular_drum(THETA, samples=999, normalize=False).abs().amax(1) < 0.01).all()


def test_swapping_the_sides_is_the_same_drum():
    swapped = THETA.clone()
    swapped[:, 4] = 1 / swapped[:, 4]
    torch.testing.assert_close(
        rectangular_drum(swapped, samples=500), rectangular_drum(THETA, samples=500)
    )


def test_batch_equals_loop_and_shapes():
    together = rectangular_drum(THETA, samples=300)
    for row, sound in zip(THETA, together, strict=True):
        torch.testing.assert_close(rectangular_drum(row, samples=300), sound)
    grid = rectangular_drum(THETA.expand(2, 3, 5), samples=300)
    torch.testing.assert_close(grid, together.expand(2, 3, 300))
    mapped = torch.func.vmap(lambda row: rectangular_drum(row, samples=300))(THETA)
    torch.testing.assert_close(mapped, together)
    turned = THETA.T.contiguous().T
    assert not turned.is_contiguous()
    torch.testing.assert_close(rectangular_drum(turned, samples=300), together)
    assert rectangular_drum(THETA[:0], samples=300).shape == (0, 300)


def test_module_is_the_function():
    settings = {"sample_rate": 8000, "samples": 400, "modes": (4, 6), "normalize": False}
    drum = RectangularDrum(**settings)
    torch.testing.assert_close(drum(THETA), rectangular_drum(THETA, **settings))
    assert "samples=400" in repr(drum)


def test_rejection_by_mode_drops_exactly_the_modes_above_nyquist():
    rate = 4000.0
    expected = every_mode_at_every_sample(THETA, 400, rate)
    above = modal_frequencies(THETA) >= rate / 2
    assert above[1].any()
    assert not above[1].all()
    sound = rectangular_drum(THETA, samples=400, sample_rate=rate, normalize=False)
    torch.testing.assert_close(sound, expected, rtol=1e-10, atol=1e-15)


def test_rejection_by_grid_drops_rows_and_columns():
    """The rule step by step, on a drum with a few modes above half the sample rate."""
    theta = THETA[:1]
    frequencies = modal_frequencies(theta)[0]
    rate = 2 * frequencies.flatten().sort().values[-4].item()  # the four highest are rejected
    above = frequencies >= rate / 2
    rows = 10 - max(int(column.sum()) for column in above.T)
    columns = 10 - max(int(row.sum()) for row in above)
    assert 0 < rows < 10
    assert 0 < columns < 10
    settings = {"samples": 300, "sample_rate": rate, "normalize": False}
    by_grid = rectangular_drum(theta, rejection="grid", **settings)
    torch.testing.assert_close(by_grid, rectangular_drum(theta, modes=(rows, columns), **settings))
    assert (by_grid - rectangular_drum(theta, **settings)).abs().max() > 1e-7


def test_rejection_by_grid_keeps_an_axis_that_would_be_empty():
    """Where some row and some column lose all ten modes, everything is kept, and folds over."""
    theta = THETA[1:2]
    rate = 2 * modal_frequencies(theta)[0, 0, 0].item() * 1.01
    settings = {"samples": 300, "normalize": False}
    kept = rectangular_drum(theta, rejection="grid", sample_rate=rate, **settings)
    one = rectangular_drum(theta, rejection="mode", sample_rate=rate, **settings)
    torch.testing.assert_close(
        one, rectangular_drum(theta, modes=(1, 1), sample_rate=rate, **settings)
    )
    assert (kept - one).abs().max() > 0.1 * one.abs().max()


def test_rejections_agree_where_nothing_is_rejected():
    theta = THETA[2:]
    assert modal_frequencies(theta).max() < 11025
    by_grid = rectangular_drum(theta, samples=200, rejection="grid")
    assert torch.equal(by_grid, rectangular_drum(theta, samples=200, rejection="mode"))


@pytest.mark.parametrize("log10", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_gradients_in_both_modes(log10, normalize):
    theta = (as_stored(THETA) if log10 else THETA.clone())[:2].requires_grad_()

    def drum(values):
        scale = 1.0 if normalize else 1e5
        return scale * rectangular_drum(values, samples=60, log10=log10, normalize=normalize)

    # Steps relative to each parameter: omega is 600 and p is 1e-4.
    unit = theta.detach().abs()
    scaled = torch.ones_like(theta, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda s: drum(s * unit), scaled, check_forward_ad=True, check_batched_forward_grad=True
    )
    forward = torch.func.vmap(torch.func.jacfwd(drum))(theta.detach())
    reverse = torch.func.vmap(torch.func.jacrev(drum))(theta.detach())
    torch.testing.assert_close(forward, reverse, rtol=1e-9, atol=1e-12)
    assert (forward.abs().amax((0, 1)) > 0).all()


def test_forward_mode_against_central_differences():
    theta, step = THETA[:1], 1e-6
    for parameter in range(5):
        direction = torch.zeros_like(theta)
        direction[0, parameter] = theta[0, parameter]
        _, slope = torch.func.jvp(
            lambda t: rectangular_drum(t, samples=2000), (theta,), (direction,)
        )
        above = rectangular_drum(theta + step * direction, samples=2000)
        below = rectangular_drum(theta - step * direction, samples=2000)
        torch.testing.assert_close(
            slope, (above - below) / (2 * step), rtol=1e-5, atol=1e-6 * slope.abs().max().item()
        )


def test_forward_ad_with_dual_tensors():
    forward = torch.autograd.forward_ad
    tangent = torch.ones_like(THETA)
    with forward.dual_level():
        sound = rectangular_drum(forward.make_dual(THETA, tangent), samples=100)
        slope = forward.unpack_dual(sound).tangent
    _, expected = torch.func.jvp(lambda t: rectangular_drum(t, samples=100), (THETA,), (tangent,))
    torch.testing.assert_close(slope, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "row",
    [
        [1e3, 1e-9, 0.0, 0.0, 1.0],  # gone before the second sample: silence
        [1e3, 0.4, 0.0, 0.0, 1.0],  # no damping by frequency, no stiffness
        [1e3, 0.4, 0.2, 0.3, 1e-9],  # a string
        [1e3, 0.4, 0.2, 0.3, 1e9],
        [1e-9, 1e9, 1e9, 1e9, 1.0],
        [69000.0, 0.4, 0.2, 0.3, 0.5],  # one mode left
    ],
)
def test_extremes_are_finite(row, dtype):
    theta = torch.tensor([row], dtype=dtype, requires_grad=True)
    sound = rectangular_drum(theta, samples=500)
    assert sound.isfinite().all()
    sound.square().sum().backward()
    assert theta.grad.isfinite().all()


def test_silence():
    theta = torch.tensor([[1e3, 1e-9, 0.0, 0.0, 1.0]])
    assert torch.equal(rectangular_drum(theta, samples=100), torch.zeros(1, 100))
    assert torch.equal(rectangular_drum(THETA, samples=1), torch.zeros(3, 1).double())


@pytest.mark.parametrize(
    ("number", "value", "message"),
    [
        (0, 0.0, r"omega = theta\[\.\.\., 0\] must lie between 1e-09 and 69272.1 \(pi \* sample"),
        (0, 7e4, r"omega .* got 70000 at item \(1,\)"),
        (1, -0.1, r"tau .* must lie between 1e-09 and 1e\+09 s; got -0.1"),
        (2, -1e-9, "p = .* must lie between 0 and"),
        (3, float("inf"), "D = .* got inf"),
        (4, 0.0, "alpha = .* must lie between 1e-09"),
        (4, float("nan"), "alpha = .* got nan"),
    ],
)
def test_parameters_out_of_range_are_named(number, value, message):
    theta = THETA.clone()
    theta[1, number] = value
    with pytest.raises(ValueError, match=message):
        rectangular_drum(theta, samples=100)


def test_physical_values_where_log10_was_announced():
    with pytest.raises(ValueError, match=r"omega .* got inf .*log10"):
        rectangular_drum(THETA, samples=100, log10=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "samples must be an integer of at least 1; got 0"),
        ({"samples": 10.5}, "samples must be an integer"),
        ({"sample_rate": -1}, "sample_rate must be a finite number above 0; got -1"),
        ({"modes": (0, 3)}, r"modes\[0\] must be an integer"),
        ({"modes": 10}, "modes must be a pair"),
        ({"rejection": "none"}, "rejection must be one of 'mode', 'grid'; got 'none'"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        rectangular_drum(THETA, **settings)
    with pytest.raises(ValueError, match=message):
        RectangularDrum(**settings)


def test_wrong_theta():
    with pytest.raises(ValueError, match=r"theta must have shape \(\.\.\., 5\).* got \(3, 4\)"):
        rectangular_drum(THETA[:, :4])
    with pytest.raises(TypeError, match=r"theta must hold floating-point numbers; got torch.int64"):
        rectangular_drum(torch.ones(1, 5, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"theta must be a torch.Tensor; got list"):
        rectangular_drum([1000.0, 0.4, 0.02, 0.03, 0.6])
    with pytest.raises(ValueError, match="tau"):
        modal_decays(-THETA.abs() * torch.tensor([-1, 1, 1, 1, 1]))
