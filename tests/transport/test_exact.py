"""Exact transport on small grids: closed forms, POT, bad input."""

import builtins

import numpy as np
import ot
import pytest
import torch

from sotlib import exact_grid_transport


def test_translation_of_a_pattern():
    generator = torch.Generator().manual_seed(0)
    a = torch.zeros(9, 10, dtype=torch.float64)
    a[1:4, 2:5] = torch.rand(3, 3, generator=generator, dtype=torch.float64)
    b = a.roll((4, 3), (0, 1))
    result = exact_grid_transport(a, b, time_scale=2.0)
    assert result.value.item() == pytest.approx(a.sum().item() * (4**2 + 6**2), rel=1e-12)
    for bin_, frame in a.nonzero():
        moved = result.plan[bin_, frame]
        assert moved[bin_ + 4, frame + 3].item() == pytest.approx(a[bin_, frame].item())


def test_equals_pot_with_the_full_cost():
    """Different grids for a and b; the plan has both marginals."""
    generator = torch.Generator().manual_seed(1)
    a = torch.rand(5, 4, generator=generator, dtype=torch.float64)
    b = torch.rand(3, 6, generator=generator, dtype=torch.float64)
    a[2], b[:, 1] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    freqs, times = np.array([1.0, 2, 4, 7, 11]), np.array([0.0, 0.5, 0.7, 2])
    freqs_b, times_b = np.array([0.0, 3, 8]), np.array([0.1, 0.2, 0.4, 1, 3, 4])
    points_a = np.stack(np.meshgrid(freqs, 3 * times, indexing="ij"), -1).reshape(-1, 2)
    points_b = np.stack(np.meshgrid(freqs_b, 3 * times_b, indexing="ij"), -1).reshape(-1, 2)
    theirs = ot.emd2(a.flatten().numpy(), b.flatten().numpy(), ot.dist(points_a, points_b))
    result = exact_grid_transport(
        a, b, freqs=freqs, times=times, freqs_b=freqs_b, times_b=times_b, time_scale=3.0
    )
    assert result.value.item() == pytest.approx(theirs, rel=1e-12)
    torch.testing.assert_close(result.plan.sum((2, 3)), a)
    torch.testing.assert_close(result.plan.sum((0, 1)), b)


def test_keeps_dtype():
    a = torch.full((2, 3), 1 / 6)
    result = exact_grid_transport(a, a)
    assert result.value.dtype == result.plan.dtype == torch.float32
    assert result.value.item() == pytest.approx(0, abs=1e-12)


def test_without_pot_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "ot":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match="pip install POT"):
        exact_grid_transport(torch.ones(2, 2), torch.ones(2, 2))


@pytest.mark.parametrize(
    ("a", "b", "match"),
    [
        (torch.ones(2, 3, 4), torch.ones(2, 3, 4), "one mass .* loop over the batch"),
        (torch.ones(3, 4), 2 * torch.ones(3, 4), "2 times the other; normalise both"),
        (torch.ones(80, 80), torch.ones(80, 80), "too many pairs .* use sinkhorn_grid"),
        (-torch.ones(3, 4), torch.ones(3, 4), "a holds negative mass"),
    ],
)
def test_bad_input_says_what_to_do(a, b, match):
    with pytest.raises(ValueError, match=match):
        exact_grid_transport(a, b)
