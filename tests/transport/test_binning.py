"""Linear binning: by hand, what it keeps, gradients, bad input."""

import pytest
import torch

from sotlib import linear_binning

D = torch.float64


def test_by_hand():
    masses = torch.tensor([[1.0, 2.0, 4.0], [8.0, 0.0, 1.0]], dtype=D)
    positions = torch.tensor([0.0, 1.5, 3.0], dtype=D)
    found = linear_binning(masses, positions, torch.tensor([0.0, 1.0, 3.0], dtype=D))
    assert found.tolist() == [[1.0, 1.5, 4.5], [8.0, 0.0, 1.0]]


def test_mass_and_mean_stay(generator):
    masses, positions = torch.rand(2, 3, 4, 50, dtype=D, generator=generator)
    grid = torch.tensor([-0.5, 0.1, 0.3, 0.31, 0.8, 1.0], dtype=D)
    found = linear_binning(masses, positions, grid)
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(-1), masses.sum(-1))
    torch.testing.assert_close((found * grid).sum(-1), (masses * positions).sum(-1))


def test_what_lies_on_the_grid_stays():
    masses, grid = torch.rand(3, 9), torch.linspace(1.0, 5.0, 9)
    assert torch.equal(linear_binning(masses, grid, grid), masses)
    assert linear_binning(torch.ones(2), torch.ones(2), torch.ones(1)).tolist() == [2.0]


def test_a_step_of_rounding_beyond_the_grid_is_within_it():
    grid, last = torch.tensor([0.0, 1.0]), torch.tensor([1 + 1e-6])
    assert linear_binning(torch.ones(1), last, grid).tolist() == [0.0, 1.0]


def test_no_mass_may_lie_anywhere():
    grid, far = torch.tensor([0.0, 1.0]), torch.tensor([9.0])
    assert linear_binning(torch.zeros(1), far, grid).tolist() == [0.0, 0.0]


def test_gradients(generator):
    masses, positions = torch.rand(2, 3, 6, dtype=D, generator=generator)
    inputs = masses.requires_grad_(), positions.requires_grad_()
    grid = torch.linspace(0, 1, 5, dtype=D)
    assert torch.autograd.gradcheck(lambda m, p: linear_binning(m, p, grid), inputs)


@pytest.mark.parametrize(
    ("positions", "grid", "message"),
    [
        (
            [0.0, 2.1],
            [0.0, 1.0, 2.0],
            r"positions of masses must .* from 0 to 2; .*2\.1",
        ),
        ([0.0, 1.0], [0.0, 0.0, 2.0], "grid must increase strictly"),
        ([0.0, 1.0], [[0.0, 2.0]], r"grid must have shape \(bins,\)"),
    ],
)
def test_what_does_not_fit(positions, grid, message):
    with pytest.raises(ValueError, match=message):
        linear_binning(torch.ones(2), torch.tensor(positions), torch.tensor(grid))
