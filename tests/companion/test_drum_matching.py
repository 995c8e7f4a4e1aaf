"""The drum paper's experiment: its losses, its damping, resuming, and what a record holds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sotlib import jtfs_distance, pnp_loss
from sotlib.companion.checkpoints import CheckpointError
from sotlib.companion.experiments.drum import data as drum_data
from sotlib.companion.experiments.drum import matching as drum_matching
from sotlib.companion.experiments.drum import task as drum_task
from sotlib.companion.experiments.drum.evaluation import Judge, predict
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
from sotlib.companion.experiments.training import Stopped, TrainingDiverged
from sotlib.companion.runner import Sweep, plan
from sotlib.matching.damping import ConstantDamping

TASK = drum_task.TASKS["smoke"]
LIMITS = replace(drum_matching.BUDGETS["smoke"], epochs=4)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of the smoke budget, named as in the repository, with its prepared data."""
    folder = tmp_path_factory.mktemp("results") / "drum_matching" / "smoke"
    drum_data.load("smoke", drum_data.shards_folder(folder, "smoke"))
    return folder


@pytest.fixture(scope="module")
def drums(folder):
    return drum_data.load("smoke", drum_data.shards_folder(folder, "smoke"))


@pytest.fixture(scope="module")
def results(folder):
    """Records of two rows, each carried out without interruption."""
    return {
        row: drum_matching.run(row, 1, budget="smoke", folder=folder)
        for row in ("pnp", "ploss-omega")
    }


def elsewhere(folder, tmp_path):
    """Another folder for results, with the same shards."""
    path = tmp_path / "drum_matching" / "smoke"
    path.mkdir(parents=True)
    (tmp_path / "drum_shards").symlink_to(folder.parents[1] / "drum_shards")
    return path


def numbers(record):
    """A record without what depends on the day and on the machine."""
    kept = {key: record[key] for key in ("kind", "configuration", "seeds", "budget")}
    return kept | {"results": {k: v for k, v in record["results"].items() if k != "timing"}}


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


def test_run_goes_on_from_its_checkpoint(results, folder, tmp_path):
    path = elsewhere(folder, tmp_path)

    def interrupt(done):
        if done > 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=interrupt)
    steps = []
    again = drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=steps.append)
    assert steps == [24, 32, 32]  # the second epoch only, and its validation
    assert numbers(again) == numbers(results["pnp"])
    predictions = [np.load(f / "pnp-1.npz", allow_pickle=False) for f in (folder, path)]
    for name in predictions[0].files:
        np.testing.assert_array_equal(*(p[name] for p in predictions))
    assert not list(path.glob("*.checkpoint.*"))


@pytest.mark.parametrize(
    ("sounds", "left"),
    [(8, [16, 16, 24, 32, 32]), (16, [16, 24, 32, 32]), (24, [32, 32]), (32, [32])],
)
def test_run_goes_on_from_any_step(results, folder, tmp_path, sounds, left):
    """Within an epoch, also before there are best weights, and at its end before validation."""
    path = elsewhere(folder, tmp_path)

    def stop(done):
        if done >= sounds:
            raise Stopped

    with pytest.raises(Stopped):
        drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=stop)
    steps = []
    again = drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=steps.append)
    assert steps == left
    assert numbers(again) == numbers(results["pnp"])


