"""Exact transport on a line: closed forms, SciPy and POT, both solvers, gradients, bad input."""

import os
import signal

import numpy as np
import ot
import pytest
import scipy.stats
import torch

from sotlib import quantile_functions, wasserstein_1d
from sotlib.transport._line_merge import merge
from sotlib.transport._line_sort import solve_by_sorting
from sotlib.transport._rows import merge_on_line

D = torch.float64


def dirac(*positions, at):
    weights = torch.zeros(at, dtype=D)
    weights[list(positions)] = 1 / len(positions)
    return weights


def random_problem(generator, kind, rows=5):
    n, m = torch.randint(1, 12, (2,), generator=generator).tolist()
    x = torch.rand(rows, n, dtype=D, generator=generator)
    y = torch.rand(rows, m, dtype=D, generator=generator)
    if kind == "balanced":
        x, y = x / x.sum(-1, keepdim=True), y / y.sum(-1, keepdim=True)
    elif kind == "ties":
        x, y = (x * 4).round() / 4, (y * 4).round() / 4
    elif kind == "equal":
        y = x.clone()
    elif kind == "one silent":
        x[:] = 0
    elif kind == "zeros":
        x[:, ::2] = 0
        y[:, 1:] = 0
    u = torch.rand(n, dtype=D, generator=generator).sort().values
    v = torch.rand(rows, y.shape[-1], dtype=D, generator=generator).sort().values
    return x, y, u, v


KINDS = ["balanced", "unbalanced", "ties", "equal", "one silent", "zeros"]


class TestClosedForms:
    @pytest.mark.parametrize("p", [1, 1.5, 2, 3])
    def test_two_diracs_are_at_the_distance_of_their_positions(self, p):
        positions = torch.linspace(-1, 3, 9, dtype=D)
        cost = wasserstein_1d(dirac(1, at=9), dirac(7, at=9), positions, p=p)
        torch.testing.assert_close(cost, (positions[7] - positions[1]) ** p)

    @pytest.mark.parametrize("p", [1, 2, 3])
    def test_a_translation_costs_its_length(self, p, generator):
        x = torch.rand(4, 30, dtype=D, generator=generator)
        positions = torch.randn(30, dtype=D, generator=generator)
        cost = wasserstein_1d(x, x, positions, positions + 2.5, p=p)
        torch.testing.assert_close(cost, x.sum(-1) * 2.5**p)

    def test_a_permutation_of_the_bins_changes_nothing(self, generator):
        x, y = torch.rand(2, 20, dtype=D, generator=generator)
        positions = torch.randn(20, dtype=D, generator=generator)
        order = torch.randperm(20, generator=generator)
        torch.testing.assert_close(
            wasserstein_1d(x, y, positions),
            wasserstein_1d(x[order], y, positions[order], positions),
        )

    def test_mass_beyond_the_smaller_one_goes_to_its_last_position(self):
        positions = torch.tensor([0.0, 1.0, 5.0], dtype=D)
        x, y = torch.tensor([1.0, 0, 0], dtype=D), torch.tensor([3.0, 0, 0], dtype=D)
        assert wasserstein_1d(x, y, positions, p=1) == 2 * 5.0
        assert wasserstein_1d(x, y, positions, p=1, cutoff=True) == 0.0

    def test_cutoff_counts_levels_up_to_one(self):
        positions = torch.tensor([0.0, 1.0], dtype=D)
        x, y = torch.tensor([1.0, 0], dtype=D), torch.tensor([0.25, 3.0], dtype=D)
        assert wasserstein_1d(x, y, positions, cutoff=True) == 0.75

    def test_w1_is_the_area_between_the_cumulative_sums(self, generator):
        x, y = torch.rand(2, 40, dtype=D, generator=generator).softmax(-1)
        positions = torch.rand(40, dtype=D, generator=generator).sort().values
        area = ((x - y).cumsum(-1)[:-1].abs() * positions.diff()).sum()
        torch.testing.assert_close(wasserstein_1d(x, y, positions, p=1), area)


