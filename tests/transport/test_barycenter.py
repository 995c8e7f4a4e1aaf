"""Spectrograms between spectrograms: along a Sinkhorn plan, and as barycentres."""

import warnings

import numpy as np
import ot
import pytest
import torch
from memory import LargestTensor

from sotlib import (
    ConvergenceWarning,
    barycenter_grid,
    interpolate_1d,
    linear_binning,
    sinkhorn_grid,
)

D = torch.float64
EXACT = {"tol": 1e-10, "max_iter": 20_000}


def masses(*shape, power=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mass = torch.rand(*shape, generator=generator, dtype=D) ** power
    return mass / mass.sum((-2, -1), keepdim=True)


def uneven(size, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(size, generator=generator, dtype=D).add(0.1).cumsum(0)


def from_plan(plan, freqs, times, t):
    """Each entry of a plan (bins, frames, bins, frames) brought to its place."""
    to = [((1 - t) * axis[:, None] + t * axis).flatten() for axis in (freqs, times)]
    rows = linear_binning(plan.permute(1, 3, 0, 2).flatten(-2), to[0], freqs)
    return linear_binning(rows.permute(2, 0, 1).flatten(-2), to[1], times)


def mean(mass, freqs, times):
    total = mass.sum((-2, -1))
    return torch.stack([(mass.sum(-1) * freqs).sum(-1), (mass.sum(-2) * times).sum(-1)]) / total


class TestInterpolation:
    @pytest.mark.parametrize("t", [0, 0.3, 1])
    @pytest.mark.parametrize("epsilon", [1e-1, 1e-2, 1e-3])
    @pytest.mark.parametrize("power", [1, 30])
    def test_it_moves_the_whole_plan(self, t, epsilon, power):
        (a, b), freqs, times = masses(2, 2, 5, 6, power=power), uneven(5, 1), uneven(6, 2)
        grid = {"freqs": freqs, "times": times, "time_scale": 1.7}
        found = sinkhorn_grid(3 * a, 3 * b, **grid, epsilon=epsilon, tol=1e-6, max_iter=20_000)
        expected = torch.stack([from_plan(plan, freqs, times, t) for plan in found.plan()])
        torch.testing.assert_close(found.interpolate(t), expected)

    def test_the_plan_is_never_formed(self):
        a, b = masses(2, 20, 30)
        found = sinkhorn_grid(a, b, epsilon=0.1)
        with LargestTensor() as largest:
            found.interpolate(0.5)
        assert largest.elements <= 30 * 30

    def test_bins_and_frames_without_mass(self):
        a, b = masses(2, 6, 8)
        a[:3], a[:, 5:], b[2], b[:, :4] = 0, 0, 0, 0
        a, b = a / a.sum(), b / b.sum()
        found = sinkhorn_grid(a, b, epsilon=1e-3, **EXACT)
        expected = from_plan(found.plan(), *(torch.arange(n, dtype=D) for n in (6, 8)), 0.3)
        torch.testing.assert_close(found.interpolate(0.3), expected)

    @pytest.mark.parametrize("dtype", [torch.float32, D])
    def test_the_ends_are_the_two_and_mass_stays(self, dtype):
        a, b = masses(2, 3, 6, 8).to(dtype)
        found = sinkhorn_grid(a, b, **EXACT)
        torch.testing.assert_close(found.interpolate(0), a, rtol=1e-5, atol=1e-8)
        torch.testing.assert_close(found.interpolate(1), b, rtol=1e-5, atol=1e-8)
        middle = found.interpolate(0.4)
        assert middle.dtype == dtype
        torch.testing.assert_close(middle.sum((1, 2)), torch.ones(3, dtype=dtype))

    @pytest.mark.parametrize("t", [0.25, 0.5, 0.9])
    def test_the_mean_moves_in_a_straight_line(self, t):
        (a, b), freqs, times = masses(2, 5, 6), uneven(5, 1), uneven(6, 2)
        found = sinkhorn_grid(a, b, freqs=freqs, times=times, **EXACT).interpolate(t)
        ends = (mean(m, freqs, times) for m in (a, b))
        torch.testing.assert_close(
            mean(found, freqs, times), torch.lerp(*ends, t), rtol=1e-7, atol=0
        )

    def test_one_bin_moves_in_a_straight_line(self):
        a, b = torch.zeros(2, 9, 13)
        a[0, 12] = b[8, 0] = 2.0
        found = sinkhorn_grid(a, b, time_scale=3.0).interpolate(0.25)
        assert found[2, 9].item() == pytest.approx(2.0)
        lonely = torch.ones(1, 1)
        assert sinkhorn_grid(lonely, lonely).interpolate(0.5).tolist() == [[1.0]]

    def test_of_one_frame_it_is_that_on_a_line(self):
        a, b = masses(2, 9, 1)
        line = torch.arange(9, dtype=D)
        plane = sinkhorn_grid(a, b, epsilon=1e-4, tol=1e-9, max_iter=50_000).interpolate(0.3)
        expected = linear_binning(*interpolate_1d(a[:, 0], b[:, 0], line, t=0.3), line)
        torch.testing.assert_close(plane[:, 0], expected, rtol=0, atol=1e-3)

    def test_relaxed_ends_are_those_of_the_plan(self):
        a, b = masses(2, 4, 5)
        found = sinkhorn_grid(a, 2 * b, marginal_penalty=0.1, **EXACT)
        plan = found.plan()
        torch.testing.assert_close(found.interpolate(0), plan.sum((2, 3)), rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(found.interpolate(1), plan.sum((0, 1)), rtol=1e-6, atol=1e-8)

    def test_two_grids_are_refused(self):
        a, b = masses(2, 4, 5)
        found = sinkhorn_grid(a, b, freqs=range(4), freqs_b=range(1, 5))
        with pytest.raises(ValueError, match="interpolate needs a and b on one grid: freqs_b"):
            found.interpolate(0.5)


class TestBarycentre:
    @pytest.mark.parametrize(("debiased", "epsilon"), [(False, 2e-2), (False, 5e-3), (True, 4e-3)])
    def test_pot(self, debiased, epsilon):
        """Whose grid is the unit square, and whose ε is absolute; the largest cost is 2."""
        three, weights = masses(3, 8, 11, power=1), [0.2, 0.3, 0.5]
        solve = ot.bregman.convolutional_barycenter2d
        if debiased:
            solve = ot.bregman.convolutional_barycenter2d_debiased
        expected = solve(three.numpy(), 2 * epsilon, np.array(weights), method="sinkhorn_log",
                         numItermax=400, stopThr=0, warn=False)  # fmt: skip
        grid = {"freqs": np.linspace(0, 1, 8), "times": np.linspace(0, 1, 11)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = barycenter_grid(
                three, weights=weights, **grid, epsilon=epsilon, debiased=debiased,
                max_iter=400, tol=0,
            )  # fmt: skip
        np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-4, atol=1e-8)

    @pytest.mark.parametrize("weights", [None, [0.0, 1.0, 0.0]])
    def test_debiased_that_of_equal_masses_is_that_mass(self, weights):
        three = masses(5, 6).expand(3, -1, -1)
        found = barycenter_grid(three, weights=weights, epsilon=5e-3, tol=1e-8)
        torch.testing.assert_close(found, three[0], rtol=1e-4, atol=1e-6)

    def test_of_single_bins_it_is_at_their_mean(self):
        three = torch.zeros(3, 9, 9)
        three[0, 0, 0] = three[1, 8, 0] = three[2, 4, 8] = 2.0
        found = barycenter_grid(three, weights=[1, 1, 2], epsilon=1e-2)
        assert found[4, 4].item() == pytest.approx(2.0, rel=2e-2)

    def test_of_gaussians_it_has_their_mean_deviation(self):
        """Debiased, at any ε (Janati et al., 2020)."""
        x = torch.linspace(-8, 8, 129, dtype=D)
        two = torch.stack([torch.exp(-(((x - m) / s) ** 2) / 2) for m, s in ((-2, 1), (2, 1.4))])
        two = (two / two.sum(-1, keepdim=True))[..., None]
        found = barycenter_grid(two, freqs=x, epsilon=2e-3, tol=1e-7)[:, 0]
        centre = (found * x).sum()
        assert centre.item() == pytest.approx(0, abs=1e-3)
        assert (found * (x - centre) ** 2).sum().sqrt().item() == pytest.approx(1.2, rel=2e-2)

    def test_a_batch_and_its_masses(self):
        pairs = masses(2, 2, 4, 5) * torch.tensor([1.0, 3.0], dtype=D)[:, None, None]
        found = barycenter_grid(pairs, weights=[0.25, 0.75], tol=1e-9)
        torch.testing.assert_close(found.sum((1, 2)), torch.full((2,), 2.5, dtype=D))
        for item, pair in zip(found, pairs, strict=True):
            alone = barycenter_grid(pair, weights=[0.25, 0.75], tol=1e-9)
            torch.testing.assert_close(item, alone, rtol=1e-4, atol=1e-6)

    def test_time_scale_and_axes(self):
        two, freqs, times = masses(2, 4, 5), uneven(4, 1), uneven(5, 2)
        found = barycenter_grid(two, freqs=freqs, times=times, time_scale=2.0)
        same = barycenter_grid(two, freqs=3 * freqs, times=6 * times)
        torch.testing.assert_close(found, same)

    def test_it_says_where_it_has_not_converged(self):
        with pytest.warns(ConvergenceWarning, match="barycenter_grid stopped after 3 updates"):
            barycenter_grid(masses(2, 4, 5), max_iter=3, tol=1e-9)

    def test_silence_is_named(self):
        with pytest.raises(ValueError, match="masses must not be silent"):
            barycenter_grid(
                torch.eye(3).reshape(3, 1, 3) * torch.tensor([1, 1, 0.0])[:, None, None]
            )
