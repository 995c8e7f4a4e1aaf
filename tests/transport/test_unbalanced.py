"""Unbalanced transport on a line: closed forms, duality, POT, gradients, silence."""

import math

import numpy as np
import ot
import pytest
import torch

from sotlib import unbalanced_wasserstein_1d, wasserstein_1d

D = torch.float64


def number(*values):
    return torch.tensor(values, dtype=D)


def problem(generator, kind):
    n, m = torch.randint(1, 14, (2,), generator=generator).tolist()
    a, b = (torch.rand(s, dtype=D, generator=generator) for s in (n, m))
    u, v = (torch.rand(s, dtype=D, generator=generator) for s in (n, m))
    if kind == "sparse":
        a, b = a**12, b**12
    elif kind == "ties":
        a, b = (3 * a).ceil(), (3 * b).ceil()
        u, v = torch.arange(n).double() / 10, torch.arange(m).double() / 10
    elif kind == "zeros":
        a[n // 2 :], b[: m // 2] = 0.0, 0.0
        a[0] = b[-1] = 1.0
    elif kind == "equal":
        b, v = 1.01 * a, u
    elif kind == "faint":  # most of it below the rounding of the rest
        a, b = (10.0 ** torch.empty(60, dtype=D).uniform_(-25, 0, generator=generator)
                for _ in range(2))  # fmt: skip
        u = v = torch.arange(60).double() / 60
    return a, b, u, v


def primal(left_a, left_b, a, b, u, v, p, penalty):
    """Cost of transport between the marginals of a plan, and of what they lack."""
    moved = wasserstein_1d(left_a, left_b, u, v, p=p)
    lost = [(torch.xlogy(x, x / of.clamp(min=1e-300)) - x + of).sum()
            for x, of in ((left_a, a), (left_b, b))]  # fmt: skip
    return moved + penalty * sum(lost)


class TestClosedForms:
    @pytest.mark.parametrize("p", [1, 1.5, 2, 3])
    @pytest.mark.parametrize("distance", [0.0, 0.01, 1.0, 7.0])
    def test_two_diracs(self, p, distance):
        reach, a, b = 0.8, 3.0, 0.5
        found = unbalanced_wasserstein_1d(
            number(a), number(b), number(2.0), number(2.0 + distance), reach=reach, p=p
        )
        penalty = reach**p
        kept = math.exp(-(distance**p) / (2 * penalty))
        expected = penalty * (a + b - 2 * math.sqrt(a * b) * kept)
        assert found.item() == pytest.approx(expected, rel=1e-12)

    def test_loudness_and_shape_come_apart(self, generator):
        a, b, u, v = problem(generator, "dense")
        mass_a, mass_b = a.sum(), b.sum()
        shapes = unbalanced_wasserstein_1d(a / mass_a, b / mass_b, u, v, reach=0.2)
        apart = 0.2**2 * (mass_a.sqrt() - mass_b.sqrt()) ** 2 + (mass_a * mass_b).sqrt() * shapes
        torch.testing.assert_close(unbalanced_wasserstein_1d(a, b, u, v, reach=0.2), apart)

    @pytest.mark.parametrize("p", [1, 2, 3])
    def test_a_large_reach_is_balanced_transport(self, p, generator):
        a, b, u, v = problem(generator, "dense")
        a, b = a / a.sum(), b / b.sum()
        found = unbalanced_wasserstein_1d(a, b, u, v, reach=1e3, p=p)
        torch.testing.assert_close(found, wasserstein_1d(a, b, u, v, p=p), rtol=1e-3, atol=0)

    def test_a_small_reach_is_the_distance_of_hellinger(self, generator):
        a, b = torch.rand(2, 9, dtype=D, generator=generator)
        found = unbalanced_wasserstein_1d(a, b, torch.arange(9.0).double(), reach=0.05)
        hellinger = (a.sqrt() - b.sqrt()).square().sum()
        torch.testing.assert_close(found, 0.05**2 * hellinger)

    def test_far_groups_are_separate_problems(self, generator):
        a, b, u, v = problem(generator, "dense")
        one = unbalanced_wasserstein_1d(a, b, u, v, reach=0.1)
        two = [torch.cat([t, t + 40 * far]) for t, far in ((a, 0), (b, 0), (u, 1), (v, 1))]
        torch.testing.assert_close(unbalanced_wasserstein_1d(*two, reach=0.1), 2 * one)

    def test_gradient_of_two_diracs(self):
        """By the mass, ρ (1 - sqrt(b / a) e^(-d² / 2ρ)); by the position, the plan times 2d."""
        a, u = number(3.0).requires_grad_(), number(0.0).requires_grad_()
        unbalanced_wasserstein_1d(a, number(0.5), u, number(0.7), reach=0.8).backward()
        kept = math.exp(-0.49 / (2 * 0.64))
        assert a.grad.item() == pytest.approx(0.64 * (1 - math.sqrt(0.5 / 3) * kept))
        assert u.grad.item() == pytest.approx(-2 * 0.7 * math.sqrt(1.5) * kept)


@pytest.mark.parametrize("p", [1, 1.5, 2, 4])
@pytest.mark.parametrize("reach", [0.02, 0.1, 0.5, 10.0])
@pytest.mark.parametrize("kind", ["dense", "sparse", "ties", "zeros", "equal", "faint"])
def test_duality(kind, reach, p):
    """No plan costs less than a feasible pair of potentials gives; this one costs no more."""
    generator, penalty = torch.Generator().manual_seed(1), reach**p
    for _ in range(12):
        a, b, u, v = problem(generator, kind)
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        value = unbalanced_wasserstein_1d(x, y, u, v, reach=reach, p=p)
        kept = [1 - t / penalty for t in torch.autograd.grad(value, (x, y))]  # e^(-f / ρ)
        value, scale = value.detach(), penalty * (a.sum() + b.sum())
        left_a, left_b = kept[0] * a, kept[1] * b
        torch.testing.assert_close(left_a.sum(), left_b.sum(), rtol=1e-6, atol=1e-12)
        assert abs(primal(left_a, left_b, a, b, u, v, p, penalty) - value) <= 1e-7 * scale
        f, g = (-penalty * t.log() for t in kept)
        known_a, known_b = (a > 0) & (kept[0] > 1e-8), (b > 0) & (kept[1] > 1e-8)
        slack = (u[:, None] - v).abs() ** p - f[:, None] - g
        assert (slack[known_a][:, known_b] >= -1e-7 * penalty).all()


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("reach", [0.3, 1.0])
def test_beside_pot(p, reach, generator):
    """Many of its Frank-Wolfe steps come near, from above."""
    a, b = torch.rand(2, 3, 8, dtype=D, generator=generator)
    u = torch.rand(8, dtype=D, generator=generator).sort().values
    found = unbalanced_wasserstein_1d(a, b, u, reach=reach, p=p)
    grid = u[:, None].repeat(1, 3)
    *_, theirs = ot.unbalanced.uot_1d(
        grid, grid, reach**p, a.T.contiguous(), b.T.contiguous(),
        p=p, numItermax=1000, returnCost="total",
    )  # fmt: skip
    assert (theirs >= found - 1e-9).all()
    torch.testing.assert_close(found, theirs, rtol=2e-2, atol=1e-3)


@pytest.mark.parametrize("p", [1, 2])
def test_beside_a_solver_of_pot_for_any_cost(p, generator):
    a, b = torch.rand(2, 8, dtype=D, generator=generator)
    u = torch.rand(8, dtype=D, generator=generator)
    cost, penalty = ((u[:, None] - u).abs() ** p).numpy(), 0.3**p
    plan = ot.unbalanced.mm_unbalanced(
        a.numpy(), b.numpy(), cost, reg_m=penalty, numItermax=30_000, stopThr=0
    )
    marginals = zip((plan.sum(1), plan.sum(0)), (a.numpy(), b.numpy()), strict=True)
    lost = sum((x * np.log(x / of) - x + of).sum() for x, of in marginals)
    found = unbalanced_wasserstein_1d(a, b, u, reach=0.3, p=p).item()
    assert found == pytest.approx((cost * plan).sum() + penalty * lost, rel=1e-6)


class TestGradients:
    @pytest.mark.parametrize("p", [1, 1.5, 2, 3])
    @pytest.mark.parametrize("reach", [0.05, 0.5, 3.0])
    def test_gradcheck(self, p, reach, generator):
        shapes = (3, 9), (1, 7), (9,), (3, 7)
        arguments = [torch.rand(s, dtype=D, generator=generator, requires_grad=True)
                     for s in shapes]  # fmt: skip
        assert torch.autograd.gradcheck(
            lambda *t: unbalanced_wasserstein_1d(*t, reach=reach, p=p), arguments, atol=1e-6
        )

    def test_of_a_bin_without_mass_it_is_that_of_a_little(self, generator):
        a, b, u, v = problem(torch.Generator().manual_seed(3), "dense")
        slopes = []
        for mass in (0.0, 1e-11):
            x, y = a.clone(), b.clone()
            x[1] = y[-2] = mass
            x.requires_grad_()
            slopes += torch.autograd.grad(unbalanced_wasserstein_1d(x, y, u, v, reach=0.4), x)
        torch.testing.assert_close(*slopes, rtol=1e-6, atol=1e-6)

    def test_a_far_bin_without_mass_has_a_finite_one(self):
        x = torch.tensor([1.0, 0.0], requires_grad=True)
        y = torch.tensor([0.0, 1.0])
        unbalanced_wasserstein_1d(x, y, torch.tensor([0.0, 30.0]), reach=1.0).backward()
        assert x.grad.isfinite().all()
        assert x.grad[1] < -1e6


class TestSilence:
    def test_beside_silence_all_mass_is_lost(self):
        a = number(1.0, 2.0).requires_grad_()
        silence = number(0.0, 0.0).requires_grad_()
        cost = unbalanced_wasserstein_1d(a, silence, number(0.0, 1.0), reach=0.5)
        cost.backward()
        assert cost.item() == pytest.approx(0.25 * 3)
        assert a.grad.tolist() == [0.25, 0.25]
        assert silence.grad.tolist() == [0.0, 0.0]

    def test_two_silences_cost_nothing(self):
        a = number(0.0, 0.0).requires_grad_()
        cost = unbalanced_wasserstein_1d(a, a.detach(), number(0.0, 1.0), reach=0.5)
        cost.backward()
        assert cost == 0
        assert a.grad.tolist() == [0.0, 0.0]

    def test_equal_masses_cost_nothing(self, generator):
        a = torch.rand(40, dtype=D, generator=generator).requires_grad_()
        cost = unbalanced_wasserstein_1d(a, a.detach(), torch.arange(40.0).double(), reach=3.0)
        cost.backward()
        assert cost == 0
        assert (a.grad == 0).all()


def test_a_batch_is_its_rows_and_order_does_not_matter(generator):
    a, b = torch.rand(2, 2, 5, 9, dtype=D, generator=generator)
    u = torch.randn(9, dtype=D, generator=generator)
    together = unbalanced_wasserstein_1d(a, b, u, reach=0.6)
    alone = [[unbalanced_wasserstein_1d(x, y, u, reach=0.6) for x, y in zip(*rows, strict=True)]
             for rows in zip(a, b, strict=True)]  # fmt: skip
    torch.testing.assert_close(together, torch.tensor(alone, dtype=D))
    order = torch.randperm(9, generator=generator)
    turned = unbalanced_wasserstein_1d(b, a[..., order], u, u[order], reach=0.6)
    torch.testing.assert_close(turned, together)


class TestRefused:
    def test_nan_and_negative_masses(self):
        for bad, said in ((math.nan, "b must be finite"), (-1.0, "b must not be negative")):
            with pytest.raises(ValueError, match=said):
                unbalanced_wasserstein_1d(number(1.0), number(bad), number(0.0), reach=1.0)

    def test_a_reach_tiny_beside_the_distances(self):
        with pytest.raises(ValueError, match=r"reach is too small beside .* at least 0.253"):
            unbalanced_wasserstein_1d(number(1.0, 1), number(1.0, 1), number(0.0, 8e3), reach=0.1)