class TestOracles:
    @pytest.mark.parametrize("seed", range(5))
    def test_scipy_wasserstein_distance(self, seed):
        generator = torch.Generator().manual_seed(seed)
        x, y, u, v = random_problem(generator, "balanced", rows=1)
        expected = scipy.stats.wasserstein_distance(u, v[0], x[0], y[0])
        ours = wasserstein_1d(x[0], y[0], u, v[0], p=1)
        np.testing.assert_allclose(ours, expected, atol=1e-6 * (1 + expected))

    @pytest.mark.parametrize("p", [1, 2, 3])
    @pytest.mark.parametrize("seed", range(5))
    def test_pot_emd2_1d(self, seed, p):
        generator = torch.Generator().manual_seed(seed)
        x, y, u, v = random_problem(generator, "balanced", rows=1)
        cost = ot.dist(u[:, None].numpy(), v[0][:, None].numpy(), metric="euclidean") ** p
        expected = ot.emd2(x[0].numpy(), y[0].numpy(), cost)
        ours = wasserstein_1d(x[0], y[0], u, v[0], p=p)
        np.testing.assert_allclose(ours, expected, atol=1e-6)

    def test_pot_wasserstein_1d_with_its_gradient(self, generator):
        x, y = torch.rand(2, 6, 50, dtype=D, generator=generator).softmax(-1)
        u = torch.linspace(0, 1, 50, dtype=D)
        grads = []
        for solver in ("ours", "pot"):
            logits = x.log().requires_grad_()
            weights = logits.softmax(-1)
            if solver == "ours":
                cost = wasserstein_1d(weights, y, u)
            else:
                grid = u[:, None].expand(-1, 6)
                cost = ot.wasserstein_1d(grid, grid, weights.T, y.T, p=2)
            cost.sum().backward()
            grads.append((cost.detach(), logits.grad))
        torch.testing.assert_close(grads[0], grads[1], rtol=1e-6, atol=1e-9)


