"""Between masses on a line: closed forms, the geodesic, POT's linear program, gradients."""

import numpy as np
import ot
import pytest
import torch

from sotlib import barycenter_1d, interpolate_1d, linear_binning, wasserstein_1d

D = torch.float64
TIMES = pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 1.0])


def pair(generator, n=7, m=5, rows=(3,)):
    a, b = (torch.rand(*rows, k, dtype=D, generator=generator) for k in (n, m))
    u, v = (torch.rand(k, dtype=D, generator=generator) for k in (n, m))
    return a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True), u, v


def moments(masses, positions):
    mean = (masses * positions).sum(-1) / masses.sum(-1)
    return mean, (masses * (positions - mean[..., None]) ** 2).sum(-1) / masses.sum(-1)


@TIMES
class TestInterpolation:
    def test_a_dirac_moves_in_a_straight_line(self, t):
        one = torch.tensor([2.0])
        masses, positions = interpolate_1d(one, one, one, torch.tensor([10.0]), t=t)
        assert masses.sum() == 2
        assert positions[masses > 0].tolist() == pytest.approx([2 + 8 * t])

    def test_gaussians_stay_gaussians(self, t):
        """Their means and standard deviations are interpolated."""
        x = torch.linspace(-9, 14, 20_001, dtype=D)
        a, b = (torch.exp(-(((x - m) / s) ** 2) / 2) for m, s in ((-1.0, 1.0), (5.0, 1.5)))
        found = interpolate_1d(a / a.sum(), b / b.sum(), x, t=t)
        mean, variance = moments(*found)
        assert mean.item() == pytest.approx(-1 + 6 * t, abs=1e-6)
        assert variance.sqrt().item() == pytest.approx(1 + t / 2, rel=1e-4)
        normal = torch.distributions.Normal(mean, variance.sqrt())
        expected = normal.cdf(found[1] + (x[1] - x[0]) / 2)
        torch.testing.assert_close(found[0].cumsum(-1), expected, rtol=0, atol=1e-3)

    def test_it_is_a_geodesic(self, t, generator):
        a, b, u, v = pair(generator)
        masses, positions = interpolate_1d(a, b, u, v, t=t)
        whole = wasserstein_1d(a, b, u, v)
        ways = wasserstein_1d(a, masses, u, positions), wasserstein_1d(masses, b, positions, v)
        for way, share in zip(ways, (t, 1 - t), strict=True):
            torch.testing.assert_close(way, share**2 * whole, rtol=1e-9, atol=1e-12)

    def test_mass_goes_from_one_to_the_other(self, t, generator):
        a, b, u, v = pair(generator)
        masses, positions = interpolate_1d(a, 5 * b, u, v, t=t)
        torch.testing.assert_close(masses.sum(-1), torch.full((3,), 1 + 4 * t, dtype=D))
        same, places = interpolate_1d(a, b, u, v, t=t)
        torch.testing.assert_close(masses / (1 + 4 * t), same)
        assert torch.equal(positions, places)

    def test_silence_fades(self, t, generator):
        a, b, u, v = pair(generator)
        masses, positions = interpolate_1d(a, 0 * b, u, v, t=t)
        torch.testing.assert_close(masses.sum(-1), (1 - t) * a.sum(-1))
        grid = u.sort().values
        binned = linear_binning(masses, positions, grid)
        torch.testing.assert_close(binned, (1 - t) * a[:, u.argsort()])
        nothing, where = interpolate_1d(0 * a, 0 * b, u, v, t=t)
        assert not nothing.any()
        assert where.isfinite().all()

    @pytest.mark.parametrize("dtype", [torch.float32, D])
    def test_dtypes_and_rows(self, t, dtype, generator):
        a, b, u, v = (x.to(dtype) for x in pair(generator))
        together = interpolate_1d(a, b, u, v, t=t)
        assert [x.dtype for x in together] == [dtype, dtype]
        for row in range(3):
            alone = interpolate_1d(a[row], b[row], u, v, t=t)
            for ours, one in zip(together, alone, strict=True):
                torch.testing.assert_close(ours[row], one)

    def test_pot(self, t, generator):
        """The linear program on the grid of all means of two positions."""
        u = torch.arange(5, dtype=D)
        a, b, _, _ = pair(generator, 5, 5, ())
        masses, positions = interpolate_1d(a, b, u, t=t)
        grid = torch.arange(41, dtype=D) / 10
        on_grid = np.zeros((41, 2))
        on_grid[::10] = torch.stack([a, b], 1)
        cost = ot.dist(grid[:, None].numpy())
        expected = ot.lp.barycenter(on_grid, cost, np.array([1 - t, t]))
        binned = linear_binning(masses, positions, grid)
        np.testing.assert_allclose(binned, expected, atol=1e-6)


