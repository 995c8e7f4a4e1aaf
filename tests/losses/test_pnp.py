"""Jacobian, metric and PNP loss: closed forms, central differences, the true spectral loss."""

import json
import math

import pytest
import torch

from sotlib.datasets.drum_sounds import DRUMS as CELLS
from sotlib.losses.pnp import PNPLoss, pnp_loss
from sotlib.matching.damping import AdaptiveDamping, ConstantDamping
from sotlib.matching.metric import jacobian, largest_eigenvalue, riemannian_metric
from sotlib.matching.scaler import ParameterScaler
from sotlib.synths.drum import LOG10, rectangular_drum

SCALER = ParameterScaler.fit(CELLS.cell_parameters(torch.arange(0, 10**5, 97)), log10=LOG10)
DRUMS = SCALER(CELLS.cell_parameters(torch.tensor([34567, 25252, 61734])))


def log_spectrogram(sound):
    """log(1 + 10 |STFT|²), (batch, features): smooth everywhere."""
    window = torch.hann_window(256, dtype=sound.dtype)
    spectrum = torch.stft(sound, 256, window=window, center=False, return_complex=True)
    return (10 * spectrum.abs().square()).log1p().flatten(1)


def drum_features(scaled):
    return log_spectrogram(rectangular_drum(SCALER.inverse(scaled), samples=1024))


def harmonic_features(parameters):
    """Another synthesiser, ten harmonics: f0 in units of 100 Hz, and a spectral slope."""
    time = torch.arange(1024, dtype=parameters.dtype) / 8000
    f0, slope = 100 * parameters[:, :1, None], parameters[:, 1:, None]
    number = torch.arange(1, 11, dtype=parameters.dtype)[:, None]
    return log_spectrogram(
        (torch.exp(-slope * number) * torch.sin(2 * math.pi * f0 * number * time)).sum(1)
    )