class TestBothSolvers:
    """The merge used on CPU and the sort used on CUDA share no code but the conventions."""

    @pytest.mark.parametrize("cutoff", [False, True])
    @pytest.mark.parametrize("p", [1.0, 2.0, 2.5])
    @pytest.mark.parametrize("kind", KINDS)
    def test_agree_in_value_and_in_all_gradients(self, kind, p, cutoff):
        generator = torch.Generator().manual_seed(KINDS.index(kind))
        for _ in range(20):
            x, y, u, v = random_problem(generator, kind)
            arguments = (x, y, u, v, p, cutoff, 64 * torch.finfo(D).eps, [True] * 4)
            merged, sorted_ = merge_on_line(*arguments), solve_by_sorting(*arguments)
            for ours, other in zip(merged, sorted_, strict=True):
                torch.testing.assert_close(ours, other, rtol=1e-9, atol=1e-11)

    def test_agree_on_spectra_of_a_usual_size(self, generator):
        x = torch.rand(40, 1025, dtype=D, generator=generator) ** 8
        y = torch.rand(40, 1025, dtype=D, generator=generator) ** 8
        u = torch.linspace(0, 1, 1025, dtype=D)
        arguments = (x, y, u, u, 2.0, False, 1e-14, [True] * 4)
        merged, sorted_ = merge_on_line(*arguments), solve_by_sorting(*arguments)
        for ours, other in zip(merged, sorted_, strict=True):
            torch.testing.assert_close(ours, other, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("rows", [1, 2, 3])
    def test_rows_are_each_alone_with_positions_of_their_own(self, rows, generator):
        x, y, u, v = torch.rand(4, rows, 6, dtype=D, generator=generator)
        alone = [wasserstein_1d(x[k], y[k], u[k], v[k]) for k in range(rows)]
        torch.testing.assert_close(wasserstein_1d(x, y, u, v), torch.stack(alone))

    def test_the_number_of_threads_does_not_change_a_bit(self, generator):
        x, y = torch.rand(2, 65, 800, generator=generator)
        u = torch.linspace(0, 1, 800)
        threads = torch.get_num_threads()
        try:
            results = []
            for count in (1, 2, 3):
                torch.set_num_threads(count)
                results.append(wasserstein_1d(x, y, u))
        finally:
            torch.set_num_threads(threads)
        assert torch.equal(results[0], results[1])
        assert torch.equal(results[0], results[2])

    def test_works_in_a_forked_process_after_threads_were_used(self):
        x, y = np.random.default_rng(0).random((2, 65, 800))
        grid = np.linspace(0, 1, 800)[None]
        arguments = (x, y, grid, grid, 2.0, False, 1e-14, [False] * 4, 2)
        expected = merge(*arguments)[0]
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # a child that hangs dies, and the test fails
            os._exit(0 if np.array_equal(merge(*arguments)[0], expected) else 1)
        assert os.waitpid(child, 0)[1] == 0


class TestGradients:
    @pytest.mark.parametrize("cutoff", [False, True])
    @pytest.mark.parametrize("p", [1, 2, 2.5])
    def test_gradcheck_of_unequal_masses_in_all_arguments(self, p, cutoff, generator):
        x = torch.rand(3, 7, dtype=D, generator=generator) + 0.1
        y = (torch.rand(3, 5, dtype=D, generator=generator) + 0.1) * 1.5
        u = torch.rand(7, dtype=D, generator=generator)
        v = torch.rand(3, 5, dtype=D, generator=generator)
        arguments = [t.requires_grad_() for t in (x, y, u, v)]
        assert torch.autograd.gradcheck(
            lambda *a: wasserstein_1d(*a, p=p, cutoff=cutoff), arguments
        )

    @pytest.mark.parametrize("p", [1, 2])
    def test_gradcheck_of_equal_masses(self, p, generator):
        x = torch.randn(3, 6, dtype=D, generator=generator).requires_grad_()
        y = torch.randn(3, 6, dtype=D, generator=generator).requires_grad_()
        u = torch.rand(6, dtype=D, generator=generator)
        assert torch.autograd.gradcheck(
            lambda x, y: wasserstein_1d(x.softmax(-1), y.softmax(-1), u, p=p), (x, y)
        )

    @pytest.mark.parametrize("kind", ["balanced", "equal", "zeros"])
    def test_gradients_are_kantorovich_potentials(self, kind, generator):
        x, y, u, v = random_problem(generator, kind)
        x, y = x + 1e-12, y + 1e-12
        x, y = x / x.sum(-1, keepdim=True), y / y.sum(-1, keepdim=True)
        x.requires_grad_()
        y.requires_grad_()
        cost = wasserstein_1d(x, y, u, v)
        f, g = torch.autograd.grad(cost.sum(), (x, y))
        dual = (f * x).sum(-1) + (g * y).sum(-1)
        torch.testing.assert_close(dual, cost)
        ground = (u[:, None] - v[:, None, :]) ** 2
        assert (f[:, :, None] + g[:, None, :] <= ground + 1e-9).all()

    def test_the_gradient_vanishes_at_equal_spectra(self, generator):
        x = torch.rand(3, 50, generator=generator).requires_grad_()
        cost = wasserstein_1d(x, x.detach().clone(), torch.linspace(0, 1, 50))
        cost.sum().backward()
        assert torch.equal(cost, torch.zeros(3))
        assert x.grad.abs().max() < 1e-7

    def test_empty_bins_above_the_last_sounding_one_cost_more_not_less(self):
        """Rounding of the masses must not make far bins look attractive."""
        positions = torch.linspace(0, 1, 400)
        x, y = torch.zeros(400), torch.zeros(400)
        x[:3], y[:5] = torch.tensor([0.2, 0.3, 0.1]) / 0.6, 0.2
        x.requires_grad_()
        wasserstein_1d(x, y * 0.99999999, positions).backward()
        assert (x.grad[5:].diff() > 0).all()

    @pytest.mark.parametrize("p", [1, 2])
    def test_bins_that_are_empty_in_both_have_the_slope_that_filling_them_has(self, p):
        """At their side of the axis there is no other: the cost is linear in a little mass."""
        positions = torch.tensor([0.0, 1.0, 2.5, 3.0, 4.0], dtype=D)
        x = torch.tensor([0, 0.5, 0.25, 0.25, 0], dtype=D, requires_grad=True)
        y = torch.tensor([0, 0.5, 0.125, 0.375, 0], dtype=D)  # one level within is the same
        cost = wasserstein_1d(x, y, positions, p=p)
        cost.backward()
        for empty, beside in ((0, 1), (4, 3)):
            moved = x.detach().clone()
            moved[beside], moved[empty] = moved[beside] - 0.01, 0.01
            slope = (wasserstein_1d(moved, y, positions, p=p) - cost.detach()) / 0.01
            torch.testing.assert_close(x.grad[empty] - x.grad[beside], slope)

    def test_shared_positions_get_the_sum_of_the_gradients(self, generator):
        x, y = torch.rand(2, 4, 6, dtype=D, generator=generator)
        shared = torch.rand(6, dtype=D, generator=generator).requires_grad_()
        wasserstein_1d(x, y, shared, shared + 1.0).sum().backward()
        own = shared.detach().expand(4, -1).clone().requires_grad_()
        wasserstein_1d(x, y, own, own + 1.0).sum().backward()
        torch.testing.assert_close(shared.grad, own.grad.sum(0))

    @pytest.mark.parametrize("alone", range(4))
    def test_one_argument_alone_gets_the_gradient_that_all_get(self, alone, generator):
        x, y = torch.rand(2, 3, 6, dtype=D, generator=generator)
        u, v = torch.rand(2, 6, dtype=D, generator=generator)
        together = [t.clone().requires_grad_() for t in (x, y, u, v)]
        wasserstein_1d(*together).sum().backward()
        arguments = [t.clone().requires_grad_(i == alone) for i, t in enumerate((x, y, u, v))]
        wasserstein_1d(*arguments).sum().backward()
        torch.testing.assert_close(arguments[alone].grad, together[alone].grad)

    def test_only_what_is_asked_for_gets_a_gradient(self):
        y = torch.rand(3, requires_grad=True)
        u = torch.arange(3.0)
        wasserstein_1d(torch.rand(3), y, u).backward()
        assert y.grad is not None
        assert u.grad is None

    def test_forward_mode_beside_a_gradient(self):
        x, y, u = torch.rand(4, requires_grad=True), torch.rand(4), torch.arange(4.0)
        one = torch.ones(4)
        _, slope = torch.func.jvp(lambda t: wasserstein_1d(x * t, y, u), (one,), (one,))
        (gradient,) = torch.autograd.grad(wasserstein_1d(x, y, u), x)
        torch.testing.assert_close(slope, (gradient * x).sum())
        with pytest.raises(RuntimeError, match="no second derivative"):
            slope.backward()

    def test_forward_mode_of_the_gradient_is_refused(self):
        x, y, u = torch.rand(4), torch.rand(4), torch.arange(4.0)
        slope = torch.func.grad(lambda x: wasserstein_1d(x, y, u))
        with pytest.raises(RuntimeError, match="no second derivative"):
            torch.func.jvp(slope, (x,), (torch.ones(4),))

    def test_a_second_derivative_is_refused(self):
        x = torch.rand(4, requires_grad=True)
        cost = wasserstein_1d(x, torch.rand(4), torch.arange(4.0))
        (slope,) = torch.autograd.grad(cost, x, create_graph=True)
        with pytest.raises(RuntimeError, match="no second derivative: its gradient is computed by"):
            slope.sum().backward()


class TestSilence:
    def test_two_silent_spectra(self):
        x = torch.zeros(2, 5, requires_grad=True)
        cost = wasserstein_1d(x, torch.zeros(2, 5), torch.arange(5.0))
        cost.sum().backward()
        assert torch.equal(cost, torch.zeros(2))
        assert torch.equal(x.grad, torch.zeros(2, 5))

    def test_one_silent_spectrum_stays_at_the_last_position(self):
        x = torch.zeros(5, requires_grad=True)
        y = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0], requires_grad=True)
        cost = wasserstein_1d(x, y, torch.arange(5.0), p=1)
        cost.backward()
        assert cost == 3.0
        assert torch.isfinite(x.grad).all()
        assert torch.isfinite(y.grad).all()


