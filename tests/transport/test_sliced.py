"""The sliced distance: the slides' toy grid, POT on each line, properties, gradients, bad input."""

import math

import numpy as np
import ot
import pytest
import torch

from sotlib import sliced_wasserstein
from sotlib.transport.sliced import directions, project_grid

F64 = torch.float64


def masses(bins, frames, *, seed, batch=(), dtype=F64):
    generator = torch.Generator().manual_seed(seed)
    mass = torch.rand(*batch, bins, frames, generator=generator, dtype=F64) ** 3
    return (mass / mass.sum((-2, -1), keepdim=True)).to(dtype)


# --- projections --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("angle", "distinct"),
    [(0.0, 4), (math.pi / 2, 3), (math.pi / 4, 6), (3 * math.pi / 4, 6), (0.3, 12)],
)
def test_distinct_positions_of_the_toy_grid(angle, distinct):
    """3 frequencies × 4 times: along an axis that axis remains; diagonally 3 + 4 - 1 = 6."""
    positions, place = project_grid(np.arange(3.0), np.arange(4.0), angle)
    assert len(positions) == distinct
    assert (np.diff(positions) > 0).all()
    z = np.arange(3.0)[:, None] * np.sin(angle) + np.arange(4.0) * np.cos(angle)
    assert positions[place].reshape(3, 4) == pytest.approx(z, abs=1e-12)


def test_directions():
    assert directions(4, half_circle=True) == pytest.approx(np.arange(4) * np.pi / 4)
    assert directions(10) == pytest.approx(np.arange(5) * np.pi / 5)  # the other five are opposite
    assert directions(3) == pytest.approx(np.arange(3) * 2 * np.pi / 3)


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("apply_root", [False, True])
@pytest.mark.parametrize(
    ("n_projections", "half_circle"), [(10, False), (7, False), (6, True), (1, True)]
)
def test_equals_pot_on_each_projection(n_projections, half_circle, p, apply_root):
    """All N directions, opposite ones included, with POT's own 1-D transport."""
    a, b = masses(6, 5, seed=0), masses(6, 5, seed=1)
    freqs = masses(1, 6, seed=2)[0].add(0.1).cumsum(0) * 40
    times = masses(1, 5, seed=3)[0].add(0.1).cumsum(0)
    turn = math.pi if half_circle else 2 * math.pi
    lines = []
    for angle in turn * np.arange(n_projections) / n_projections:
        z = 30 * times * math.cos(angle) + freqs[:, None] * math.sin(angle)
        z = z.flatten().numpy()
        cost = ot.wasserstein_1d(z, z, a.flatten().numpy(), b.flatten().numpy(), p=p)
        lines.append(cost ** (1 / p) if apply_root else cost)
    ours = sliced_wasserstein(
        a, b, freqs=freqs, times=times, time_scale=30.0, n_projections=n_projections,
        half_circle=half_circle, p=p, apply_root=apply_root,
    )  # fmt: skip
    assert ours.item() == pytest.approx(np.mean(lines), rel=1e-10)


def test_translation_costs_half_its_square():
    """Over evenly spaced directions the mean of cos² is a half, as soon as there are three."""
    a = torch.zeros(20, 30, dtype=F64)
    a[3:8, 2:9] = masses(5, 7, seed=0)
    b = a.roll((6, 11), (0, 1))
    expected = (6**2 + (0.5 * 11) ** 2) / 2
    for options in ({"n_projections": 3}, {"n_projections": 10}, {"half_circle": True}):
        value = sliced_wasserstein(a, b, time_scale=0.5, **options)
        assert value.item() == pytest.approx(expected, rel=1e-12)


def test_root_of_a_single_move():
    a, b = torch.zeros(2, 4, 5, dtype=F64)
    a[0, 0] = b[3, 0] = 1
    value = sliced_wasserstein(a, b, n_projections=4, apply_root=True)
    assert value.item() == pytest.approx((0 + 3 + 0 + 3) / 4)


# --- properties ---------------------------------------------------------------------------------


def test_batch_equals_loop_and_keeps_dtype():
    for dtype in (torch.float32, F64):
        a = masses(7, 6, seed=0, batch=(3,), dtype=dtype)
        b = masses(7, 6, seed=1, batch=(3,), dtype=dtype)
        together = sliced_wasserstein(a, b)
        assert together.dtype == dtype
        for i in range(3):
            torch.testing.assert_close(together[i], sliced_wasserstein(a[i], b[i]))


