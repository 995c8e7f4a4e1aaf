"""The over-relaxation of Sinkhorn's updates, against Young's theory of linear iterations."""

import math

import pytest
import torch

from sotlib.transport._sinkhorn.relaxation import LARGEST, Relaxation

EVERY = 10


def after(*errors, allowed=True):
    """The relaxation of a batch, given its errors at each check."""
    relaxation = Relaxation(len(errors[0]), "cpu", allowed, EVERY)
    for error in errors:
        relaxation.update(torch.tensor(error, dtype=torch.float64))
    return relaxation


def rate(omega, theta):
    """Decay of the iteration's error over-relaxed by ω: the larger root of Young's equation."""
    # (ρ + ω - 1)² = ω² θ ρ, as r² - ω √θ r + ω - 1 = 0 for r = √ρ.
    half = omega * math.sqrt(theta) / 2
    return (half + math.sqrt(half**2 - omega + 1)) ** 2


def best(theta):
    return 2 / (1 + math.sqrt(1 - theta))


@pytest.mark.parametrize("theta", [0.5, 0.9, 0.99])
def test_weight_is_the_best_one_of_the_rate_seen(theta):
    relaxation = after([1.0, 2.0], [theta**EVERY, 2 * 0.3**EVERY])
    expected = torch.tensor([[best(theta)], [best(0.3)]], dtype=torch.float64)
    torch.testing.assert_close(relaxation.weight, expected)


def test_rate_of_an_iteration_already_over_relaxed_is_understood():
    first, second = 0.5, 0.9  # what the decay says at first, and the truth
    now = rate(best(first), second)
    relaxation = after([1.0], [first**EVERY], [(first * now) ** EVERY])
    assert relaxation.weight.item() == pytest.approx(best(second))


def test_growing_error_takes_the_relaxation_back_and_bounds_it():
    relaxation = after([1.0], [0.9**EVERY], [1.0])
    assert relaxation.weight.item() == 1.0
    assert relaxation.largest.item() == pytest.approx((1 + LARGEST) / 2)
    old, new = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    assert relaxation.towards(old, new).item() == 1.0
    relaxation.update(torch.tensor([0.999**EVERY], dtype=torch.float64))
    assert relaxation.weight.item() == pytest.approx((1 + LARGEST) / 2)


def test_nothing_is_relaxed_where_it_is_not_allowed_or_not_known():
    old, new = torch.zeros(1, 1), torch.ones(1, 1)
    for relaxation in (after([1.0]), after([1.0], [0.5], allowed=False)):
        assert relaxation.towards(old, new) is new
    assert after([0.0], [0.0]).weight.item() == 1.0