class TestShapes:
    def test_a_batch_equals_a_loop(self, generator):
        x, y = torch.rand(2, 3, 4, 9, generator=generator)
        u = torch.rand(9, generator=generator)
        batch = wasserstein_1d(x, y, u)
        assert batch.shape == (3, 4)
        for i in range(3):
            for j in range(4):
                torch.testing.assert_close(batch[i, j], wasserstein_1d(x[i, j], y[i, j], u))

    def test_leading_dimensions_broadcast(self, generator):
        x, y = torch.rand(4, 1, 6, generator=generator), torch.rand(3, 6, generator=generator)
        x.requires_grad_()
        cost = wasserstein_1d(x, y, torch.arange(6.0))
        assert cost.shape == (4, 3)
        cost.sum().backward()
        assert x.grad.shape == x.shape

    def test_strided_input_equals_contiguous(self, generator):
        x, y = torch.rand(2, 9, 4, generator=generator)
        u = torch.arange(9.0)
        torch.testing.assert_close(
            wasserstein_1d(x.T, y.T, u), wasserstein_1d(x.T.contiguous(), y.T.contiguous(), u)
        )

    def test_one_bin(self):
        one = torch.ones(1)
        assert wasserstein_1d(one, one, torch.zeros(1), torch.full((1,), 3.0)) == 9.0

    def test_positions_keep_their_own_precision(self):
        one, p = torch.ones(1), torch.tensor([20000.0001, 20000.0002], dtype=D)
        cost = wasserstein_1d(one, one, p[:1], p[1:], p=1)
        assert cost.item() == pytest.approx(1e-4, rel=1e-6)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_dtype_is_kept(self, dtype):
        x = torch.rand(5, dtype=dtype, requires_grad=True)
        cost = wasserstein_1d(x, torch.rand(5, dtype=dtype), torch.arange(5, dtype=dtype))
        cost.backward()
        assert cost.dtype == x.grad.dtype == dtype


