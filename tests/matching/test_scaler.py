"""Scaling of parameters to [-1, 1]."""

import pytest
import torch

from sotlib.datasets.drum_sounds import DRUMS as CELLS
from sotlib.matching.scaler import ParameterScaler
from sotlib.synths.drum import LOG10

THETA = CELLS.cell_parameters(torch.arange(0, 10**5, 997))


@pytest.fixture
def scaler():
    return ParameterScaler.fit(THETA, log10=LOG10)


def test_limits_and_middles():
    scaler = ParameterScaler([1.0, 1.0], [100.0, 3.0], log10=[False, True])
    theta = torch.tensor([[1.0, 1.0], [100.0, 3.0], [50.5, 3**0.5]], dtype=torch.float64)
    expected = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(scaler(theta), expected)


def test_fit_spans_the_range(scaler):
    scaled = scaler(THETA)
    torch.testing.assert_close(scaled.amin(0), -torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(scaled.amax(0), torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-13)])
def test_inverse(scaler, dtype, tolerance):
    theta = THETA.to(dtype)
    assert scaler(theta).dtype == dtype
    torch.testing.assert_close(scaler.inverse(scaler(theta)), theta, rtol=tolerance, atol=0)
    outside = torch.full((2, 5), 1.5, dtype=dtype)
    torch.testing.assert_close(
        scaler(scaler.inverse(outside)), outside, rtol=tolerance, atol=tolerance
    )


def test_leading_axes_and_state(scaler):
    folded = THETA[:100].reshape(4, 25, 5)
    torch.testing.assert_close(scaler(folded).reshape(100, 5), scaler(THETA[:100]))
    other = ParameterScaler([1.0] * 5, [2.0] * 5, log10=LOG10)
    other.load_state_dict(scaler.state_dict())
    torch.testing.assert_close(other(THETA), scaler(THETA))


def test_gradients(scaler):
    scaled = scaler(THETA[:3]).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda u: scaler.inverse(u) / THETA[:3],
        scaled,
        check_forward_ad=True,
        check_batched_forward_grad=True,
    )


def test_gradients_are_finite_at_zero_where_no_logarithm_is_taken():
    scaler = ParameterScaler([0.0, 1.0], [500.0, 2.0], log10=[False, True])
    theta = torch.tensor([[0.0, 1.5]], requires_grad=True)
    scaler(theta).sum().backward()
    assert theta.grad.isfinite().all()
    scaled = torch.tensor([[1.0, 1.0]], requires_grad=True)  # 10^500 must not leak in
    scaler.inverse(scaled).sum().backward()
    assert scaled.grad.isfinite().all()


def test_wrong_arguments(scaler):
    with pytest.raises(ValueError, match=r"minimum must be below maximum; parameter 1 has 2.0 and"):
        ParameterScaler([0.0, 2.0], [1.0, 2.0], log10=[False, False])
    with pytest.raises(ValueError, match=r"minimum\[\.\.\., 0\] must be above 0, as it is scaled"):
        ParameterScaler([0.0], [1.0], log10=[True])
    with pytest.raises(ValueError, match="maximum must be finite; 1 of its 1 values"):
        ParameterScaler([0.0], [float("inf")], log10=[False])
    with pytest.raises(ValueError, match="one entry for each parameter"):
        ParameterScaler([0.0], [1.0], log10=[False, True])
    with pytest.raises(ValueError, match=r"theta\[\.\.\., 2\] must be above 0.*got -1.0"):
        scaler(torch.tensor([[1.0, 1.0, -1.0, 1.0, 1.0]]))
    with pytest.raises(ValueError, match=r"scaled must have shape \(\.\.\., 5\)"):
        scaler.inverse(torch.zeros(3, 4))
    with pytest.raises(TypeError, match="theta must hold floating-point"):
        scaler(torch.ones(1, 5, dtype=torch.int32))
    with pytest.raises(ValueError, match="theta must be finite; 505 of its 505"):
        ParameterScaler.fit(THETA * float("nan"), log10=LOG10)
    with pytest.raises(ValueError, match=r"theta must be \(2 or more sounds, d\)"):
        ParameterScaler.fit(THETA[:1], log10=LOG10)


def test_casting_rounds_no_limit(scaler):
    limits = scaler.low.clone()
    scaler.half()
    torch.testing.assert_close(scaler.low, limits, rtol=0, atol=0)
