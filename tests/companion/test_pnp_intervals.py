"""Intervals of means over seeds and sounds, against the closed form of a normal mean."""

import numpy as np
import pytest

from sotlib.companion.experiments.pnp.intervals import interval


@pytest.mark.parametrize(("of_seeds", "of_sounds"), [(0.0, 1.0), (1.0, 0.0), (0.3, 4.0)])
def test_interval_has_the_width_of_both_spreads(of_seeds, of_sounds):
    """A seed and a sound add what each of them has: the variances of the two means add up."""
    rng = np.random.default_rng(0)
    seeds, sounds = of_seeds * rng.normal(size=(40, 1)), of_sounds * rng.normal(size=300)
    mean, low, high = interval(seeds + sounds)
    assert mean == pytest.approx((seeds + sounds).mean())
    expected = 1.96 * (seeds.var() / 40 + sounds.var() / 300) ** 0.5
    assert (high - low) / 2 == pytest.approx(expected, rel=0.06)
    assert (high + low) / 2 == pytest.approx(mean, abs=0.1 * expected)


def test_one_seed_says_nothing_about_seeds():
    values = np.ones((1, 50))
    assert interval(values) == (1.0, pytest.approx(1.0), pytest.approx(1.0))
