"""What any transport must fulfil, of masses that Hypothesis thinks up.

Weights are small integers: zeros, equal sums and single bins come up by themselves.
"""

import numpy as np
import ot
import pytest
import scipy.stats
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sotlib import (
    exact_grid_transport,
    quantile_functions,
    sinkhorn_divergence,
    sinkhorn_grid,
    sliced_wasserstein,
    wasserstein_1d,
)

D = torch.float64
# The same examples in every run.
often = settings(derandomize=True, deadline=None, max_examples=50)
seldom = settings(derandomize=True, deadline=None, max_examples=15)
ORDERS = st.sampled_from([1, 1.5, 2, 3])
FACTORS = st.sampled_from([0.01, 0.5, 3.0, 1000.0])
SHARES = st.sampled_from([0.1, 0.25, 0.5, 0.9])


def close(ours, expected, scale=1.0):
    torch.testing.assert_close(
        torch.as_tensor(ours, dtype=D), torch.as_tensor(expected, dtype=D), rtol=1e-9,
        atol=1e-9 * scale,
    )  # fmt: skip


# --- masses on a line ---------------------------------------------------------------------------


@st.composite
def masses(draw, bins=None):
    """Weights that are not all 0."""
    bins = draw(st.integers(1, 7)) if bins is None else bins
    weights = draw(st.lists(st.integers(0, 5), min_size=bins, max_size=bins).filter(any))
    return torch.tensor(weights, dtype=D)


@st.composite
def measures(draw):
    """Weights and as many positions in any order, some of them equal."""
    weights = draw(masses())
    ticks = st.lists(st.integers(-20, 20), min_size=len(weights), max_size=len(weights))
    return weights, torch.tensor(draw(ticks), dtype=D) / 8


def unit(measure):
    weights, positions = measure
    return weights / weights.sum(), positions


def transport(x, y, **options):
    return wasserstein_1d(x[0], y[0], x[1], y[1], **options)