def test_the_ends_are_the_two(generator):
    a, b, u, v = pair(generator)
    for t, mass, places in ((0, a, u), (1, b, v)):
        found = linear_binning(*interpolate_1d(a, b, u, v, t=t), places.sort().values)
        torch.testing.assert_close(found, mass[:, places.argsort()])


def test_gradients(generator):
    inputs = [x.requires_grad_() for x in pair(generator, rows=())]

    def moved(*arguments):
        masses, positions = interpolate_1d(*arguments, t=0.3)
        return masses, positions[:-1]  # the last has no mass

    assert torch.autograd.gradcheck(moved, inputs)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_gradients_are_finite_where_masses_vanish(level):
    a = torch.tensor([0.0, 1.0, 0.0]) * level
    a.requires_grad_()
    masses, positions = interpolate_1d(a, torch.eye(3)[2], torch.arange(3.0), t=0.5)
    (masses * positions).sum().backward()
    assert a.grad.isfinite().all()


class TestBarycentre:
    def test_of_equal_masses_it_is_that_mass(self, generator):
        a, _, u, _ = pair(generator)
        masses, positions = barycenter_1d(a[:, None].expand(-1, 4, -1), u)
        found = linear_binning(masses, positions, u.sort().values)
        torch.testing.assert_close(found, a[:, u.argsort()])

    def test_of_diracs_it_is_at_their_mean(self):
        masses, positions = barycenter_1d(
            torch.eye(3), torch.tensor([0.0, 1.0, 8.0]), weights=[1.0, 1.0, 2.0]
        )
        assert positions[masses > 0].tolist() == [4.25]

    def test_of_two_it_is_the_interpolation(self, generator):
        a, b, u, v = pair(generator, 6, 6)
        places = torch.stack([u, v]).expand(3, -1, -1)
        found = barycenter_1d(torch.stack([a, b], 1), places, weights=[3, 1])
        for ours, theirs in zip(found, interpolate_1d(a, b, u, v, t=0.25), strict=True):
            torch.testing.assert_close(ours, theirs)

    def test_pot(self, generator):
        masses = torch.rand(3, 5, dtype=D, generator=generator)
        masses /= masses.sum(-1, keepdim=True)
        found = barycenter_1d(masses, torch.arange(5, dtype=D))
        grid = torch.arange(13, dtype=D) / 3
        on_grid = np.zeros((13, 3))
        on_grid[::3] = masses.T
        cost = ot.dist(grid[:, None].numpy())
        expected = ot.lp.barycenter(on_grid, cost, np.ones(3) / 3)
        np.testing.assert_allclose(linear_binning(*found, grid), expected, atol=1e-6)

    def test_silence_has_no_shape(self, generator):
        a, b, u, _ = pair(generator, 6, 6)
        three = torch.stack([a, torch.zeros_like(a), b], 1)
        masses, positions = barycenter_1d(three, u)
        torch.testing.assert_close(masses.sum(-1), torch.full((3,), 2 / 3, dtype=D))
        two = barycenter_1d(three[:, ::2], u)
        for ours, theirs in zip(moments(masses, positions), moments(*two), strict=True):
            torch.testing.assert_close(ours, theirs)

    @pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], 1.0])
    def test_weights_that_do_not_fit(self, weights):
        with pytest.raises(ValueError, match="weights must be 2 numbers"):
            barycenter_1d(torch.eye(2), torch.arange(2.0), weights=weights)

    def test_one_measure_is_not_several(self):
        with pytest.raises(ValueError, match=r"masses must have shape \(\.\.\., measures, n\)"):
            barycenter_1d(torch.ones(3), torch.arange(3.0))
