"""What the drum paper's models minimise, its damping, and how distances are measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sotlib import jtfs_distance, pnp_loss
from sotlib.companion.experiments.drum import matching as drum_matching
from sotlib.companion.experiments.drum import task as drum_task
from sotlib.companion.experiments.drum.evaluation import Judge
from sotlib.companion.experiments.drum.objectives import (
    CONSTANT,
    FINAL,
    MetricObjective,
    ParameterObjective,
    SpectralObjective,
    make_damping,
    make_objective,
)
from sotlib.companion.experiments.drum.training import MatchingTraining
from sotlib.companion.experiments.training import TrainingDiverged
from sotlib.matching.damping import ConstantDamping

TASK = drum_task.TASKS["smoke"]
LIMITS = replace(drum_matching.BUDGETS["smoke"], epochs=4)
pytestmark = pytest.mark.usefixtures("one_thread")


def guesses(fold, generator):
    noise = 0.3 * torch.randn(fold.scaled.shape, generator=generator)
    return (fold.scaled + noise).clamp(-0.99, 0.99).requires_grad_()


def train(drums, objective, checkpoint, *, limits=LIMITS, row="pnp", **options):
    training = MatchingTraining(
        model=drum_matching.make_model(row, "smoke"),
        objective=objective,
        folds=drums.folds,
        limits=limits,
        batch=8,
        seed=0,
        checkpoint=checkpoint,
        identity={},
    )
    return training.run(**options), training


def test_rows_are_the_six_models_and_three_more_dampings():
    rows = [row for row in drum_matching.ROWS.values() if not row.rescaled]
    models = {(r.loss, r.omega_given) for r in rows if r.damping in (None, "adaptive")}
    assert models == {(loss, given) for loss in ("ploss", "spectral", "pnp") for given in (0, 1)}
    found = [r.damping for r in rows if r.loss == "pnp" and not r.omega_given]
    assert sorted(found) == ["adaptive", "constant", "none", "scheduled"]


def test_unit_metric_gives_the_parameter_loss(drums, generator):
    fold = drums.folds["train"]
    unit = replace(fold, metric=torch.eye(5).double().expand(len(fold), 5, 5))
    everything = torch.arange(len(fold))
    predicted = guesses(fold, generator)
    ours = MetricObjective(ConstantDamping(0.0), largest=1.0, typical=1.0)
    quadratic = ours(predicted, unit, everything)
    squared = ParameterObjective()(predicted, unit, everything)
    torch.testing.assert_close(quadratic, 2.5 * squared)
    slopes = [torch.autograd.grad(loss, predicted)[0] for loss in (quadratic, squared)]
    torch.testing.assert_close(slopes[0], 2.5 * slopes[1])


def test_units_of_the_metric_do_not_change_the_loss(drums, generator):
    """Relative damping and metric are the absolute ones over the typical eigenvalue."""
    fold, everything = drums.folds["train"], torch.arange(12)
    predicted = guesses(fold, generator)
    objective = MetricObjective(ConstantDamping(0.3), largest=drums.largest, typical=7.0)
    for mode, damping in ((True, 0.3 * drums.largest), (False, 0.0)):
        absolute = pnp_loss(predicted, fold.scaled, fold.metric, damping=damping)
        torch.testing.assert_close(
            objective.train(mode)(predicted, fold, everything), absolute / 7.0
        )


def test_rescaled_loss_keeps_its_size_and_its_validation(drums, generator):
    fold, everything = drums.folds["train"], torch.arange(len(drums.folds["train"]))
    predicted = guesses(fold, generator)
    plain, rescaled = (
        MetricObjective(ConstantDamping(0.3), largest=2e8, typical=5e4, rescaled=rescaled)
        for rescaled in (False, True)
    )
    ratio = plain(predicted, fold, everything) / rescaled(predicted, fold, everything)
    assert ratio.item() == pytest.approx((0.3 + 5e4 / 2e8) / (5e4 / 2e8))
    plain.eval()
    rescaled.eval()
    assert plain(predicted, fold, everything) == rescaled(predicted, fold, everything)


def test_pnp_loss_is_the_scattering_distance_for_small_errors(drums, generator):
    fold, perceive = drums.folds["test"], drum_task.Perception(TASK)
    small = 1e-7 * torch.randn(fold.scaled.shape, generator=generator).double()
    true = fold.scaled.double()
    squares = (perceive(true + small) - perceive(true)).square().sum(1)
    objective = MetricObjective(ConstantDamping(0.0), largest=drums.largest, typical=0.5)
    for number, expected in enumerate(squares):
        one = torch.tensor([number])
        exact = replace(fold, scaled=true)
        loss = objective(true[one] + small[one], exact, one)
        torch.testing.assert_close(loss, expected, rtol=0.01, atol=0)


def test_policies_are_relative_to_the_largest_eigenvalue(drums):
    dampings = {
        row.damping: make_damping(row, LIMITS)
        for row in drum_matching.ROWS.values()
        if row.loss == "pnp"
    }
    started = {name: damping.value for name, damping in dampings.items()}
    assert started == {"none": 0.0, "constant": CONSTANT, "scheduled": 1.0, "adaptive": 1.0}
    scheduled = dampings["scheduled"]
    for _ in range(LIMITS.scheduled_epochs):
        scheduled.step()
    assert scheduled.value == pytest.approx(FINAL)
    objective = make_objective(drum_matching.ROWS["pnp"], TASK, drums, LIMITS)
    eigenvalues = torch.linalg.eigvalsh(drums.folds["train"].metric)
    assert objective.largest == pytest.approx(float(eigenvalues.max()))
    assert objective.typical == pytest.approx(float(eigenvalues.mean()))


def test_spectral_loss_vanishes_at_the_truth_and_has_finite_gradients(drums):
    fold, everything = drums.folds["train"], torch.arange(12)
    objective = SpectralObjective(TASK)
    assert objective(fold.scaled.clone(), fold, everything) < 1e-4
    corners = torch.cartesian_prod(*5 * [torch.tensor([-1.0, 1.0])]).requires_grad_()
    indices = torch.arange(len(corners)) % 12
    value = objective(corners, fold, indices)
    (gradient,) = torch.autograd.grad(value, corners)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_adaptive_damping_follows_the_validation_loss(drums, tmp_path):
    objective = make_objective(drum_matching.ROWS["pnp"], TASK, drums, LIMITS)
    curve, training = train(drums, objective, tmp_path / "c.safetensors")
    assert [entry["epoch"] for entry in curve] == [0, 1, 2, 3, 4]
    expected, best = 1.0, np.inf
    for entry in curve[1:]:
        assert entry["damping"] == pytest.approx(expected)
        assert entry["damping_absolute"] == pytest.approx(expected * drums.largest)
        expected *= 0.2 if entry["validation"] < best else 1.0
        best = min(best, entry["validation"])
    assert training.best["epoch"] == 1 + int(np.argmin([e["validation"] for e in curve[1:]]))
    # Without damping: in the units of the curve's entry for all rows, but for the typical one.
    for entry in curve:
        assert entry["validation"] * objective.typical == pytest.approx(entry["pnp"], rel=1e-4)


def test_training_lowers_the_loss_it_minimises(drums, tmp_path):
    limits = replace(LIMITS, epochs=6, epoch_sounds=24)
    curve, _ = train(
        drums, ParameterObjective(), tmp_path / "c.safetensors", limits=limits, row="ploss"
    )
    assert curve[-1]["loss"] < 0.8 * curve[1]["loss"]


def test_a_loss_that_is_not_finite_is_named(drums, tmp_path):
    class Broken(ParameterObjective):
        def forward(self, predicted, fold, indices):
            return super().forward(predicted, fold, indices) * (torch.nan if self.training else 1)

    with pytest.raises(TrainingDiverged, match="the loss is nan in epoch 0"):
        train(drums, Broken(), tmp_path / "c.safetensors")


def test_distances_are_those_of_the_sounds(drums, generator):
    fold, judge = drums.folds["test"], Judge(TASK)
    jtfs, stft = judge.distances(fold.scaled, fold)
    assert jtfs.max() < 1e-3
    assert stft.max() < 1e-4
    predicted = guesses(fold, generator).detach()
    jtfs, _ = judge.distances(predicted, fold)
    pair = [judge.perceive.synthesis(scaled) for scaled in (predicted, fold.scaled)]
    direct = jtfs_distance(*pair, scattering=judge.perceive.scattering)
    torch.testing.assert_close(jtfs, direct, rtol=1e-4, atol=1e-4)
