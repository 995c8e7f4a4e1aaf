"""Log-sum-exps of a sequence of values, beside those made anew and from the definition."""

import pytest
import torch

from sotlib.transport._sinkhorn import axes, nearby
from sotlib.transport._sinkhorn.axes import LogAxis

INPUTS, OUTPUTS, COLUMNS = 40, 57, 6


@pytest.fixture(params=[0.3, 1e-3, 1e-4])
def axis(request):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(OUTPUTS, generator=generator, dtype=torch.float64).sort().values
    y = torch.linspace(0, 1, INPUTS, dtype=torch.float64)
    return LogAxis(x, y, request.param), x, y, request.param


def from_the_definition(h, x, y, eps):
    return (h[None] - ((x[:, None] - y) ** 2 / eps)[:, :, None]).logsumexp(1)


@pytest.mark.parametrize("step", [1e-3, 1.0, 40.0, 4000.0])
def test_a_sequence_is_as_if_each_were_the_first(axis, step):
    log_axis, x, y, eps = axis
    sequence = nearby.NearbyAxis(log_axis)
    generator = torch.Generator().manual_seed(1)
    h = torch.randn(INPUTS, COLUMNS, generator=generator, dtype=torch.float64) / eps
    h[3] = h[:, 2] = -torch.inf  # a bin, and a column, without mass
    for _ in range(12):
        expected = from_the_definition(h, x, y, eps)
        torch.testing.assert_close(sequence.logsumexp(h), expected, rtol=1e-12, atol=1e-9)
        h = h + step * torch.randn(h.shape, generator=generator, dtype=torch.float64)


def test_exponentials_are_made_anew_only_after_a_large_change(axis, monkeypatch):
    log_axis = axis[0]
    made = []
    monkeypatch.setattr(log_axis, "sums", lambda h: made.append(h) or LogAxis.sums(log_axis, h))
    sequence = nearby.NearbyAxis(log_axis)
    h = torch.zeros(INPUTS, COLUMNS, dtype=torch.float64)
    for value in (0, 1, nearby.NEAR, -nearby.NEAR, nearby.NEAR + 0.1, nearby.NEAR + 1):
        sequence.logsumexp(h + value)
    assert len(made) == 2


def test_what_is_too_large_to_keep_is_not_kept(axis, monkeypatch):
    log_axis, x, y, eps = axis
    monkeypatch.setattr(axes, "KEPT", 10)
    sequence = nearby.NearbyAxis(log_axis)
    h = torch.zeros(INPUTS, COLUMNS, dtype=torch.float64)
    torch.testing.assert_close(sequence.logsumexp(h), from_the_definition(h, x, y, eps))
    assert sequence.h is None