class TestLine:
    @often
    @given(measures(), measures(), ORDERS, st.booleans())
    def test_symmetry_of_any_masses(self, x, y, p, cutoff):
        if cutoff:  # level 1 is the end of both
            x, y = unit(x), unit(y)
        close(transport(x, y, p=p, cutoff=cutoff), transport(y, x, p=p, cutoff=cutoff))

    @often
    @given(measures(), ORDERS)
    def test_identity(self, x, p):
        assert transport(x, x, p=p) == 0

    @often
    @given(measures(), measures())
    def test_only_equal_measures_are_at_distance_zero(self, x, y):
        def as_dictionary(measure):
            sums = {}
            for weight, position in zip(*(part.tolist() for part in measure), strict=True):
                sums[position] = sums.get(position, 0) + weight
            return {position: weight for position, weight in sums.items() if weight}

        x, y = (x[0] * y[0].sum(), x[1]), (y[0] * x[0].sum(), y[1])  # the same sum, exactly
        assert (transport(x, y) == 0) == (as_dictionary(x) == as_dictionary(y))

    @often
    @given(measures(), measures(), ORDERS, FACTORS)
    def test_a_factor_of_all_masses_is_one_of_the_cost(self, x, y, p, factor):
        scaled = transport((factor * x[0], x[1]), (factor * y[0], y[1]), p=p)
        close(scaled, factor * transport(x, y, p=p), scale=factor)

    @often
    @given(measures(), measures(), ORDERS, FACTORS)
    def test_a_factor_of_all_positions_enters_with_power_p(self, x, y, p, factor):
        scaled = transport((x[0], factor * x[1]), (y[0], factor * y[1]), p=p)
        close(scaled, factor**p * transport(x, y, p=p), scale=factor**p)

    @often
    @given(measures(), measures(), ORDERS)
    def test_a_mirror_changes_nothing_between_equal_masses(self, x, y, p):
        x, y = unit(x), unit(y)
        close(transport((x[0], -x[1]), (y[0], -y[1]), p=p), transport(x, y, p=p))

    @often
    @given(measures(), measures(), ORDERS, st.integers(-40, 40))
    def test_a_shift_of_both_changes_nothing(self, x, y, p, shift):
        shifted = transport((x[0], x[1] + shift), (y[0], y[1] + shift), p=p)
        close(shifted, transport(x, y, p=p))

    @often
    @given(measures(), ORDERS, st.integers(-40, 40))
    def test_a_translation_costs_its_length(self, x, p, shift):
        distance = transport(unit(x), (unit(x)[0], x[1] + shift), p=p) ** (1 / p)
        close(distance, abs(shift))

    @often
    @given(measures(), measures(), measures(), ORDERS)
    def test_triangle_inequality(self, x, y, z, p):
        x, y, z = unit(x), unit(y), unit(z)
        xy, yz, xz = (transport(*pair, p=p) ** (1 / p) for pair in ((x, y), (y, z), (x, z)))
        assert xz <= xy + yz + 1e-9

    @often
    @given(st.data(), measures(), ORDERS, SHARES)
    def test_joint_convexity(self, data, x, p, share):
        x, positions = unit(x)
        y, x2, y2 = (unit((data.draw(masses(len(x))), None))[0] for _ in range(3))
        mixed = wasserstein_1d(
            share * x + (1 - share) * x2, share * y + (1 - share) * y2, positions, p=p
        )
        ends = [wasserstein_1d(*pair, positions, p=p) for pair in ((x, y), (x2, y2))]
        assert mixed <= share * ends[0] + (1 - share) * ends[1] + 1e-9

    @often
    @given(measures(), measures(), ORDERS)
    def test_a_higher_order_is_a_longer_distance(self, x, y, p):
        x, y = unit(x), unit(y)
        distances = [transport(x, y, p=order) ** (1 / order) for order in (1, p, p + 1)]
        assert distances[0] <= distances[1] + 1e-9
        assert distances[1] <= distances[2] + 1e-9

    @often
    @given(measures(), measures(), ORDERS, st.randoms(use_true_random=False))
    def test_the_order_of_bins_does_not_matter(self, x, y, p, random):
        order = list(range(len(x[0])))
        random.shuffle(order)
        # Equal masses: of unequal ones, what lies at the last position stays there, even of mass 0.
        x, y = unit(x), unit(y)
        close(transport((x[0][order], x[1][order]), y, p=p), transport(x, y, p=p))

    @often
    @given(measures(), measures(), ORDERS, SHARES)
    def test_a_bin_may_be_cut_in_two(self, x, y, p, share):
        first = torch.tensor([share, 1 - share], dtype=D) * x[0][0]
        cut = torch.cat([first, x[0][1:]]), torch.cat([x[1][:1], x[1]])
        close(transport(cut, y, p=p), transport(x, y, p=p))

    @often
    @given(measures(), measures(), ORDERS)
    def test_the_cutoff_counts_a_part_of_the_cost(self, x, y, p):
        assert transport(x, y, p=p, cutoff=True) <= transport(x, y, p=p) + 1e-9
        x, y = unit(x), unit(y)
        close(transport(x, y, p=p, cutoff=True), transport(x, y, p=p))

    @often
    @given(measures(), measures())
    def test_scipy(self, x, y):
        expected = scipy.stats.wasserstein_distance(x[1], y[1], x[0], y[0])
        close(transport(unit(x), unit(y), p=1), expected)

    @often
    @given(measures(), measures(), ORDERS)
    def test_pot(self, x, y, p):
        x, y = unit(x), unit(y)
        cost = (x[1][:, None] - y[1]).abs() ** p
        close(transport(x, y, p=p), ot.emd2(x[0].numpy(), y[0].numpy(), cost.numpy()))


