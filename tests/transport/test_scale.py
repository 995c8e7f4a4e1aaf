"""Every transport is proportional to the mass, over nearly all that its numbers can hold."""

import pytest
import torch

from sotlib import (
    barycenter_grid,
    exact_grid_transport,
    interpolate_1d,
    linear_binning,
    partial_wasserstein_1d,
    sinkhorn_divergence,
    sinkhorn_grid,
    sliced_wasserstein,
    unbalanced_wasserstein_1d,
    wasserstein_1d,
    wasserstein_circle,
)

GRID = {"tol": 1e-9, "max_iter": 20_000}


def on_a_line(transport, **options):
    return lambda a, b: transport(a.flatten(), b.flatten(), torch.arange(12.0).to(a), **options)


TRANSPORTS = {
    "line": on_a_line(wasserstein_1d),
    "unbalanced line": on_a_line(unbalanced_wasserstein_1d, reach=2.0),
    "partial line": on_a_line(partial_wasserstein_1d, share=0.7),
    "circle": on_a_line(wasserstein_circle, period=12),
    "between": lambda a, b: linear_binning(
        *interpolate_1d(a.flatten(), b.flatten(), torch.arange(12.0).to(a), t=0.3),
        torch.tensor([0.0, 11.0]).to(a),
    )[..., 0],
    "plane between": lambda a, b: sinkhorn_grid(a, b, **GRID).interpolate(0.3),
    "barycentre": lambda a, b: barycenter_grid(torch.stack([a, b])),
    "exact": lambda a, b: exact_grid_transport(a, b).value,
    "plan": lambda a, b: exact_grid_transport(a, b).plan.sum((2, 3)),
    "sinkhorn": lambda a, b: sinkhorn_grid(a, b, **GRID).value,
    "unbalanced": lambda a, b: sinkhorn_grid(a, b, marginal_penalty=1.0, **GRID).value,
    "divergence": lambda a, b: sinkhorn_divergence(a, b, **GRID),
    "sliced": lambda a, b: sliced_wasserstein(a, b),
}


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(torch.float32, s) for s in (1e-30, 1e-10, 1e10, 1e30)]
    + [(torch.float64, s) for s in (1e-200, 1e-30, 1e9, 1e200)],
)
@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=TRANSPORTS)
def test_value_and_gradient_at_any_level(transport, dtype, scale, generator):
    a, b = torch.rand(2, 4, 3, generator=generator, dtype=torch.float64)
    a, b = (a / a.sum()).to(dtype), (b / b.sum()).to(dtype)
    expected = transport(a, b)
    x = (scale * a).requires_grad_()
    found = transport(x, scale * b)
    torch.testing.assert_close(found / scale, expected, rtol=1e-5, atol=1e-7)
    if found.requires_grad:
        one = a.clone().requires_grad_()
        slopes = (torch.autograd.grad(f(t, s * b), t)[0]
                  for f, t, s in ((transport, x, scale), (transport, one, 1.0)))  # fmt: skip
        torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-5)


def test_a_plan_between_large_grids_is_a_list_of_moves():
    a, b = torch.zeros(2, 1025, 200)
    a[3, 5], b[10, 7] = 2.0, 2.0
    found = exact_grid_transport(a, b)
    assert found.moves.tolist() == [[3, 5, 10, 7]]
    assert found.masses.tolist() == [2.0]
    assert found.value.item() == pytest.approx(2 * (7**2 + 2**2))