class TestQuantileFunctions:
    def test_their_integral_is_the_cost(self, generator):
        x, y = torch.rand(2, 3, 20, dtype=D, generator=generator).softmax(-1)
        u = torch.randn(20, dtype=D, generator=generator)
        qx, qy, levels, cx, cy = quantile_functions(x, y, u)
        widths = levels.diff(dim=-1, prepend=torch.zeros(3, 1, dtype=D))
        torch.testing.assert_close(
            (widths * (qx - qy) ** 2).sum(-1), wasserstein_1d(x, y, u), atol=1e-9, rtol=1e-9
        )
        assert qx.shape == qy.shape == levels.shape == (3, 40)
        assert (qx.diff(dim=-1) >= 0).all()
        torch.testing.assert_close(cx[:, -1], torch.ones(3, dtype=D))
        assert cy.shape == (3, 20)


class TestBadInput:
    positions = torch.arange(3.0)

    def call(self, x=None, y=None, u=None, v=None, **options):
        good = torch.ones(2, 3)
        return wasserstein_1d(
            good if x is None else x,
            good if y is None else y,
            self.positions if u is None else u,
            v,
            **options,
        )

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"x": -torch.ones(2, 3)}, ValueError, "a must not be negative"),
            ({"y": torch.full((2, 3), torch.nan)}, ValueError, "b must be finite; 6 of"),
            ({"y": torch.full((2, 3), torch.inf)}, ValueError, "b must be finite"),
            ({"x": torch.ones(2, 3).long()}, TypeError, "a must hold floating-point"),
            ({"x": [1.0, 2.0, 3.0]}, TypeError, "a must be a torch.Tensor; got list"),
            ({"x": torch.ones(4, 3)}, ValueError, r"leading dimensions; got shapes \(4, 3\)"),
            ({"u": torch.arange(4.0)}, ValueError, "positions must give one position for each"),
            ({"v": torch.arange(2.0)}, ValueError, "positions_b must give one position for each"),
            ({"u": torch.ones(5, 3)}, ValueError, r"positions must have shape \(3,\)"),
            ({"u": torch.tensor([0, torch.nan, 1])}, ValueError, "positions must be finite"),
            ({"y": torch.ones(2, 4)}, ValueError, "also used for b"),
            ({"x": torch.ones(2, 3).double()}, ValueError, "must share dtype"),
            ({"x": torch.tensor(1.0)}, ValueError, "at least one dimension"),
            (
                {"x": torch.ones(2, 0), "u": torch.ones(0), "v": torch.ones(3)},
                ValueError,
                "a must not be empty",
            ),
            ({"p": 0.5}, ValueError, "p must be a finite number of at least 1"),
            ({"x": torch.ones(2, 3).half()}, TypeError, "a must be float32 or float64"),
            ({"p": "2"}, ValueError, "p must be a finite number of at least 1"),
            ({"p": float("inf")}, ValueError, "p must be a finite number of at least 1"),
        ],
    )
    def test_is_named(self, options, error, message):
        with pytest.raises(error, match=message):
            self.call(**options)
