"""What the rows of the matching tables minimise, their damping, and how distances are measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sotlib import jtfs_distance, pnp_loss
from sotlib.companion.experiments.pnp import drum as pnp_drum
from sotlib.companion.experiments.pnp.evaluation import Judge
from sotlib.companion.experiments.pnp.instrument import Perception
from sotlib.companion.experiments.pnp.objectives import (
    MetricObjective,
    ParameterObjective,
    SpectralObjective,
    make_damping,
    make_objective,
)
from sotlib.companion.experiments.pnp.rows import (
    ADAPTIVE,
    CONSTANT,
    CONTINUED,
    FINAL,
    GIVEN,
    NAMES,
    START,
    Row,
)
from sotlib.companion.experiments.pnp.training import MatchingTraining
from sotlib.companion.experiments.training import TrainingDiverged
from sotlib.matching.damping import ConstantDamping

INSTRUMENT = pnp_drum.MATCHING.instrument
TASK = INSTRUMENT.tasks["smoke"]
LOSSES = ("ploss", "spectral", "pnp")
LIMITS = replace(pnp_drum.BUDGETS["smoke"], epochs=4)
pytestmark = pytest.mark.usefixtures("one_thread")


def guesses(fold, generator):
    noise = 0.3 * torch.randn(fold.scaled.shape, generator=generator)
    return (fold.scaled + noise).clamp(-0.99, 0.99).requires_grad_()


def train(prepared, objective, checkpoint, *, limits=LIMITS, row=ADAPTIVE, **options):
    training = MatchingTraining(
        row=row,
        model=pnp_drum.MATCHING.make_model("pnp", "smoke"),
        objective=objective,
        folds=prepared.folds,
        judging=Judge(INSTRUMENT, TASK),
        limits=limits,
        seed=0,
        checkpoint=checkpoint,
        identity={},
    )
    return training.run(**options), training


def test_rows_are_the_six_models_and_three_more_dampings():
    rows = pnp_drum.ROWS
    models = [rows[f"{loss}{given}"] for given in ("", "-given") for loss in LOSSES]
    assert [(r.loss, r.given) for r in models] == [
        (name, g) for g in (False, True) for name in LOSSES
    ]
    assert [r.damping for r in models] == 2 * [None, None, "adaptive"]
    dampings = ("none", "constant", "scheduled")
    assert all(rows[f"pnp-{name}"].damping == name for name in dampings)
    assert all(row.needs in (None, "ploss", "pnp") for row in rows.values())
    assert GIVEN.items() <= rows.items()
    assert NAMES.keys() == rows.keys()


def test_unit_metric_gives_the_parameter_loss(prepared, generator):
    fold = prepared.folds["train"]
    unit = replace(fold, metric=torch.eye(5).double().expand(len(fold), 5, 5))
    everything = torch.arange(len(fold))
    predicted = guesses(fold, generator)
    ours = MetricObjective(ConstantDamping(0.0), unit=1.0)
    quadratic = ours(predicted, unit, everything)
    squared = ParameterObjective()(predicted, unit, everything)
    torch.testing.assert_close(quadratic, 2.5 * squared)
    slopes = [torch.autograd.grad(loss, predicted)[0] for loss in (quadratic, squared)]
    torch.testing.assert_close(slopes[0], 2.5 * slopes[1])


def test_units_of_the_metric_do_not_change_the_loss(prepared, generator):
    """Damping and metric in a unit are the absolute ones over it."""
    fold, everything = prepared.folds["train"], torch.arange(12)
    predicted = guesses(fold, generator)
    objective = MetricObjective(ConstantDamping(0.3), unit=7.0)
    for mode, damping in ((True, 0.3 * 7.0), (False, 0.0)):
        absolute = pnp_loss(predicted, fold.scaled, fold.metric, damping=damping)
        torch.testing.assert_close(
            objective.train(mode)(predicted, fold, everything), absolute / 7.0
        )


def test_pnp_loss_is_the_scattering_distance_for_small_errors(prepared, generator):
    fold, perceive = prepared.folds["test"], Perception(INSTRUMENT, TASK)
    small = 1e-7 * torch.randn(fold.scaled.shape, generator=generator).double()
    true = fold.scaled.double()
    squares = (perceive(true + small) - perceive(true)).square().sum(1)
    objective = MetricObjective(ConstantDamping(0.0), unit=0.5)
    for number, expected in enumerate(squares):
        one = torch.tensor([number])
        exact = replace(fold, scaled=true)
        loss = objective(true[one] + small[one], exact, one)
        torch.testing.assert_close(loss, expected, rtol=0.01, atol=0)


def test_policies_are_the_authors_in_units_of_a_typical_eigenvalue(prepared):
    rows = pnp_drum.ROWS
    names = ("none", "constant", "scheduled", "continued", "hundred", "cleared")
    dampings = {name: make_damping(rows[f"pnp-{name}"], LIMITS) for name in names}
    started = [damping.value for damping in dampings.values()]
    assert started == [0.0, CONSTANT, START, CONTINUED, 100.0, START]
    assert pytest.approx(1e15) == START / CONSTANT  # 1e20 and 1e5
    scheduled = dampings["scheduled"]
    for _ in range(LIMITS.scheduled_epochs):
        scheduled.step()
    assert scheduled.value == pytest.approx(FINAL)
    assert scheduled.step() < FINAL
    eigenvalues = torch.linalg.eigvalsh(prepared.folds["train"].metric)[:, -1]
    assert prepared.unit == float(eigenvalues.median())


@pytest.mark.parametrize("end", [START, 0.5])
def test_controls_end_where_another_row_did(end):
    constant, stopping = (
        make_damping(pnp_drum.ROWS[row], LIMITS, end) for row in ("pnp-end", "pnp-stopping")
    )
    for _ in range(LIMITS.scheduled_epochs + 2):
        constant.step()
        stopping.step()
    assert constant.value == end
    assert stopping.value == pytest.approx(end)


def test_spectral_loss_vanishes_at_the_truth_and_has_finite_gradients(prepared):
    fold, everything = prepared.folds["train"], torch.arange(12)
    objective = SpectralObjective(INSTRUMENT, TASK)
    assert objective(fold.scaled.clone(), fold, everything) < 1e-4
    corners = torch.cartesian_prod(*5 * [torch.tensor([-1.0, 1.0])]).requires_grad_()
    indices = torch.arange(len(corners)) % 12
    value = objective(corners, fold, indices)
    (gradient,) = torch.autograd.grad(value, corners)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_adaptive_damping_follows_the_validation_loss(prepared, tmp_path):
    objective = make_objective(ADAPTIVE, INSTRUMENT, TASK, prepared.unit, LIMITS)
    curve, training = train(prepared, objective, tmp_path / "c.safetensors")
    assert [entry["epoch"] for entry in curve] == [0, 1, 2, 3, 4]
    expected, best = START, np.inf
    for entry in curve[1:]:
        assert entry["damping"] == pytest.approx(expected)
        expected *= 0.2 if entry["validation"] < best else 1.0
        best = min(best, entry["validation"])
    assert training.best["epoch"] == 1 + int(np.argmin([e["validation"] for e in curve[1:]]))
    for entry in curve:  # without damping, whatever the epoch's
        assert entry["validation"] * prepared.unit == pytest.approx(entry["pnp"], rel=1e-4)


@pytest.mark.parametrize(("clearing", "steps"), [(False, 8.0), (True, 2.0)])
def test_adam_forgets_at_a_fall_of_the_damping_where_it_is_to(
    prepared, tmp_path, monkeypatch, clearing, steps
):
    row = replace(ADAPTIVE, clearing=clearing)
    objective = make_objective(row, INSTRUMENT, TASK, prepared.unit, LIMITS)
    monkeypatch.setattr(objective.damping, "step", fall_after(objective.damping, epoch=3))
    _, training = train(prepared, objective, tmp_path / "c.safetensors", row=row)
    state = training.optimizer.state.values()
    assert {float(s["step"]) for s in state} == {steps}  # two in each of four epochs


def fall_after(damping, epoch):
    epochs = iter(range(1, 9))

    def step(_):
        damping.value *= 0.2 if next(epochs) == epoch else 1.0
        return damping.value

    return step


@pytest.mark.parametrize(("validations", "steps"), [((1, 2, 3, 4), 6), ((4, 3, 2, 5), 2)])
def test_without_a_damping_adam_forgets_where_validation_improves(
    prepared, tmp_path, validations, steps
):
    left = iter((0, *validations))  # the first is that of the untrained network

    class Told(ParameterObjective):
        def forward(self, predicted, fold, indices):
            loss = super().forward(predicted, fold, indices)
            return loss if self.training else 0 * loss + next(left)

    row = Row("ploss", clearing=True)
    _, training = train(prepared, Told(), tmp_path / "c.safetensors", row=row)
    assert {float(s["step"]) for s in training.optimizer.state.values()} == {steps}


def test_learning_rate_falls_where_validation_stalls(prepared, tmp_path):
    row, limits = Row("ploss", plateau=True), replace(LIMITS, epochs=7)

    class Stalling(ParameterObjective):
        def forward(self, predicted, fold, indices):
            loss = super().forward(predicted, fold, indices)
            return loss if self.training else 0 * loss + 1

    path = tmp_path / "c.safetensors"
    curve, _ = train(prepared, Stalling(), path, row=row, limits=limits)
    rates = [entry["learning_rate"] for entry in curve[1:]]
    # Three epochs of patience after the first, which is the best.
    assert rates == pytest.approx([*5 * [1e-3], *2 * [1e-4]])
    resumed, _ = train(prepared, Stalling(), path, row=row, limits=replace(limits, epochs=9))
    assert [entry["learning_rate"] for entry in resumed[8:]] == pytest.approx([1e-4, 1e-4])


def test_both_later_changes_act_in_one_training(prepared, tmp_path):
    """Adam is cleared at a fall of the damping, and keeps the rate that a stall has left it."""
    row, limits = pnp_drum.ROWS["pnp-cleared-plateau"], replace(LIMITS, epochs=8)
    left = iter((0, 9, 8, 8, 8, 8, 8, 7, 7))  # the first is that of the untrained network

    class Told(MetricObjective):
        def forward(self, predicted, fold, indices):
            loss = super().forward(predicted, fold, indices)
            return loss if self.training else 0 * loss + next(left)

    objective = Told(make_damping(row, limits), unit=prepared.unit)
    path = tmp_path / "c.safetensors"
    curve, training = train(prepared, objective, path, row=row, limits=limits)
    assert [e["learning_rate"] for e in curve[1:]] == pytest.approx([*6 * [1e-3], *2 * [1e-4]])
    falls = [e["damping"] / START for e in curve[1:]]
    assert falls == pytest.approx([1, 0.2, *5 * [0.04], 0.008])
    assert {float(s["step"]) for s in training.optimizer.state.values()} == {2}  # of one epoch


def test_training_lowers_the_loss_it_minimises(prepared, tmp_path):
    limits = replace(LIMITS, epochs=6, epoch_sounds=24)
    curve, _ = train(
        prepared, ParameterObjective(), tmp_path / "c.safetensors", limits=limits, row=Row("ploss")
    )
    assert curve[-1]["loss"] < 0.8 * curve[1]["loss"]


def test_a_loss_that_is_not_finite_is_named(prepared, tmp_path):
    class Broken(ParameterObjective):
        def forward(self, predicted, fold, indices):
            return super().forward(predicted, fold, indices) * (torch.nan if self.training else 1)

    with pytest.raises(TrainingDiverged, match="the loss is nan in epoch 0"):
        train(prepared, Broken(), tmp_path / "c.safetensors")


def test_distances_are_those_of_the_sounds(prepared, generator):
    fold, judge = prepared.folds["test"], Judge(INSTRUMENT, TASK)
    jtfs, stft = judge.distances(fold.scaled, fold)
    assert jtfs.max() < 1e-3
    assert stft.max() < 1e-4
    predicted = guesses(fold, generator).detach()
    jtfs, _ = judge.distances(predicted, fold)
    pair = [judge.perceive.synthesis(scaled) for scaled in (predicted, fold.scaled)]
    direct = jtfs_distance(*pair, scattering=judge.perceive.scattering)
    torch.testing.assert_close(jtfs, direct, rtol=1e-4, atol=1e-4)
