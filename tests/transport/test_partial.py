"""Partial transport on a line: closed forms, POT, gradients, degenerate masses."""

import math

import numpy as np
import ot
import pytest
import torch
from ot.partial import partial_wasserstein2

from sotlib import partial_wasserstein_1d, wasserstein_1d

D = torch.float64


def number(*values):
    return torch.tensor(values, dtype=D)


def random(generator, *shape):
    return torch.rand(*shape, dtype=D, generator=generator)


class TestClosedForms:
    @pytest.mark.parametrize("p", [1, 1.5, 2])
    def test_a_share_of_two_diracs(self, p):
        found = partial_wasserstein_1d(
            number(3.0), number(0.5), number(1.0), number(5.0), share=0.4, p=p
        )
        assert found.item() == pytest.approx(0.4 * 0.5 * 4**p)

    def test_the_farthest_stays(self):
        """A tenth has 100 to go, nine tenths have 1."""
        arguments = number(0.1, 0.9), number(0.9, 0.1), number(-99.0, 0.0), number(1.0, 1.0)
        assert partial_wasserstein_1d(*arguments, share=0.9).item() == pytest.approx(0.9)
        assert partial_wasserstein_1d(*arguments, share=0.95).item() == pytest.approx(0.9 + 500)

    def test_what_both_have_in_common_costs_nothing(self):
        x, y = number(0.3, 0.4, 0.3), number(0.5, 0.5, 0.0)
        x.requires_grad_()
        cost = partial_wasserstein_1d(x, y, number(0.0, 1.0, 2.0), share=0.7)
        cost.backward()
        assert cost == 0
        assert (x.grad == 0).all()

    @pytest.mark.parametrize("p", [1, 2, 3])
    def test_all_of_equal_masses_is_balanced_transport(self, p, generator):
        a, b, u, v = random(generator, 4, 9), random(generator, 4, 7), *random(generator, 2, 9)
        a, b, v = a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True), v[:7]
        arguments = [t.requires_grad_() for t in (a.detach(), b.detach(), u, v)]
        found = partial_wasserstein_1d(*arguments, share=1.0, p=p)
        expected = wasserstein_1d(*arguments, p=p)
        torch.testing.assert_close(found, expected)
        ours, theirs = (torch.autograd.grad(t.sum(), arguments) for t in (found, expected))
        for one, other in zip(ours[2:], theirs[2:], strict=True):
            torch.testing.assert_close(one, other)
        # Potentials are known up to a constant.
        torch.testing.assert_close(ours[0] - ours[0][:, :1], theirs[0] - theirs[0][:, :1])

    def test_a_mass_is_a_share_of_the_smaller(self, generator):
        a, b, u = random(generator, 6), 3 * random(generator, 6), random(generator, 6)
        one = partial_wasserstein_1d(a, b, u, share=0.6)
        torch.testing.assert_close(partial_wasserstein_1d(a, b, u, mass=0.6 * a.sum().item()), one)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("kind", ["dense", "sparse", "grid", "ties"])
def test_value_and_gradient_beside_pot(kind, p):
    """The cost is homogeneous, so that Euler's rule holds the gradients against POT, too."""
    draw = np.random.default_rng(0)
    for share in (0.02, 0.3, 0.7, 0.95, 1.0):
        n, m = draw.integers(1, 14, 2)
        a, b, u, v = (draw.random(size) for size in (n, m, n, m))
        if kind == "sparse":
            a, b = a**8, b**8
        elif kind != "dense":
            u, v = np.arange(n) / 10, np.arange(m) / 10
        if kind == "ties":
            a, b = np.ceil(3 * a), np.ceil(3 * b)
        most = share * min(a.sum(), b.sum())
        cost = np.abs(u[:, None] - v) ** p
        expected = partial_wasserstein2(a, b, cost, m=most * (1 - 1e-12))
        tensors = [torch.tensor(t, dtype=D, requires_grad=True) for t in (a, b, u, v)]
        found = partial_wasserstein_1d(*tensors, share=share, p=p)
        slopes = torch.autograd.grad(found, tensors)
        by_mass, by_place = (
            sum((g * t).sum() for g, t in list(zip(slopes, tensors, strict=True))[part])
            for part in (slice(2), slice(2, 4))
        )
        for ours in (found, by_mass, by_place / p):
            assert ours.item() == pytest.approx(expected, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("count", [1, 7, 20])
def test_beside_the_solver_of_pot_for_equal_masses(count, generator):
    u, v = random(generator, 25), random(generator, 20)
    *_, costs = ot.partial.partial_wasserstein_1d(u.numpy(), v.numpy(), count, p=1)
    found = partial_wasserstein_1d(
        torch.ones(25).to(u), torch.ones(20).to(u), u, v, mass=count, p=1
    )
    assert found.item() == pytest.approx(np.sum(costs))


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("part", [{"share": 0.1}, {"share": 0.8}, {"share": 1.0}, {"mass": 2.0}])
def test_gradcheck(p, part, generator):
    shapes = (3, 9), (1, 7), (9,), (3, 7)
    arguments = [random(generator, *s).requires_grad_() for s in shapes]
    assert torch.autograd.gradcheck(
        lambda *t: partial_wasserstein_1d(*t, **part, p=p), arguments, eps=1e-7, atol=1e-6
    )


def test_more_to_move_costs_more_and_more(generator):
    a, b, u = random(generator, 12), random(generator, 12), random(generator, 12)
    shares = torch.linspace(0.05, 1, 20).tolist()
    costs = torch.stack([partial_wasserstein_1d(a, b, u, share=s) for s in shares])
    assert (costs.diff() >= -1e-12).all()
    assert (costs.diff().diff() >= -1e-9).all()


def test_a_batch_is_its_rows_and_order_does_not_matter(generator):
    a, b = random(generator, 2, 5, 9)
    u = torch.randn(9, dtype=D, generator=generator)
    together = partial_wasserstein_1d(a, b, u, share=0.6)
    alone = [partial_wasserstein_1d(x, y, u, share=0.6) for x, y in zip(a, b, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone))
    order = torch.randperm(9, generator=generator)
    turned = partial_wasserstein_1d(b, a[..., order], u, u[order], share=0.6)
    torch.testing.assert_close(turned, together)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bins", [1, 5])
def test_silence_costs_nothing(dtype, bins):
    a, b = (torch.full((bins,), level, dtype=dtype).requires_grad_() for level in (0.0, 1.0))
    cost = partial_wasserstein_1d(a, b, torch.arange(bins).to(dtype), share=0.5)
    cost.backward()
    assert cost == 0
    assert (a.grad == 0).all()
    assert (b.grad == 0).all()
    assert cost.dtype == dtype


class TestRefused:
    def test_unless_one_of_both_is_given(self):
        one = number(1.0)
        for part in ({}, {"share": 0.5, "mass": 0.5}):
            with pytest.raises(ValueError, match="one of share and mass"):
                partial_wasserstein_1d(one, one, one, **part)

    def test_more_than_there_is(self):
        with pytest.raises(ValueError, match="mass must be at most the sum of b, which is 2"):
            partial_wasserstein_1d(number(3.0), number(2.0), number(0.0), mass=2.5)
        with pytest.raises(ValueError, match=r"share must be .* at most 1"):
            partial_wasserstein_1d(number(3.0), number(2.0), number(0.0), share=1.5)

    def test_nan_and_negative_masses(self):
        for bad, said in ((math.nan, "b must be finite"), (-1.0, "b must not be negative")):
            with pytest.raises(ValueError, match=said):
                partial_wasserstein_1d(number(1.0), number(bad), number(0.0), share=0.5)
