"""Exact transport on a circle: closed forms, POT, a linear program, both solvers, gradients."""

import math

import numpy as np
import ot
import pytest
import torch

from sotlib import wasserstein_1d, wasserstein_circle
from sotlib.transport._circle_sort import solve_by_sorting
from sotlib.transport._rows import merge_on_circle

D = torch.float64
KINDS = ["any", "ties", "even", "one bin each", "equal"]
ORDERS = [1.0, 1.5, 2.0, 3.0]
orders = pytest.mark.parametrize("p", ORDERS)


def random_problem(generator, kind, rows=4):
    n, m = torch.randint(1, 10, (2,), generator=generator).tolist()
    m = n if kind == "equal" else m
    x = torch.rand(rows, n, dtype=D, generator=generator)
    y = torch.rand(rows, m, dtype=D, generator=generator)
    u = torch.rand(n, dtype=D, generator=generator)
    v = u if kind == "equal" else torch.rand(rows, m, dtype=D, generator=generator)
    if kind == "ties":
        x, y = (4 * x).round(), (4 * y).round()
        x[:, 0] += x.sum(-1) == 0
        y[:, 0] += y.sum(-1) == 0
    elif kind == "even":
        x, y = torch.ones_like(x), torch.ones_like(y)
    elif kind == "one bin each":
        x, y = (torch.eye(t.shape[-1], dtype=D)[[i % t.shape[-1] for i in range(rows)]]
                for t in (x, y))  # fmt: skip
    elif kind == "equal":
        y = x
    return x / x.sum(-1, keepdim=True), y / y.sum(-1, keepdim=True), u, v


def problems(kind, count=20):
    generator = torch.Generator().manual_seed(KINDS.index(kind))
    return [random_problem(generator, kind) for _ in range(count)]


def arc(u, v, period=1.0):
    distance = (u[..., :, None] - v[..., None, :]).remainder(period)
    return torch.minimum(distance, period - distance)


def shifts_of_median(x, y, u, v):
    """W_1 by the median of the difference of the distribution functions, for one row."""
    points = np.sort(np.concatenate([u, v]))
    difference = np.array([x[u <= t].sum() - y[v <= t].sum() for t in points])
    width = np.diff(np.append(points, points[0] + 1))
    order = np.argsort(difference)
    reached = np.cumsum(width[order])
    median = difference[order][np.searchsorted(reached, reached[-1] / 2)]
    return (width * np.abs(difference - median)).sum()


class TestClosedForms:
    @orders
    def test_two_diracs_are_at_the_shorter_arc(self, p):
        notes = torch.eye(12, dtype=D)
        cost = wasserstein_circle(notes[11], notes, torch.arange(12.0), p=p, period=12)
        steps = torch.tensor([1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0], dtype=D)
        torch.testing.assert_close(cost, steps**p)

    @orders
    def test_of_a_short_arc_it_is_a_line(self, p, generator):
        x, y = torch.rand(2, 5, 8, dtype=D, generator=generator)
        x, y = x / x.sum(-1, keepdim=True), y / y.sum(-1, keepdim=True)
        u, v = 2.9 + torch.rand(2, 8, dtype=D, generator=generator) / 4  # across the wrap
        torch.testing.assert_close(
            wasserstein_circle(x, y, u, v, p=p), wasserstein_1d(x, y, u, v, p=p)
        )

    @orders
    def test_a_rotation_of_even_masses_costs_the_way_to_the_next(self, p):
        x, u = torch.ones(7, dtype=D), torch.arange(7, dtype=D) / 7
        for turn, expected in ((0.05, 0.05), (1 / 7 - 0.05, 0.05), (3 / 7, 0.0)):
            cost = wasserstein_circle(x, x, u, u + turn, p=p)
            assert cost.item() == pytest.approx(7 * expected**p, abs=1e-12)

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_order_one_it_is_the_median_of_the_difference(self, kind):
        for x, y, u, v in problems(kind):
            expected = [
                shifts_of_median(*(t.numpy() for t in row))
                for row in zip(x, y, u.expand_as(x), v.expand_as(y), strict=True)
            ]
            found = wasserstein_circle(x, y, u, v, p=1)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)

    @orders
    def test_silence_on_both_sides_costs_nothing(self, p):
        x = torch.zeros(2, 5, requires_grad=True)
        cost = wasserstein_circle(x, torch.zeros(2, 5), torch.arange(5.0), p=p, period=5)
        cost.sum().backward()
        assert not cost.any()
        assert not x.grad.any()


