"""Entropic transport on the plane: analytic cases, POT, properties, gradients, bad input."""

import math
import warnings

import numpy as np
import ot
import pytest
import torch
from memory import LargestTensor

from sotlib import ConvergenceWarning, exact_grid_transport, sinkhorn_divergence, sinkhorn_grid
from sotlib.transport._sinkhorn import axes as sinkhorn_axes
from sotlib.transport._sinkhorn import scalings
from sotlib.transport._sinkhorn.axes import LogAxis
from sotlib.transport._sinkhorn.smooth import SmoothAxis

F64 = torch.float64
counted = pytest.mark.filterwarnings("ignore::sotlib.transport.sinkhorn.ConvergenceWarning")
EXACT = {"epsilon_scaling": False, "over_relaxation": False, "tol": 0.0}


def masses(bins, frames, *, seed, batch=(), power=3, dtype=F64):
    """Strictly positive random masses of sum 1."""
    generator = torch.Generator().manual_seed(seed)
    mass = torch.rand(*batch, bins, frames, generator=generator, dtype=F64) ** power + 1e-6
    return (mass / mass.sum((-2, -1), keepdim=True)).to(dtype)


def uneven(size, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(size, generator=generator, dtype=F64).add(0.1).cumsum(0)


def cost_matrix(freqs, times, freqs_b, times_b, time_scale):
    along_f = (freqs[:, None] - freqs_b) ** 2
    along_t = (time_scale * (times[:, None] - times_b)) ** 2
    full = along_f[:, None, :, None] + along_t[None, :, None, :]
    return full.reshape(len(freqs) * len(times), -1).numpy()


@pytest.fixture
def problem():
    """Different uneven grids for a and b, and the full cost matrix."""
    a, b = masses(9, 7, seed=0), masses(8, 6, seed=1)
    axes = {
        "freqs": uneven(9, 2),
        "times": uneven(7, 3),
        "freqs_b": uneven(8, 4),
        "times_b": uneven(6, 5) * 1.5,
        "time_scale": 1.7,
    }
    return a, b, axes, cost_matrix(*axes.values())


# --- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [1.0, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize(("df", "dt"), [(3, 0), (0, 4), (-2, 5), (0, 0)])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_one_bin_moves(df, dt, epsilon, dtype):
    """A single bin has one plan: the cost is the squared distance at every ε."""
    a, b = torch.zeros(2, 8, 12, dtype=dtype)
    a[4, 3] = b[4 + df, 3 + dt] = 1
    result = sinkhorn_grid(a, b, time_scale=2.5, epsilon=epsilon)
    expected = df**2 + (2.5 * dt) ** 2
    atol = 8 * torch.finfo(dtype).eps
    for value in (result.value, result.transport_cost):
        assert value.item() == pytest.approx(expected, rel=atol, abs=1e-12)
    moved_f, moved_t = (d[4, 3].item() for d in result.displacement)
    assert (moved_f, moved_t) == pytest.approx((df, dt), rel=10 * atol, abs=1e-9)
    assert result.converged
    assert result.value.dtype == dtype


def test_translation_of_a_pattern():
    """Debiased, a translation by Δ costs |Δ|² at every ε."""
    a = torch.zeros(20, 30, dtype=F64)
    a[3:8, 2:9] = masses(5, 7, seed=0)
    b = a.roll((6, 11), (0, 1))
    for epsilon in (1e-1, 1e-2, 1e-3):
        value = sinkhorn_divergence(a, b, time_scale=0.5, epsilon=epsilon, tol=1e-12)
        assert value.item() == pytest.approx(6**2 + (0.5 * 11) ** 2, rel=1e-9)


def test_separable_masses_add_up():
    """For products of marginals the problem splits: OT = OT along frequency + OT along time."""
    af, bf = masses(1, 9, seed=0)[0], masses(1, 9, seed=1)[0]
    at, bt = masses(1, 6, seed=2)[0], masses(1, 6, seed=3)[0]
    full = sinkhorn_grid(
        torch.outer(af, at), torch.outer(bf, bt), epsilon=0.02, tol=1e-12, max_iter=20000
    )
    largest = 8**2 + 5**2
    settings = {"tol": 1e-12, "max_iter": 20000}
    along_f = sinkhorn_grid(af[:, None], bf[:, None], epsilon=0.02 * largest / 8**2, **settings)
    along_t = sinkhorn_grid(at[None], bt[None], epsilon=0.02 * largest / 5**2, **settings)
    assert full.value.item() == pytest.approx((along_f.value + along_t.value).item(), rel=1e-10)


def test_gaussians_have_their_closed_form():
    """Entropic transport between Gaussians of one variance s² (Janati et al., NeurIPS 2020)."""
    freqs = torch.linspace(-12, 12, 481, dtype=F64)
    s, shift, epsilon = 1.0, 3.0, 1e-2

    def gaussian(mean):
        mass = torch.exp(-((freqs - mean) ** 2) / (2 * s**2))
        return (mass / mass.sum())[:, None]

    eps = epsilon * 24**2
    result = sinkhorn_grid(
        gaussian(-shift / 2), gaussian(shift / 2), freqs=freqs, epsilon=epsilon, tol=1e-12
    )
    # Correlation c = cov(x, y) of the optimal plan solves c² + (eps/2) c - s⁴ = 0.
    c = (-eps / 2 + math.sqrt(eps**2 / 4 + 4 * s**4)) / 2
    entropy = -0.5 * math.log(1 - (c / s**2) ** 2)
    expected = shift**2 + 2 * (s**2 - c) + eps * entropy
    assert result.value.item() == pytest.approx(expected, rel=1e-6)


# --- POT ----------------------------------------------------------------------------------------


@counted
@pytest.mark.parametrize("updates", [1, 2, 7, 60])
@pytest.mark.parametrize("epsilon", [1e-1, 1e-2, 6e-3])
def test_equals_pot_update_by_update(problem, epsilon, updates):
    a, b, axes, cost = problem
    ours = sinkhorn_grid(a, b, **axes, epsilon=epsilon, max_iter=updates, **EXACT)
    theirs = ot.sinkhorn2(
        a.flatten().numpy(), b.flatten().numpy(), cost, epsilon * cost.max(),
        numItermax=updates, stopThr=0, warn=False, return_type="linear",
    )  # fmt: skip
    assert ours.n_iter == updates
    assert ours.transport_cost.item() == pytest.approx(float(theirs), rel=1e-9)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@counted
@pytest.mark.parametrize("updates", [1, 2, 7, 60])
@pytest.mark.parametrize("epsilon", [1e-1, 1e-3, 1e-4])
def test_equals_pot_in_the_log_domain(problem, epsilon, updates):
    """With bins without mass, where POT's plain method stops early."""
    a, b, axes, cost = problem
    a[2], b[:, 1] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    ours = sinkhorn_grid(a, b, **axes, epsilon=epsilon, max_iter=updates, **EXACT)
    plan = ot.sinkhorn(
        a.flatten().numpy(), b.flatten().numpy(), cost, epsilon * cost.max(),
        method="sinkhorn_log", numItermax=updates, stopThr=0, warn=False,
    )  # fmt: skip
    assert ours.transport_cost.item() == pytest.approx((plan * cost).sum(), rel=1e-9)
    assert ours.plan().reshape(cost.shape).numpy() == pytest.approx(plan, abs=1e-12)
    missing = np.abs(plan.sum(0) - b.flatten().numpy()).sum()
    assert ours.marginal_error.item() == pytest.approx(missing, abs=1e-12)


@pytest.mark.parametrize("epsilon", [2e-2, 2e-3])
@pytest.mark.parametrize("penalty", [0.05, 1.0])
def test_unbalanced_equals_pot(problem, epsilon, penalty):
    a, b, axes, cost = problem
    b = 3 * b
    ours = sinkhorn_grid(
        a, b, **axes, epsilon=epsilon, marginal_penalty=penalty, tol=1e-11, max_iter=20000
    )
    scale = math.sqrt(3)  # the geometric mean of the masses
    plan = scale * ot.unbalanced.sinkhorn_unbalanced(
        a.flatten().numpy() / scale, b.flatten().numpy() / scale, cost, epsilon * cost.max(),
        penalty * cost.max(), reg_type="kl", numItermax=100000, stopThr=1e-14,
    )  # fmt: skip
    assert ours.converged
    assert ours.transport_cost.item() == pytest.approx((plan * cost).sum(), rel=1e-7)
    assert ours.plan().reshape(cost.shape).numpy() == pytest.approx(plan, abs=1e-8)


def test_value_is_the_primal_objective(problem):
    a, b, axes, cost = problem
    result = sinkhorn_grid(a, b, **axes, epsilon=0.01, tol=1e-12, max_iter=20000)
    plan, product = result.plan(), a[..., None, None] * b
    relative_entropy = (plan * (plan / product).log()).sum()
    expected = result.transport_cost + 0.01 * cost.max() * relative_entropy
    assert result.value.item() == pytest.approx(expected.item(), rel=1e-10)


def test_unbalanced_value_is_the_primal_objective(problem):
    a, b, axes, cost = problem
    b = 3 * b
    result = sinkhorn_grid(
        a, b, **axes, epsilon=0.01, marginal_penalty=0.3, tol=1e-12, max_iter=20000
    )
    scale = math.sqrt(3)
    plan = result.plan() / scale
    a, b = a / scale, b / scale

    def kl(p, q):
        return (p * (p / q).log() - p + q).sum()

    marginals = kl(plan.sum((-2, -1)), a) + kl(plan.sum((0, 1)), b)
    expected = result.transport_cost / scale + cost.max() * (
        0.01 * kl(plan, a[..., None, None] * b) + 0.3 * marginals
    )
    assert result.value.item() == pytest.approx(scale * expected.item(), rel=1e-9)


def test_debiased_value_tends_to_exact_transport(problem):
    a, b, axes, _ = problem
    exact = exact_grid_transport(a, b, **axes).value.item()
    options = {"tol": 1e-6, "max_iter": 20000}
    gaps = [
        abs(sinkhorn_divergence(a, b, **axes, epsilon=epsilon, **options).item() / exact - 1)
        for epsilon in (1e-1, 1e-2, 1e-3, 2e-4)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.005


# --- properties ---------------------------------------------------------------------------------


def test_tiles_equal_a_plain_log_sum_exp():
    """Also where nothing but the leading term of each sum can be represented."""
    x, y = uneven(40, 0), uneven(33, 1)
    h = 300 * torch.randn(33, 5, generator=torch.Generator().manual_seed(2), dtype=F64)
    h[4:9], h[:, 3] = -math.inf, -math.inf
    for eps in (1.0, 1e-1, 1e-3, 1e-5):
        axis = LogAxis(x, y, eps)
        plain = (h - ((x[:, None] - y) ** 2 / eps)[:, :, None]).logsumexp(1)
        torch.testing.assert_close(axis.logsumexp(h), plain, rtol=1e-13, atol=1e-11)


@pytest.mark.parametrize("exponent", [50, 200, 500, 900, 1500, 4000])
def test_tiles_represent_each_term_by_itself(exponent):
    """Whatever source holds the mass, near a tile or at the other end of the axis."""
    x, y = uneven(40, 0), uneven(33, 1)
    squares = (x[:, None] - y) ** 2
    eps = squares.max().item() / exponent
    h = torch.full((33, 33), -math.inf, dtype=F64).fill_diagonal_(0.0)
    torch.testing.assert_close(LogAxis(x, y, eps).logsumexp(h), -squares / eps)


@pytest.mark.parametrize("shape", [(3, 300), (300, 3)])
@pytest.mark.parametrize("epsilon", [1e-1, 1e-2, 1e-3])
@counted
def test_memory_grows_with_bins_and_frames_not_with_their_squares(epsilon, shape, monkeypatch):
    """A kernel that may not be kept is made in parts: the same results, nothing of its size."""
    a, b = masses(*shape, seed=0, batch=(2,)), masses(*shape, seed=1, batch=(2,))
    options = {"freqs": uneven(shape[0], 2), "times": uneven(shape[1], 3), "max_iter": 10}
    monkeypatch.setattr(scalings, "fits", lambda a, b: False)

    def results():
        result = sinkhorn_grid(a, b, epsilon=epsilon, **options)
        divergence = sinkhorn_divergence(a, b, epsilon=epsilon, **options)
        return result.value, result.transport_cost, *result.displacement, divergence

    whole = results()
    monkeypatch.setattr(sinkhorn_axes, "KEPT", 1000)
    with LargestTensor() as largest:
        in_parts = results()
    assert largest.elements <= 30 * 300 < 300 * 300 / 4  # 30: more than the nodes of a tile
    for part, expected in zip(in_parts, whole, strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("span", "nodes"), [(1.0, 25), (6.0, 250), (10.0, 700)])
def test_smooth_kernels_equal_the_kernel_in_every_entry(span, nodes):
    """So sums of positive numbers are right wherever these lie, however small the kernel there."""
    x, y = uneven(1300, 0), uneven(1100, 1)
    x, y = x / x[-1] * span, y / y[-1] * 0.9 * span + 0.05
    axis = SmoothAxis.of(x, y, 1.0)
    assert max(axis.between.shape) < nodes
    kernel = torch.exp(-((x[:, None] - y) ** 2))
    product = torch.empty_like(kernel)
    axis.multiply(torch.eye(1100, dtype=F64), product)
    torch.testing.assert_close(product, kernel, rtol=1e-9, atol=0)


def test_kernels_that_are_narrow_or_short_are_left_as_they_are():
    x = torch.linspace(0, 1, 1000, dtype=F64)
    assert SmoothAxis.of(x, x, 1e-2) is not None
    assert SmoothAxis.of(x, x, 1e-4) is None
    assert SmoothAxis.of(x[:63], x, 1e-2) is None
    assert SmoothAxis.of(x[:1], x[:1], 1e-2) is None


@pytest.mark.parametrize("shape", [(400, 3), (7, 400), (120, 130)])
@pytest.mark.parametrize("options", [{}, {"marginal_penalty": 1.0}, {"epsilon": 1e-3}])
def test_smooth_kernels_change_no_result(shape, options, monkeypatch):
    a, b = masses(*shape, seed=0, batch=(2,), power=8), masses(*shape, seed=1, batch=(2,))
    a[:, :, 1:3], a[0, 1] = 0, 0
    a = a / a.sum((-2, -1), keepdim=True)
    options = {"epsilon": 5e-2, "tol": 1e-3} | options
    options |= {"freqs": uneven(shape[0], 2), "times": uneven(shape[1], 3)}

    def results():
        result = sinkhorn_grid(a, b, **options)
        divergence = sinkhorn_divergence(a, b, **options)
        return result.value, result.marginal_error, result.transport_cost, divergence

    smooth = results()
    monkeypatch.setattr(SmoothAxis, "of", lambda *_: None)
    for ours, expected in zip(smooth, results(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("batch", [(), (5,)])
def test_compiled_updates_equal_those_of_torch(problem, batch, monkeypatch):
    axes = problem[2]
    a, b = masses(9, 7, seed=0, batch=batch), masses(8, 6, seed=1, batch=batch)
    a[..., 3, :], b[..., 2] = 0.0, 0.0
    a, b = (mass / mass.sum((-2, -1), keepdim=True) for mass in (a, b))
    found = sinkhorn_grid(a, b, epsilon=2e-2, tol=1e-7, max_iter=5000, **axes)
    monkeypatch.setattr(scalings, "fits", lambda a, b: False)
    expected = sinkhorn_grid(a, b, epsilon=2e-2, tol=1e-7, max_iter=5000, **axes)
    assert found.n_iter == expected.n_iter
    # An item of a batch stops for itself, where torch goes on until the slowest is done.
    tolerance = {"rtol": 1e-6, "atol": 0.0} if batch else {"rtol": 1e-12, "atol": 1e-14}
    torch.testing.assert_close(found.value, expected.value, **tolerance)
    torch.testing.assert_close(found.transport_cost, expected.transport_cost, **tolerance)


def test_item_of_a_batch_does_not_depend_on_the_others(problem):
    axes = problem[2]
    a, b = masses(9, 7, seed=0, batch=(4,)), masses(8, 6, seed=1, batch=(4,))
    together = sinkhorn_grid(a, b, epsilon=2e-2, **axes)
    alone = [sinkhorn_grid(x, y, epsilon=2e-2, **axes) for x, y in zip(a, b, strict=True)]
    assert len({result.n_iter for result in alone}) > 1
    assert together.n_iter == max(result.n_iter for result in alone)
    for value, result in zip(together.value, alone, strict=True):
        assert value.item() == pytest.approx(result.value.item(), rel=1e-12)


@pytest.mark.parametrize("epsilon", [1e-2, 1e-3])
def test_acceleration_does_not_change_the_solution(problem, epsilon):
    a, b, axes, _ = problem
    options = {"epsilon": epsilon, "tol": 1e-10, "max_iter": 50000, **axes}
    plain = sinkhorn_grid(a, b, **options, epsilon_scaling=False, over_relaxation=False)
    fast = sinkhorn_grid(a, b, **options)
    assert plain.converged
    assert fast.converged
    assert fast.value.item() == pytest.approx(plain.value.item(), rel=1e-9)
    if epsilon == 1e-3:
        assert fast.n_iter < plain.n_iter / 2


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_small_epsilon_is_stable(dtype):
    a, b = masses(40, 25, seed=0, dtype=dtype), masses(40, 25, seed=1, dtype=dtype)
    result = sinkhorn_grid(a, b, epsilon=1e-4, tol=1e-3)
    assert result.converged
    assert result.value.dtype == dtype
    assert all(p.isfinite().all() for p in result.potentials)


@counted
def test_batch_equals_loop():
    a, b = masses(10, 8, seed=0, batch=(3,)), masses(10, 8, seed=1, batch=(3,))
    for epsilon in (1e-2, 1e-3):
        options = {"epsilon": epsilon, "max_iter": 40, **EXACT}
        together = sinkhorn_grid(a, b, **options)
        for i in range(3):
            alone = sinkhorn_grid(a[i], b[i], **options)
            torch.testing.assert_close(together.value[i], alone.value)
            torch.testing.assert_close(together.transport_cost[i], alone.transport_cost)
            for ours, single in zip(together.displacement, alone.displacement, strict=True):
                torch.testing.assert_close(ours[i], single)


def test_batch_converges_as_its_items_do():
    a = torch.cat([masses(10, 8, seed=0, batch=(2,)), masses(10, 8, seed=5, batch=(1,), power=30)])
    b = masses(10, 8, seed=1, batch=(3,))
    together = sinkhorn_grid(a, b, epsilon=1e-3, tol=1e-9)
    for i in range(3):
        alone = sinkhorn_grid(a[i], b[i], epsilon=1e-3, tol=1e-9)
        assert together.value[i].item() == pytest.approx(alone.value.item(), rel=1e-8)


@pytest.mark.parametrize("unbalanced", [None, 0.5])
def test_value_scales_with_mass_and_is_symmetric(unbalanced):
    a, b = masses(6, 5, seed=0), masses(6, 5, seed=1)
    options = {"tol": 1e-11, "max_iter": 20000, "marginal_penalty": unbalanced}
    value = sinkhorn_grid(a, b, **options).value.item()
    assert sinkhorn_grid(7e5 * a, 7e5 * b, **options).value.item() == pytest.approx(7e5 * value)
    assert sinkhorn_grid(b, a, **options).value.item() == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("unbalanced", [None, 0.5])
@pytest.mark.parametrize("epsilon", [1e-2, 1e-3])
def test_divergence_of_equal_masses_is_zero(unbalanced, epsilon):
    a = masses(12, 9, seed=0, power=1).requires_grad_()
    options = {"epsilon": epsilon, "marginal_penalty": unbalanced, "tol": 1e-11, "max_iter": 20000}
    value = sinkhorn_divergence(a, a.detach(), **options)
    (gradient,) = torch.autograd.grad(value, a)
    assert abs(value.item()) < 1e-12
    assert gradient.abs().max() < 1e-6  # of distances up to 185


def test_unbalanced_divergence_sees_loudness():
    a = masses(6, 5, seed=0)
    values = [
        sinkhorn_divergence(a, gain * a, marginal_penalty=1.0, tol=1e-8).item()
        for gain in (1, 1.5, 3)
    ]
    assert values[0] == pytest.approx(0, abs=1e-8)
    assert 0 < values[1] < values[2]


@pytest.mark.parametrize("penalty", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("masses", [(1.0, 1.0), (1.0, 3.0), (0.2, 0.01)])
@pytest.mark.parametrize("distance", [0.0, 2.0])
def test_unbalanced_between_two_single_bins(masses, penalty, distance):
    """One number P is the plan, and its logarithm the mean of what pulls at it.

    min over P of C P + ε KL(P | a b) + ρ KL(P | a) + ρ KL(P | b), for a b = 1.
    """
    a, b = (torch.full((1, 1), mass, dtype=F64) for mass in masses)
    c = distance**2
    eps, rho = 0.1 * (c or 1), penalty * (c or 1)  # fractions of the largest cost

    def entropic(x, y, c):
        plan = math.exp(((eps + rho) * math.log(x * y) - c) / (eps + 2 * rho))
        return plan, eps * (x * y - plan) + rho * (x + y - 2 * plan)

    mass = math.sqrt(masses[0] * masses[1])
    x, y = (m / mass for m in masses)
    options = {"freqs_b": [distance], "epsilon": 0.1, "marginal_penalty": penalty, "tol": 1e-12}
    result = sinkhorn_grid(a, b, freqs=[0.0], max_iter=5000, **options)
    plan, value = entropic(x, y, c)
    assert result.value.item() == pytest.approx(mass * value, rel=1e-9, abs=1e-12)
    assert result.transport_cost.item() == pytest.approx(mass * plan * c, rel=1e-9)

    value -= sum(entropic(m, m, 0)[1] for m in (x, y)) / 2 - eps / 2 * (x - y) ** 2
    ours = sinkhorn_divergence(a, b, freqs=[0.0], max_iter=5000, **options)
    assert ours.item() == pytest.approx(mass * value, rel=1e-9, abs=1e-12)


def test_no_tolerance_is_enough_where_nothing_is_to_be_found():
    one = torch.ones(1, 1)
    assert sinkhorn_grid(one, one, tol=0.0).converged


def test_time_scale_is_hz_per_second():
    a, b = torch.zeros(2, 3, 4)
    a[1, 0] = b[1, 2] = 1
    value = sinkhorn_grid(a, b, times=[0.0, 0.1, 0.2, 0.5], time_scale=1000.0).value
    assert value.item() == pytest.approx(200.0**2)


def test_one_bin_and_one_frame():
    one = torch.ones(1, 1)
    assert sinkhorn_grid(one, one).value.item() == 0
    row = sinkhorn_grid(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    assert row.value.item() == pytest.approx(1)


def test_layout_of_memory_does_not_matter():
    a, b = masses(8, 6, seed=0), masses(8, 6, seed=1)
    strided = a.T.contiguous().T
    assert not strided.is_contiguous()
    torch.testing.assert_close(sinkhorn_grid(strided, b).value, sinkhorn_grid(a, b).value)


def test_far_apart_tiny_masses():
    """Bins of 1e-300 and distances of hundreds of √ε leave no NaN."""
    a, b = torch.full((2, 30, 20), 1e-300, dtype=F64)
    a[0, 0] = b[-1, -1] = 1
    for epsilon in (1e-2, 1e-4):
        result = sinkhorn_grid(a, b, epsilon=epsilon)
        assert result.value.item() == pytest.approx(29**2 + 19**2, rel=1e-6)
        assert result.potentials[0].isfinite().all()


# --- gradients ----------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [5e-2, 4e-3])  # plain numbers, log domain
@pytest.mark.parametrize("unbalanced", [None, 0.2])
@pytest.mark.parametrize("function", [sinkhorn_grid, sinkhorn_divergence])
def test_gradcheck(function, unbalanced, epsilon):
    shape = {"bins": 7, "frames": 2, "batch": (2,), "power": 1}
    a, b = masses(**shape, seed=0), masses(**shape, seed=1)
    options = {"epsilon": epsilon, "marginal_penalty": unbalanced, "tol": 1e-12, "max_iter": 600}

    def value(a, b):
        result = function(a, b, **options)
        return result if function is sinkhorn_divergence else result.value

    pair = (a.requires_grad_(), b.requires_grad_())
    assert torch.autograd.gradcheck(value, pair, eps=1e-7, fast_mode=True)


def test_potentials_are_the_gradient():
    a, b = masses(7, 5, seed=0).requires_grad_(), masses(7, 5, seed=1).requires_grad_()
    result = sinkhorn_grid(a, b, tol=1e-12, max_iter=20000)
    gradients = torch.autograd.grad(result.value, (a, b))
    for gradient, potential in zip(gradients, result.potentials, strict=True):
        torch.testing.assert_close(gradient, potential, rtol=1e-9, atol=1e-9)


def test_gradient_is_finite_on_degenerate_input():
    a = torch.zeros(3, 6, 5)
    a[0, 2, 2] = a[1, 0, 0] = a[2, 5, 4] = 1
    a.requires_grad_()
    b = torch.zeros(3, 6, 5)
    b[0, 2, 2] = b[1, 5, 4] = b[2, 0, 1] = 1
    for epsilon in (1e-1, 1e-4):
        value = sinkhorn_divergence(a, b, epsilon=epsilon).sum()
        (gradient,) = torch.autograd.grad(value, a)
        assert gradient.isfinite().all()


# --- convergence and bad input ------------------------------------------------------------------


def test_no_convergence_warns_with_what_to_change():
    a, b = masses(8, 6, seed=0), masses(8, 6, seed=1)
    with pytest.warns(ConvergenceWarning, match=r"after 3 updates .* raise max_iter \(now 3\)"):
        result = sinkhorn_grid(a, b, epsilon=1e-3, max_iter=3, tol=1e-9)
    assert not result.converged
    assert result.n_iter == 3
    assert result.value.isfinite()


GOOD = torch.full((3, 4), 1 / 12)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"a": -GOOD}, ValueError, "a holds negative mass .* decibels"),
        ({"b": GOOD * math.nan}, ValueError, "b must be finite"),
        ({"a": GOOD * math.inf}, ValueError, "a must be finite"),
        ({"a": 0 * GOOD}, ValueError, "a is empty"),
        ({"a": torch.empty(0, 4)}, ValueError, "a must have shape"),
        ({"a": torch.ones(12)}, ValueError, "a must have shape"),
        ({"a": GOOD.numpy()}, TypeError, "a must be a torch.Tensor"),
        ({"a": GOOD.long()}, TypeError, "a must hold floating-point"),
        ({"a": GOOD.double()}, TypeError, "share dtype and device"),
        ({"a": GOOD[None]}, ValueError, "same batch shape"),
        ({"a": 2 * GOOD}, ValueError, "2 times the other; .*marginal_penalty=1.0"),
        ({"freqs": [0.0, 2.0, 1.0]}, ValueError, "freqs must increase strictly"),
        ({"times": [0.0, 1.0, 1.0, 2.0]}, ValueError, "times must increase strictly"),
        ({"times_b": [0.0, 1.0]}, ValueError, "times_b must have one value for each of the 4"),
        ({"freqs": [0.0, 1.0, math.inf]}, ValueError, "freqs must be finite"),
        ({"epsilon": 0}, ValueError, "epsilon must be a finite number above 0"),
        ({"epsilon": -1e-3}, ValueError, "epsilon must be a finite number above 0"),
        ({"epsilon": math.nan}, ValueError, "epsilon must be a finite number above 0"),
        ({"epsilon": math.inf}, ValueError, "epsilon must be a finite number above 0"),
        ({"time_scale": 0.0}, ValueError, "time_scale must be a finite number above 0"),
        (
            {"marginal_penalty": -1.0},
            ValueError,
            "marginal_penalty must be a finite number above 0",
        ),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer of at least 1"),
        ({"tol": -1.0}, ValueError, "tol must be a finite number of at least 0"),
    ],
)
@pytest.mark.parametrize("function", [sinkhorn_grid, sinkhorn_divergence])
def test_bad_input_says_what_to_do(function, arguments, error, match):
    with pytest.raises(error, match=match):
        function(**{"a": GOOD, "b": GOOD, **arguments})


@pytest.mark.parametrize("ratio", [1e-10, 1e-4, 1e4, 1e10])
@pytest.mark.parametrize("unbalanced", [0.01, 1.0, 8.0])
def test_unbalanced_masses_may_differ_by_any_factor(ratio, unbalanced, generator):
    a, b = torch.rand(2, 8, 9, dtype=torch.float64, generator=generator)
    b = (ratio * b).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        value = sinkhorn_grid(a, b, marginal_penalty=unbalanced).value
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(b.grad).all()