class TestQuantiles:
    @often
    @given(measures(), measures(), ORDERS)
    def test_their_difference_is_the_cost(self, x, y, p):
        """Also of unequal masses: beyond its own, a measure stays at its last position."""
        qx, qy, levels, *_ = quantile_functions(x[0], y[0], x[1], y[1])
        widths = levels.diff(prepend=levels.new_zeros(1))
        close((widths * (qx - qy).abs() ** p).sum(), transport(x, y, p=p))

    @often
    @given(measures(), measures())
    def test_numpy(self, x, y):
        qx, qy, levels, *_ = quantile_functions(x[0], y[0], x[1], y[1])
        for q, (weights, positions) in ((qx, x), (qy, y)):
            total = weights.sum()
            within = (levels > 0) & (levels <= total)
            expected = np.quantile(
                positions.numpy(), (levels[within] / total).numpy(),
                weights=weights.numpy(), method="inverted_cdf",
            )  # fmt: skip
            np.testing.assert_array_equal(q[within], expected)
            assert (q[levels > total] == positions.max()).all()

    @often
    @given(measures(), measures())
    def test_they_and_the_levels_increase_and_swap_with_the_measures(self, x, y):
        qx, qy, levels, sums_x, sums_y = quantile_functions(x[0], y[0], x[1], y[1])
        for increasing in (qx, qy, levels, sums_x, sums_y):
            assert (increasing.diff() >= 0).all()
        assert torch.equal(torch.cat([sums_x, sums_y]).sort().values, levels)
        swapped = quantile_functions(y[0], x[0], y[1], x[1])
        for ours, other in zip((qy, qx, levels, sums_y, sums_x), swapped, strict=True):
            assert torch.equal(ours, other)


# --- masses on the plane ------------------------------------------------------------------------


# Few bins with an ε far below their squared distance would share next to no mass, and Sinkhorn's
# updates take thousands of steps.
EPSILON = 0.5


def sinkhorn(a, b, **options):
    return sinkhorn_grid(a, b, epsilon=EPSILON, tol=1e-11, **options).value


def divergence(a, b, **options):
    return sinkhorn_divergence(a, b, epsilon=EPSILON, tol=1e-11, **options)


def unbalanced(a, b, **options):
    return divergence(a, b, marginal_penalty=0.5, **options)


def exact(a, b, **options):
    return exact_grid_transport(a, b, **options).value


def sliced(a, b, **options):
    return sliced_wasserstein(a, b, n_projections=8, **options)


SOLVERS = [sinkhorn, divergence, unbalanced, exact, sliced]
solvers = pytest.mark.parametrize("solve", SOLVERS, ids=lambda f: f.__name__)
distances = pytest.mark.parametrize("solve", SOLVERS[1:], ids=lambda f: f.__name__)


@st.composite
def planes(draw, count=2, largest=4):
    """Unit masses on one grid."""
    bins, frames = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    drawn = [draw(masses(bins * frames)).reshape(bins, frames) for _ in range(count)]
    return [mass / mass.sum() for mass in drawn]


@st.composite
def axes(draw, a):
    """Increasing frequencies and times of a mass."""

    def axis(size):
        steps = draw(st.lists(st.integers(1, 4), min_size=size, max_size=size))
        return torch.tensor(steps, dtype=D).cumsum(0)

    return {"freqs": axis(a.shape[0]), "times": axis(a.shape[1])}


def pad(mass, shift):
    """The mass on a larger grid, moved by `shift` bins and frames."""
    padded = mass.new_zeros(mass.shape[0] + 3, mass.shape[1] + 3)
    padded[shift[0] :, shift[1] :][: mass.shape[0], : mass.shape[1]] = mass
    return padded


def mean(mass):
    places = torch.meshgrid(*(torch.arange(n, dtype=D) for n in mass.shape), indexing="ij")
    return torch.stack([(mass * place).sum() for place in places])