def test_damaged_checkpoint_is_named_and_recomputed(results, folder, tmp_path, capsys):
    path = elsewhere(folder, tmp_path)

    def interrupt(done):
        if done > 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=interrupt)
    (checkpoint,) = path.glob("*.checkpoint.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100_000])
    again = drum_matching.run("pnp", 1, budget="smoke", folder=path)
    assert f"{checkpoint.name} is damaged" in capsys.readouterr().err
    assert numbers(again) == numbers(results["pnp"])


def test_record_agrees_with_its_arrays(results, folder):
    sounds = np.load(folder / "sounds.npz", allow_pickle=False)
    for row, record in results.items():
        arrays = np.load(folder / f"{row}-1.npz", allow_pickle=False)
        for fold in ("test", "validation"):
            squares = np.square(arrays[f"{fold}_predicted"] - sounds[f"{fold}_scaled"])
            written = record["results"][fold]
            found = dict(zip(drum_task.PARAMETERS, squares.mean(0), strict=True))
            found["mean"] = squares.mean()
            assert written["parameter_error"] == pytest.approx(found, rel=1e-4)
            for name in ("jtfs", "stft"):
                distances = arrays[f"{fold}_{name}"]
                assert written[name]["mean"] == pytest.approx(distances.mean(), rel=1e-5)
                assert written[name]["std"] == pytest.approx(distances.std(ddof=1), rel=1e-5)
        at_best = record["results"]["curve"][record["results"]["best_epoch"]]
        for entry, fold in ((at_best, "validation"), (at_best["test"], "test")):
            mean = record["results"][fold]["parameter_error"]["mean"]
            assert entry["parameter_error"] == pytest.approx(mean, rel=1e-6)
    assert sounds["train_metric_diagonal"].shape == (12, 5)
    assert (sounds["test_largest_eigenvalue"] >= 0.99 * sounds["test_metric_diagonal"].max(1)).all()


def test_mean_predictor_is_the_spread_of_the_test_fold(results, drums):
    train, test = (drums.folds[name].scaled.double() for name in ("train", "test"))
    expected = test.var(0, correction=0) + (test.mean(0) - train.mean(0)).square()
    written = results["pnp"]["results"]["mean_predictor"]["parameter_error"]
    for name, value in zip(drum_task.PARAMETERS, expected.tolist(), strict=True):
        assert written[name] == pytest.approx(value, rel=1e-5)


def test_given_omega_has_no_error(results):
    for fold in ("test", "validation", "mean_predictor"):
        errors = results["ploss-omega"]["results"][fold]["parameter_error"]
        assert errors["omega"] == 0
        assert min(errors[name] for name in ("tau", "p", "D", "alpha")) > 0


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


def test_loaded_model_predicts_what_was_recorded(results, folder, drums):
    model = drum_matching.load_model(folder / "ploss-omega-1.safetensors")
    with np.load(folder / "ploss-omega-1.npz", allow_pickle=False) as arrays:
        predicted = predict(model, drums.folds["test"]).numpy()
        np.testing.assert_allclose(predicted, arrays["test_predicted"], atol=1e-6)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        drum_matching.load_model(folder / "spectral-1.safetensors")


def test_the_runner_carries_it_out(folder, tmp_path, in_this_process):
    path = elsewhere(folder, tmp_path)
    tasks = plan("drum_matching", budget="smoke", seeds=[1], rows=["spectral", "pnp-scheduled"])
    assert all(task.steps == 32 for task in tasks)
    assert Sweep(tasks, path, workers=1).run() == {}
    names = {p.name for p in path.iterdir()}
    assert names >= {"spectral-1.json", "spectral-1.npz", "pnp-scheduled-1.json", "sounds.npz"}


def test_shards_lie_beside_the_results_or_in_their_folder(tmp_path):
    beside = drum_data.shards_folder("results/drum_matching/reduced", "reduced")
    assert str(beside) == "results/drum_shards/reduced"
    assert drum_data.shards_folder(tmp_path, "reduced") == tmp_path / "shards"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": "jtfs"}, "row must be one of 'ploss', 'spectral', 'pnp'"),
        ({"budget": "big"}, "budget must be one of 'paper', 'reduced', 'smoke'"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
    ],
)
def test_wrong_arguments_are_named(change, message, tmp_path):
    arguments = {"row": "pnp", "seed": 0, "budget": "smoke"} | change
    with pytest.raises(ValueError, match=message):
        drum_matching.run(**arguments, folder=tmp_path)


def test_damaged_weights_are_named(results, folder, tmp_path):
    damaged = tmp_path / "pnp-1.safetensors"
    damaged.write_bytes((folder / "pnp-1.safetensors").read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"pnp-1\.safetensors is damaged"):
        drum_matching.load_model(damaged)