def quadratic(seed, batch, d):
    """A random symmetric positive semidefinite metric."""
    root = torch.randn(
        batch, d + 1, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return root.mT @ root


def test_jacobian_of_a_linear_map():
    matrix = torch.arange(12.0).reshape(4, 3)
    result = jacobian(lambda t: t @ matrix.T, torch.ones(5, 3))
    assert torch.equal(result, matrix.expand(5, 4, 3))


@pytest.fixture(scope="module")
def reverse_jacobian():
    return torch.stack([torch.func.jacrev(lambda t: drum_features(t[None])[0])(t) for t in DRUMS])


@pytest.mark.parametrize("vectorize", [True, False])
@pytest.mark.parametrize("chunk", [1, 2, 3, 16])
def test_chunks_and_directions_do_not_matter(chunk, vectorize, reverse_jacobian):
    result = jacobian(drum_features, DRUMS, chunk=chunk, vectorize=vectorize)
    torch.testing.assert_close(result, reverse_jacobian, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("features", "parameters"),
    [
        (drum_features, DRUMS),
        (harmonic_features, torch.tensor([[2.2, 0.3], [3.11, 0.1]]).double()),
    ],
)
def test_jacobian_against_central_differences(features, parameters):
    result = jacobian(features, parameters)
    step = 1e-6
    for number in range(parameters.shape[1]):
        shift = torch.zeros_like(parameters)
        shift[:, number] = step
        slope = (features(parameters + shift) - features(parameters - shift)) / (2 * step)
        assert (result[..., number] - slope).abs().max() < 1e-6 * slope.abs().max()


def test_jacobian_keeps_dtype_and_leaves_no_graph():
    theta = DRUMS.float().requires_grad_()
    result = jacobian(drum_features, theta)
    assert result.dtype == torch.float32
    assert not result.requires_grad
    weight = torch.ones(2, requires_grad=True)
    assert not jacobian(lambda t: t * weight, torch.ones(3, 2)).requires_grad


def test_jacobian_of_one_feature_and_of_shaped_features():
    theta = torch.tensor([[2.0, 3.0]])
    assert jacobian(lambda t: t.prod(1), theta).tolist() == [[[3.0, 2.0]]]
    shaped = jacobian(lambda t: t[:, :, None] * torch.ones(4), theta)
    assert shaped.shape == (1, 8, 2)


def test_vectorize_false_takes_what_vmap_cannot():
    class Square(torch.autograd.Function):
        """An operation with a forward derivative and no rule for vmap."""

        @staticmethod
        def forward(x):
            return x**2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_forward(*inputs)

        @staticmethod
        def jvp(ctx, tangent):
            return 2 * ctx.saved_tensors[0] * tangent

    theta = torch.tensor([[3.0, 1.0]])
    with pytest.raises(RuntimeError, match="try vectorize=False"):
        jacobian(Square.apply, theta)
    assert jacobian(Square.apply, theta, vectorize=False).tolist() == [[[6.0, 0.0], [0.0, 2.0]]]


@pytest.mark.parametrize("vectorize", [True, False])
def test_features_that_ignore_a_parameter_have_a_zero_slope(vectorize):
    theta = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    constant = jacobian(lambda t: torch.ones(len(t), 3), theta, vectorize=vectorize)
    assert torch.equal(constant, torch.zeros(2, 3, 2))
    half = jacobian(lambda t: t[:, :1] ** 2, theta, vectorize=vectorize)
    torch.testing.assert_close(half, torch.tensor([[[2.0, 0.0]], [[6.0, 0.0]]]))


def test_metric_of_complex_features():
    theta = torch.tensor([[1.0, 2.0]])
    expected = 5 * torch.eye(2, dtype=torch.float64)[None]
    torch.testing.assert_close(riemannian_metric(lambda t: t + 2j * t, theta), expected)


def test_metric_is_the_jacobians_product_in_double_precision():
    slopes = jacobian(drum_features, DRUMS.float()).double()
    metric = riemannian_metric(drum_features, DRUMS.float(), chunk=2)
    assert metric.dtype == torch.float64
    torch.testing.assert_close(metric, slopes.mT @ slopes, rtol=1e-5, atol=0)
    exact = riemannian_metric(drum_features, DRUMS)
    assert (metric - exact).abs().amax() < 1e-3 * exact.abs().amax()


def test_accumulation_is_not_in_single_precision():
    """10⁸ and 1 added in single precision would lose the 1."""
    scale = torch.cat([torch.tensor([1e4]), torch.full((1000,), 1.0)])
    metric = riemannian_metric(lambda t: t * scale, torch.ones(1, 1))
    assert metric.item() == 1e8 + 1000


def test_metric_is_symmetric_and_positive_semidefinite():
    metric = riemannian_metric(drum_features, DRUMS.float())
    assert torch.equal(metric, metric.mT)
    eigenvalues = torch.linalg.eigvalsh(metric)
    assert (eigenvalues >= -1e-12 * eigenvalues[:, -1:]).all()
    assert largest_eigenvalue(metric) == eigenvalues.max()


@pytest.mark.parametrize(
    ("features", "parameters", "direction"),
    [
        (drum_features, DRUMS[:1], [0.3, -0.5, 0.2, 0.4, -0.6]),
        (harmonic_features, torch.tensor([[2.2, 0.3]]).double(), [0.01, 0.1]),
    ],
)
def test_quadratic_form_is_the_spectral_loss_to_third_order(features, parameters, direction):
    """Halving the step divides the error by eight."""
    direction = torch.tensor([direction], dtype=torch.float64)
    metric = riemannian_metric(features, parameters)
    at_target = features(parameters)
    errors = []
    for step in [2e-4, 1e-4, 5e-5]:
        moved = parameters + step * direction
        spectral = (features(moved) - at_target).square().sum() / 2
        errors.append((pnp_loss(moved, parameters, metric) - spectral).item())
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(8, rel=0.05)


def test_loss_of_diagonal_metrics():
    metric = torch.diag_embed(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    predicted, target = torch.tensor([[1.0, 1.0], [2.0, 0.0]]), torch.zeros(2, 2)
    assert pnp_loss(predicted, target, metric).item() == (1 + 2 + 3 * 4) / 2 / 2
    damped = pnp_loss(predicted, target, metric, damping=10.0)
    assert damped.item() == (11 + 12 + 13 * 4) / 2 / 2
    assert pnp_loss(target, target, metric).item() == 0


def test_gradient_is_metric_times_error():
    metric = quadratic(0, 4, 5)
    predicted = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    target = torch.zeros(4, 5, dtype=torch.float64)
    pnp_loss(predicted, target, metric, damping=0.3).backward()
    expected = torch.einsum("nij,nj->ni", metric, predicted.detach()) + 0.3 * predicted.detach()
    torch.testing.assert_close(predicted.grad, expected / 4)
    assert torch.autograd.gradcheck(
        lambda p: pnp_loss(p, target, metric, damping=0.3), predicted, check_forward_ad=True
    )


def test_large_damping_is_the_parameter_loss():
    metric = quadratic(1, 3, 5)
    predicted, target = torch.randn(2, 3, 5, dtype=torch.float64)
    scaled = pnp_loss(predicted, target, metric, damping=1e12) / 1e12
    parameter_loss = (predicted - target).square().sum(1).mean() / 2
    torch.testing.assert_close(scaled, parameter_loss, rtol=1e-9, atol=0)


def test_published_size_of_the_damping_in_single_precision():
    predicted = torch.ones(2, 5, requires_grad=True)
    loss = pnp_loss(predicted, torch.zeros(2, 5), quadratic(2, 2, 5), damping=1e20)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert predicted.grad.isfinite().all()


def test_equal_parameters_give_zero_and_a_zero_gradient():
    predicted = torch.ones(2, 5, requires_grad=True)
    pnp_loss(predicted, torch.ones(2, 5), quadratic(3, 2, 5), damping=1.0).backward()
    assert torch.equal(predicted.grad, torch.zeros(2, 5))


def test_module_damps_in_training_only_and_follows_its_policy():
    metric, target = quadratic(4, 2, 3), torch.zeros(2, 3)
    predicted = torch.ones(2, 3)
    loss = PNPLoss(damping=AdaptiveDamping(100.0))
    assert loss(predicted, target, metric) == pnp_loss(predicted, target, metric, damping=100.0)
    loss.damping.step(1.0)
    assert loss(predicted, target, metric) == pnp_loss(predicted, target, metric, damping=20.0)
    assert loss.eval()(predicted, target, metric) == pnp_loss(predicted, target, metric)
    assert isinstance(PNPLoss().damping, ConstantDamping)


def test_module_state_restarts_the_policy():
    loss = PNPLoss(damping=AdaptiveDamping(100.0))
    loss.damping.step(1.0)
    kept = json.dumps(loss.state_dict())
    other = PNPLoss(damping=AdaptiveDamping(1.0))
    other.load_state_dict(json.loads(kept))
    assert other.damping.state_dict() == loss.damping.state_dict()


def test_silent_drum_has_a_finite_zero_metric():
    theta = torch.tensor([[1e3, 2e-9, 0.0, 0.0, 1.0]])
    metric = riemannian_metric(lambda t: log_spectrogram(rectangular_drum(t, samples=512)), theta)
    assert torch.equal(metric, torch.zeros(1, 5, 5, dtype=torch.float64))


def test_infinite_derivatives_are_reported():
    with pytest.raises(ValueError, match=r"no finite derivative at sounds \[1\]"):
        riemannian_metric(lambda t: t.sqrt(), torch.tensor([[1.0], [0.0]]))


def test_nan_in_a_prediction_is_not_hidden():
    predicted = torch.full((1, 2), float("nan"))
    with pytest.raises(ValueError, match="predicted must be finite"):
        pnp_loss(predicted, torch.zeros(1, 2), torch.eye(2)[None])


def test_wrong_arguments():
    metric, theta = torch.eye(2)[None], torch.zeros(1, 2)
    with pytest.raises(ValueError, match=r"theta must be \(batch, d\).* got \(2,\)"):
        jacobian(torch.exp, torch.zeros(2))
    with pytest.raises(ValueError, match="theta must be finite; 2 of its 2 values"):
        jacobian(torch.exp, torch.full((1, 2), float("nan")))
    with pytest.raises(TypeError, match="theta must hold floating-point"):
        riemannian_metric(torch.exp, torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="chunk must be an integer of at least 1; got 0"):
        jacobian(torch.exp, theta, chunk=0)
    with pytest.raises(
        ValueError, match="phi_of_g must give one row of features for each of the 1"
    ):
        jacobian(lambda t: t.sum(), theta)
    with pytest.raises(ValueError, match=r"predicted and target .* got \(1, 2\) and \(1, 3\)"):
        pnp_loss(theta, torch.zeros(1, 3), metric)
    with pytest.raises(ValueError, match=r"metric must be \(batch, d, d\) = \(1, 2, 2\)"):
        pnp_loss(theta, theta, torch.eye(3)[None])
    with pytest.raises(ValueError, match=r"metric must be \(\.\.\., d, d\)"):
        largest_eigenvalue(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"damping must be .*at least 0 .*; got -1"):
        pnp_loss(theta, theta, metric, damping=-1)
    with pytest.raises(TypeError, match=r"metric must be a torch\.Tensor; got float"):
        pnp_loss(theta, theta, 1.0)