@solvers
class TestPlane:
    @seldom
    @given(planes())
    def test_symmetry(self, solve, pair):
        a, b = pair
        close(solve(a, b), solve(b, a))

    @seldom
    @given(planes(), FACTORS)
    def test_a_factor_of_both_masses_is_one_of_the_cost(self, solve, pair, factor):
        a, b = pair
        close(solve(factor * a, factor * b), factor * solve(a, b), scale=factor)

    @seldom
    @given(st.data(), planes(), FACTORS)
    def test_a_factor_of_both_axes_enters_squared(self, solve, data, pair, factor):
        grid = data.draw(axes(pair[0]))
        scaled = {name: factor * axis for name, axis in grid.items()}
        close(solve(*pair, **scaled), factor**2 * solve(*pair, **grid), scale=max(1, factor**2))

    @seldom
    @given(st.data(), planes(), st.integers(-50, 50))
    def test_where_the_axes_begin_does_not_matter(self, solve, data, pair, start):
        grid = data.draw(axes(pair[0]))
        moved = {"freqs": grid["freqs"] + start, "times": grid["times"] - 2 * start}
        close(solve(*pair, **moved), solve(*pair, **grid))

    @seldom
    @given(st.data(), planes())
    def test_time_and_frequency_change_places(self, solve, data, pair):
        grid = data.draw(axes(pair[0]))
        turned = solve(*(m.T for m in pair), freqs=grid["times"], times=grid["freqs"])
        close(turned, solve(*pair, **grid))

    @seldom
    @given(st.data(), planes())
    def test_both_axes_may_be_mirrored(self, solve, data, pair):
        grid = data.draw(axes(pair[0]))
        mirrored = {name: -axis.flip(0) for name, axis in grid.items()}
        close(solve(*(m.flip(0, 1) for m in pair), **mirrored), solve(*pair, **grid))

    @seldom
    @given(st.data(), planes(), st.sampled_from([0.25, 2.0]))
    def test_the_time_scale_stretches_the_times(self, solve, data, pair, time_scale):
        grid = data.draw(axes(pair[0]))
        stretched = grid | {"times": time_scale * grid["times"]}
        close(solve(*pair, **grid, time_scale=time_scale), solve(*pair, **stretched))

    @seldom
    @given(planes(count=3), SHARES)
    def test_convexity_in_one_mass(self, solve, triple, share):
        a, other, b = triple
        mixed = solve(share * a + (1 - share) * other, b)
        assert mixed <= share * solve(a, b) + (1 - share) * solve(other, b) + 1e-8


@distances
class TestDistancesOnThePlane:
    @seldom
    @given(planes(count=1))
    def test_identity(self, solve, single):
        (a,) = single
        close(solve(a, a), 0)

    @seldom
    @given(planes())
    def test_different_masses_are_apart(self, solve, pair):
        a, b = pair
        assume((a - b).abs().max() > 0.01)
        assert solve(a, b) > 1e-6


@pytest.mark.parametrize("solve", [sinkhorn, divergence, exact], ids=lambda f: f.__name__)
class TestTranslationOnThePlane:
    @seldom
    @given(planes(), st.integers(0, 3), st.integers(0, 3))
    def test_of_one_of_two_masses(self, solve, pair, bins, frames):
        """The squared length, and twice its product with the distance of the means."""
        a, b = pair
        shift = torch.tensor([bins, frames], dtype=D)
        apart = shift.square().sum() + 2 * shift @ (mean(b) - mean(a))
        at_home, away = pad(b, (0, 0)), pad(b, (bins, frames))
        close(solve(pad(a, (0, 0)), away), solve(pad(a, (0, 0)), at_home) + apart, scale=100)