def test_symmetry_identity_and_scaling():
    a, b = masses(7, 6, seed=0), masses(7, 6, seed=1)
    value = sliced_wasserstein(a, b).item()
    assert sliced_wasserstein(b, a).item() == pytest.approx(value, rel=1e-12)
    assert sliced_wasserstein(a, a).item() == 0
    assert sliced_wasserstein(1e4 * a, 1e4 * b).item() == pytest.approx(1e4 * value, rel=1e-12)


def test_layout_of_memory_does_not_matter():
    a, b = masses(7, 6, seed=0), masses(7, 6, seed=1)
    strided = a.T.contiguous().T
    torch.testing.assert_close(sliced_wasserstein(strided, b), sliced_wasserstein(a, b))


def test_generator_draws_anew_and_repeats_with_its_seed():
    a, b = masses(7, 6, seed=0), masses(7, 6, seed=1)

    def draw(seed, calls):
        generator = torch.Generator().manual_seed(seed)
        return [sliced_wasserstein(a, b, generator=generator).item() for _ in range(calls)]

    first, second = draw(0, 2)
    assert first != second
    assert draw(0, 2) == [first, second]


def test_random_directions_average_to_the_mean_over_the_circle():
    a, b = masses(7, 6, seed=0), masses(7, 6, seed=1)
    generator = torch.Generator().manual_seed(0)
    many = sliced_wasserstein(a, b, n_projections=4000, generator=generator)
    even = sliced_wasserstein(a, b, n_projections=400, half_circle=True)
    assert many.item() == pytest.approx(even.item(), rel=0.05)


def test_one_bin_and_one_frame():
    assert sliced_wasserstein(torch.ones(1, 1), torch.ones(1, 1)).item() == 0
    row = sliced_wasserstein(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    assert row.item() == pytest.approx(0.5)


# --- gradients ----------------------------------------------------------------------------------


@pytest.mark.parametrize("apply_root", [False, True])
def test_gradcheck(apply_root):
    a, b = masses(4, 3, seed=0, batch=(2,)), masses(4, 3, seed=1, batch=(2,))

    def value(a, b):
        a, b = (m / m.sum((-2, -1), keepdim=True) for m in (a, b))
        return sliced_wasserstein(a, b, n_projections=5, apply_root=apply_root)

    assert torch.autograd.gradcheck(value, (a.requires_grad_(), b.requires_grad_()))


@pytest.mark.parametrize("apply_root", [False, True])
def test_gradient_is_finite_on_degenerate_input(apply_root):
    a, b = torch.zeros(2, 3, 6, 5)
    a[0, 2, 2] = a[1, 0, 0] = a[2, 5, 4] = 1
    b[0, 2, 2] = b[1, 5, 4] = b[2, 0, 1] = 1
    a.requires_grad_()
    (gradient,) = torch.autograd.grad(sliced_wasserstein(a, b, apply_root=apply_root).sum(), a)
    assert gradient.isfinite().all()
    assert gradient[1].abs().max() > 0


# --- bad input ----------------------------------------------------------------------------------

GOOD = torch.full((3, 4), 1 / 12)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"a": -GOOD}, ValueError, "a holds negative mass"),
        ({"a": GOOD * math.nan}, ValueError, "a must be finite"),
        ({"a": 0 * GOOD}, ValueError, "a is empty"),
        ({"b": torch.full((3, 5), 1 / 15)}, ValueError, "the same grid"),
        ({"b": 3 * GOOD}, ValueError, "3 times the other; normalise both.*marginal_penalty"),
        ({"freqs": [0.0, 0.0, 1.0]}, ValueError, "freqs must increase strictly"),
        ({"time_scale": -1.0}, ValueError, "time_scale must be a finite number above 0"),
        ({"n_projections": 0}, ValueError, "n_projections must be an integer"),
        ({"generator": 3}, TypeError, "generator must be a torch.Generator"),
        ({"p": 0.5}, ValueError, "p must be a finite number of at least 1"),
    ],
)
def test_bad_input_says_what_to_do(arguments, error, match):
    with pytest.raises(error, match=match):
        sliced_wasserstein(**{"a": GOOD, "b": GOOD, **arguments})


def test_a_first_call_in_inference_mode_does_not_spoil_training(generator):
    a, b = torch.rand(2, 5, 9, generator=generator).flatten(1).softmax(-1).unflatten(-1, (5, 9))
    with torch.inference_mode():
        sliced_wasserstein(a, b, time_scale=1.25)
    a = a.clone().requires_grad_()
    sliced_wasserstein(a, b, time_scale=1.25).backward()
    assert torch.isfinite(a.grad).all()