@orders
@pytest.mark.parametrize("kind", KINDS)
class TestOracles:
    def test_a_linear_program(self, kind, p):
        for x, y, u, v in problems(kind):
            found = wasserstein_circle(x, y, 3 * u, 3 * v - 6, p=p, period=3)
            for row in range(len(x)):
                cost = arc(u, v if v.ndim == 1 else v[row], 1.0) ** p * 3**p
                expected = ot.emd2(x[row].numpy(), y[row].numpy(), cost.numpy())
                assert found[row].item() == pytest.approx(expected, rel=1e-9, abs=1e-11)

    def test_pot(self, kind, p):
        for x, y, u, v in problems(kind):
            arguments = [t.T.numpy() for t in (u.expand_as(x), v.expand_as(y), x, y)]
            expected = ot.wasserstein_circle(*arguments, p=p)
            found = wasserstein_circle(x, y, u, v, p=p)
            np.testing.assert_allclose(found, expected, atol=1e-5)  # its own tolerance: 1e-6

    def test_merging_and_sorting(self, kind, p):
        for x, y, u, v in problems(kind):
            x[0], y[0] = 0, 0
            u, v = u.sort(dim=-1).values, v.sort(dim=-1).values
            merged = merge_on_circle(x, y, u, v, p, 2.5, (True,) * 4)
            sorted_ = solve_by_sorting(x, y, u, v, p, 2.5, (True,) * 4)
            for ours, theirs in zip(merged[:3], sorted_[:3], strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
            if kind == "any":  # where levels coincide several plans are optimal
                torch.testing.assert_close(merged[3:], sorted_[3:], rtol=1e-9, atol=1e-11)

    def test_potentials_are_feasible_and_their_sum_is_the_cost(self, kind, p):
        for x, y, u, v in problems(kind):
            x, y = x.requires_grad_(), (y.clone() if y is x else y).detach().requires_grad_()
            value = wasserstein_circle(x, y, u, v, p=p)
            f, g = torch.autograd.grad(value.sum(), (x, y))
            torch.testing.assert_close((f * x).sum(-1), value / 2, rtol=1e-9, atol=1e-11)
            torch.testing.assert_close((g * y).sum(-1), value / 2, rtol=1e-9, atol=1e-11)
            slack = arc(u, v) ** p - f[:, :, None] - g[:, None]
            # Two bins without mass may add up to more: each is as if it alone had some.
            some = (x[:, :, None] > 0) | (y[:, None] > 0)
            assert slack[some].min() > -1e-9


@orders
class TestGradients:
    def test_gradcheck_of_masses_and_positions(self, p, generator):
        x, y = torch.rand(2, 3, 6, dtype=D, generator=generator)
        u, v = torch.rand(2, 6, dtype=D, generator=generator)

        def cost(x, y, u, v):
            masses = (t / t.sum(-1, keepdim=True) for t in (x, y))
            return wasserstein_circle(*masses, u, v, p=p)

        arguments = [t.requires_grad_() for t in (x, y, u, v)]
        assert torch.autograd.gradcheck(cost, arguments, check_forward_ad=False)
        along = [torch.randn(t.shape, dtype=D, generator=generator) for t in arguments]
        _, forward = torch.func.jvp(cost, tuple(t.detach() for t in arguments), tuple(along))
        grads = torch.autograd.grad(cost(*arguments).sum(), arguments)
        backward = sum((g * t).sum() for g, t in zip(grads, along, strict=True))
        torch.testing.assert_close(forward.sum(), backward)

    def test_an_empty_bin_has_the_slope_of_filling_it(self, p):
        """A single note against another: any third one is as far from that as the arc says."""
        notes = torch.eye(12, dtype=D)
        x = notes[11].clone().requires_grad_()
        wasserstein_circle(x, notes[2], torch.arange(12.0), p=p, period=12).backward()
        steps = arc(torch.arange(12, dtype=D), torch.tensor([2.0], dtype=D), 12.0)[:, 0] ** p
        torch.testing.assert_close(x.grad - x.grad[11], steps - steps[11])

    def test_at_equal_masses_it_vanishes_on_them(self, p, generator):
        x = torch.rand(5, 9, dtype=D, generator=generator)
        leaf = x.clone().requires_grad_()
        cost = wasserstein_circle(leaf, x, torch.arange(9.0), p=p, period=9)
        (gradient,) = torch.autograd.grad(cost.sum(), leaf)
        assert not cost.any()
        torch.testing.assert_close(gradient, torch.zeros_like(x), rtol=0, atol=1e-9)

    def test_descent_goes_the_short_way_round(self, p):
        position = torch.tensor([0.9], requires_grad=True)
        wasserstein_circle(torch.ones(1), torch.ones(1), position, torch.zeros(1), p=p).backward()
        assert position.grad.item() == pytest.approx(-p * 0.1 ** (p - 1), rel=1e-5)

    def test_single_precision(self, p, generator):
        x, y = torch.rand(2, 4, 30, generator=generator)
        x, y = x / x.sum(-1, keepdim=True), y / y.sum(-1, keepdim=True)
        u = torch.rand(30, generator=generator)
        found = wasserstein_circle(x, y, u, p=p)
        assert found.dtype == torch.float32
        expected = wasserstein_circle(x.double(), y.double(), u.double(), p=p)
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("transport", [wasserstein_1d, wasserstein_circle])
def test_gradients_by_vmap_are_those_of_a_loop(transport, generator):
    x, y = torch.rand(2, 3, 6, dtype=D, generator=generator)
    x, y = x / x.sum(-1, keepdim=True), y / y.sum(-1, keepdim=True)
    u = torch.rand(3, 6, dtype=D, generator=generator)
    gradients = torch.func.vmap(torch.func.grad(transport, (0, 2)))(x, y, u)
    for row in range(3):
        alone = torch.func.grad(transport, (0, 2))(x[row], y[row], u[row])
        torch.testing.assert_close(tuple(g[row] for g in gradients), alone)


X = torch.ones(3)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X, 2 * X, X), {}, "a and b must have equal mass"),
        ((X, X * torch.tensor([1, 3, -1]), X), {}, "b must not be negative"),
        ((X, X, X), {"period": 0}, "period must be a finite number above 0"),
        ((X, X, X), {"period": 1e20, "p": 50}, r"period = 1e\+20 to the power p = 50"),
        ((X, X, X[:2]), {}, "positions must give one position for each of the 3 bins"),
        ((X, X, X / 0), {}, "positions must be finite"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        wasserstein_circle(*arguments, **options)


def test_there_is_no_second_derivative():
    x = X.clone().requires_grad_()
    cost = wasserstein_circle(x, X, torch.tensor([0.0, math.pi / 5, 0.5]))
    (slope,) = torch.autograd.grad(cost, x, create_graph=True)
    with pytest.raises(RuntimeError, match="wasserstein_circle has no second derivative"):
        slope.sum().backward()
