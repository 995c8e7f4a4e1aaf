"""The drum paper's experiment: resuming, and what a record holds."""

from dataclasses import replace

import numpy as np
import pytest
from smoke import killed_at, numbers, stopped_at

from sotlib.companion.arrays import read_arrays
from sotlib.companion.checkpoints import CheckpointError
from sotlib.companion.experiments.drum import data as drum_data
from sotlib.companion.experiments.drum import matching as drum_matching
from sotlib.companion.experiments.drum import task as drum_task
from sotlib.companion.experiments.pnp.evaluation import predict
from sotlib.companion.experiments.training import Stopped
from sotlib.companion.runner import Sweep, plan

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def results(one_thread, drum_folder):
    """Records of two rows, each carried out without interruption."""
    return {
        row: drum_matching.run(row, 1, budget="smoke", folder=drum_folder)
        for row in ("pnp", "ploss-omega")
    }


def elsewhere(drum_folder, tmp_path):
    """Another folder for results, with the same shards."""
    path = tmp_path / "drum_matching" / "smoke"
    path.mkdir(parents=True)
    (tmp_path / "drum_shards").symlink_to(drum_folder.parents[1] / "drum_shards")
    return path


def test_run_goes_on_from_its_checkpoint(results, drum_folder, tmp_path):
    path = elsewhere(drum_folder, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=killed_at(25))
    steps = []
    again = drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=steps.append)
    assert steps == [24, 32, 32]  # the second epoch only, and its validation
    assert numbers(again) == numbers(results["pnp"])
    predictions = [np.load(f / "pnp-1.npz", allow_pickle=False) for f in (drum_folder, path)]
    for name in predictions[0].files:
        np.testing.assert_array_equal(*(p[name] for p in predictions))
    assert not list(path.glob("*.checkpoint.*"))


@pytest.mark.parametrize(
    ("sounds", "left"),
    [(8, [16, 16, 24, 32, 32]), (16, [16, 24, 32, 32]), (24, [32, 32]), (32, [32])],
)
def test_run_goes_on_from_any_step(results, drum_folder, tmp_path, sounds, left):
    """Within an epoch, also before there are best weights, and at its end before validation."""
    path = elsewhere(drum_folder, tmp_path)

    with pytest.raises(Stopped):
        drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=stopped_at(sounds))
    steps = []
    again = drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=steps.append)
    assert steps == left
    assert numbers(again) == numbers(results["pnp"])


def test_damaged_checkpoint_is_named_and_recomputed(results, drum_folder, tmp_path, capsys):
    path = elsewhere(drum_folder, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        drum_matching.run("pnp", 1, budget="smoke", folder=path, progress=killed_at(17))
    (checkpoint,) = path.glob("*.checkpoint.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100_000])
    again = drum_matching.run("pnp", 1, budget="smoke", folder=path)
    assert f"{checkpoint.name} is damaged" in capsys.readouterr().err
    assert numbers(again) == numbers(results["pnp"])


def test_record_agrees_with_its_arrays(results, drum_folder):
    sounds = np.load(drum_folder / "sounds.npz", allow_pickle=False)
    for row, record in results.items():
        arrays = np.load(drum_folder / f"{row}-1.npz", allow_pickle=False)
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


def test_loaded_model_predicts_what_was_recorded(results, drum_folder, drums):
    model = drum_matching.load_model(drum_folder / "ploss-omega-1.safetensors")
    with np.load(drum_folder / "ploss-omega-1.npz", allow_pickle=False) as arrays:
        predicted = predict(model, drums.folds["test"]).numpy()
        np.testing.assert_allclose(predicted, arrays["test_predicted"], atol=1e-6)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        drum_matching.load_model(drum_folder / "spectral-1.safetensors")


def test_the_runner_carries_it_out(drum_folder, tmp_path, in_this_process):
    path = elsewhere(drum_folder, tmp_path)
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


def test_what_all_runs_share_is_written_once(drums, tmp_path):
    """Records name it with its digest: another device's rounding must not change it."""
    path = drum_data.keep_sounds(tmp_path / "sounds.npz", drums.folds)
    written = read_arrays(path)
    fold = drums.folds["test"]
    rounded = {**drums.folds, "test": replace(fold, metric=fold.metric * (1 + 1e-6))}
    content = path.read_bytes()
    drum_data.keep_sounds(path, rounded)
    assert path.read_bytes() == content
    path.write_bytes(content[:-9])
    drum_data.keep_sounds(path, drums.folds)
    assert path.read_bytes() == content
    drum_data.keep_sounds(path, {**drums.folds, "test": replace(fold, scaled=-fold.scaled)})
    np.testing.assert_array_equal(read_arrays(path)["test_scaled"], -written["test_scaled"])


def test_damaged_weights_are_named(results, drum_folder, tmp_path):
    damaged = tmp_path / "pnp-1.safetensors"
    damaged.write_bytes((drum_folder / "pnp-1.safetensors").read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"pnp-1\.safetensors is damaged"):
        drum_matching.load_model(damaged)