class TestExactOnThePlane:
    @seldom
    @given(planes(count=3))
    def test_triangle_inequality(self, triple):
        a, b, c = triple
        ab, bc, ac = (exact(*pair).sqrt() for pair in ((a, b), (b, c), (a, c)))
        assert ac <= ab + bc + 1e-7

    @seldom
    @given(planes(count=4), SHARES)
    def test_joint_convexity(self, four, share):
        a, a2, b, b2 = four
        mixed = exact(share * a + (1 - share) * a2, share * b + (1 - share) * b2)
        assert mixed <= share * exact(a, b) + (1 - share) * exact(a2, b2) + 1e-9

    @seldom
    @given(st.data(), planes())
    def test_the_plan_has_both_marginals_and_the_cost(self, data, pair):
        a, b = pair
        grid = data.draw(axes(a))
        result = exact_grid_transport(a, b, **grid)
        close(result.plan.sum((2, 3)), a)
        close(result.plan.sum((0, 1)), b)
        freqs, times = grid["freqs"], grid["times"]
        cost = (freqs[:, None, None, None] - freqs[:, None]) ** 2
        cost = cost + (times[:, None, None] - times) ** 2
        close((result.plan * cost).sum(), result.value)

    @seldom
    @given(measures(), measures())
    def test_a_single_frame_is_a_line(self, x, y):
        assume(len(x[0]) == len(y[0]))
        (x, _), (y, _) = unit(x), unit(y)
        positions = torch.arange(len(x), dtype=D) ** 1.5
        ours = exact(x[:, None], y[:, None], freqs=positions)
        close(ours, wasserstein_1d(x, y, positions))


class TestSinkhornBesideTheExactOne:
    @seldom
    @given(planes())
    def test_between_the_exact_cost_and_that_of_independence(self, pair):
        a, b = pair
        value = sinkhorn(a, b)
        independent = 0.0
        for along in (0, 1):
            places = torch.arange(a.shape[along], dtype=D)
            p, q = a.sum(1 - along), b.sum(1 - along)
            independent = independent + (p[:, None] * q * (places[:, None] - places) ** 2).sum()
        assert exact(a, b) - 1e-9 <= value <= independent + 1e-9

    @seldom
    @given(planes())
    def test_pot(self, pair):
        a, b = pair
        places = [torch.arange(n, dtype=D) for n in a.shape]
        points = torch.cartesian_prod(*places).numpy()
        cost = ot.dist(points, points)
        epsilon = EPSILON * (cost.max() or 1.0)
        p, q = a.flatten().numpy(), b.flatten().numpy()
        cost, p, q = cost[p > 0][:, q > 0], p[p > 0], q[q > 0]
        plan = ot.sinkhorn(
            p, q, cost, epsilon, method="sinkhorn_log", stopThr=1e-13, numItermax=5000
        )
        entropy = scipy.stats.entropy(plan.ravel(), np.outer(p, q).ravel())
        close(sinkhorn(a, b), (plan * cost).sum() + epsilon * entropy, scale=10)


class TestSlicedOnThePlane:
    @seldom
    @given(planes(count=3), ORDERS)
    def test_triangle_inequality(self, triple, p):
        a, b, c = triple
        ab, bc, ac = (sliced(*pair, p=p, apply_root=True) for pair in ((a, b), (b, c), (a, c)))
        assert ac <= ab + bc + 1e-9

    @seldom
    @given(planes(count=1), st.integers(0, 3), st.integers(0, 3), st.integers(3, 9))
    def test_a_translation_costs_half_its_square(self, single, bins, frames, directions):
        (a,) = single
        value = sliced_wasserstein(pad(a, (0, 0)), pad(a, (bins, frames)), n_projections=directions)
        close(value, (bins**2 + frames**2) / 2)

    @seldom
    @given(st.data(), planes(), ORDERS, FACTORS)
    def test_the_root_is_as_long_as_the_axes(self, data, pair, p, factor):
        grid = data.draw(axes(pair[0]))
        scaled = {name: factor * axis for name, axis in grid.items()}
        value = sliced(*pair, **grid, p=p, apply_root=True)
        close(sliced(*pair, **scaled, p=p, apply_root=True), factor * value, scale=factor)

    @seldom
    @given(planes())
    def test_at_most_half_the_exact_cost(self, pair):
        """The mean squared cosine is a half, and each line may choose its own plan."""
        assert sliced(*pair) <= exact(*pair) / 2 + 1e-9
