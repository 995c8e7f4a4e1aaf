"""The matching experiments: resuming, what a row needs, and what a record holds."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from smoke import killed_at, numbers, stopped_at

from sotlib.companion.arrays import read_arrays
from sotlib.companion.checkpoints import CheckpointError, load_checkpoint
from sotlib.companion.experiments.pnp import data as pnp_data
from sotlib.companion.experiments.pnp import drum as pnp_drum
from sotlib.companion.experiments.pnp.evaluation import predict
from sotlib.companion.experiments.pnp.rows import CONTINUED
from sotlib.companion.experiments.training import Stopped
from sotlib.companion.records import read_records
from sotlib.companion.runner import Sweep, plan

ROWS = ("ploss", "ploss-continued")
NAMES = pnp_drum.MATCHING.instrument.parameters.names
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def results(one_thread, pnp_folder):
    """Records of two rows, each carried out without interruption."""
    return {
        row: pnp_drum.run(row, 1, budget="smoke", folder=pnp_folder)
        for row in ("pnp-cleared", "ploss-given")
    }


def elsewhere(pnp_folder, tmp_path):
    """Another folder for results, with the same shards."""
    path = tmp_path / "pnp_drum" / "smoke"
    path.mkdir(parents=True)
    (tmp_path / "pnp_drum_shards").symlink_to(pnp_folder.parents[1] / "pnp_drum_shards")
    return path


def test_run_goes_on_from_its_checkpoint(results, pnp_folder, tmp_path):
    path = elsewhere(pnp_folder, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        pnp_drum.run("pnp-cleared", 1, budget="smoke", folder=path, progress=killed_at(25))
    steps = []
    again = pnp_drum.run("pnp-cleared", 1, budget="smoke", folder=path, progress=steps.append)
    assert steps == [24, 32, 32]  # the second epoch only, and its validation
    assert numbers(again) == numbers(results["pnp-cleared"])
    predictions = [np.load(f / "pnp-cleared-1.npz", allow_pickle=False) for f in (pnp_folder, path)]
    for name in predictions[0].files:
        np.testing.assert_array_equal(*(p[name] for p in predictions))
    assert not list(path.glob("*.checkpoint.*"))


@pytest.mark.parametrize(
    ("sounds", "left"),
    [(8, [16, 16, 24, 32, 32]), (16, [16, 24, 32, 32]), (24, [32, 32]), (32, [32])],
)
def test_run_goes_on_from_any_step(results, pnp_folder, tmp_path, sounds, left):
    """Within an epoch, also before there are best weights, and at its end before validation."""
    path = elsewhere(pnp_folder, tmp_path)

    with pytest.raises(Stopped):
        pnp_drum.run("pnp-cleared", 1, budget="smoke", folder=path, progress=stopped_at(sounds))
    steps = []
    again = pnp_drum.run("pnp-cleared", 1, budget="smoke", folder=path, progress=steps.append)
    assert steps == left
    assert numbers(again) == numbers(results["pnp-cleared"])


def test_damaged_checkpoint_is_named_and_recomputed(results, pnp_folder, tmp_path, capsys):
    path = elsewhere(pnp_folder, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        pnp_drum.run("pnp-cleared", 1, budget="smoke", folder=path, progress=killed_at(17))
    (checkpoint,) = path.glob("*.checkpoint.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100_000])
    again = pnp_drum.run("pnp-cleared", 1, budget="smoke", folder=path)
    assert f"{checkpoint.name} is damaged" in capsys.readouterr().err
    assert numbers(again) == numbers(results["pnp-cleared"])


def check_best_epochs(results, arrays):
    """The epochs of the lowest validation loss, and of the lowest distance of those listened to."""
    trained = results["curve"][1:]
    for key, best in (("validation", results), ("jtfs", results["heard"])):
        assert best["best_epoch"] == 1 + int(np.argmin([entry[key] for entry in trained]))
    listened = arrays["validation_jtfs"][: pnp_drum.BUDGETS["smoke"].heard]
    assert results["curve"][results["best_epoch"]]["jtfs"] == pytest.approx(
        listened.mean(), rel=1e-5
    )


def test_record_agrees_with_its_arrays(results, pnp_folder):
    sounds = np.load(pnp_folder / "sounds.npz", allow_pickle=False)
    for row, record in results.items():
        arrays = np.load(pnp_folder / f"{row}-1.npz", allow_pickle=False)
        for fold in ("test", "validation"):
            squares = np.square(arrays[f"{fold}_predicted"] - sounds[f"{fold}_scaled"])
            written = record["results"][fold]
            found = dict(zip(NAMES, squares.mean(0), strict=True))
            found["mean"] = squares.mean()
            assert written["parameter_error"] == pytest.approx(found, rel=1e-4)
            for name, where in itertools.product(("jtfs", "stft"), ("", "heard_")):
                if where and fold != "test":
                    continue
                distances = arrays[f"{where}{fold}_{name}"]
                written = (record["results"]["heard"] if where else record["results"])[fold][name]
                assert written["mean"] == pytest.approx(distances.mean(), rel=1e-5)
                assert written["std"] == pytest.approx(distances.std(ddof=1), rel=1e-5)
        check_best_epochs(record["results"], arrays)
        at_best = record["results"]["curve"][record["results"]["best_epoch"]]
        for entry, fold in ((at_best, "validation"), (at_best["test"], "test")):
            mean = record["results"][fold]["parameter_error"]["mean"]
            assert entry["parameter_error"] == pytest.approx(mean, rel=1e-6)
    assert sounds["train_metric_diagonal"].shape == (12, 5)
    largest, trace = sounds["test_eigenvalues"][:, 0], sounds["test_eigenvalues"].sum(1)
    assert (largest >= 0.99 * sounds["test_metric_diagonal"].max(1)).all()
    np.testing.assert_allclose(trace, sounds["test_metric_diagonal"].sum(1), rtol=1e-4)


def test_mean_predictor_is_the_spread_of_the_test_fold(results, prepared):
    train, test = (prepared.folds[name].scaled.double() for name in ("train", "test"))
    expected = test.var(0, correction=0) + (test.mean(0) - train.mean(0)).square()
    written = results["pnp-cleared"]["results"]["mean_predictor"]["parameter_error"]
    for name, value in zip(NAMES, expected.tolist(), strict=True):
        assert written[name] == pytest.approx(value, rel=1e-5)


def test_given_omega_has_no_error(results):
    for fold in ("test", "validation", "mean_predictor"):
        errors = results["ploss-given"]["results"][fold]["parameter_error"]
        assert errors["omega"] == 0
        assert min(errors[name] for name in ("tau", "p", "D", "alpha")) > 0


def test_loaded_model_predicts_what_was_recorded(results, pnp_folder, prepared):
    model = pnp_drum.load_model(pnp_folder / "ploss-given-1.safetensors")
    with np.load(pnp_folder / "ploss-given-1.npz", allow_pickle=False) as arrays:
        predicted = predict(model, prepared.folds["test"]).numpy()
        np.testing.assert_allclose(predicted, arrays["test_predicted"], atol=1e-6)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        pnp_drum.load_model(pnp_folder / "spectral-2.safetensors")


def test_a_sweep_begins_with_what_a_row_needs(pnp_folder, tmp_path, in_this_process):
    path = elsewhere(pnp_folder, tmp_path)
    tasks = plan("pnp_drum", budget="smoke", seeds=[1], rows=["pnp-continued", "pnp-stopping"])
    assert [task.row for task in tasks] == ["ploss", "pnp-continued", "pnp", "pnp-stopping"]
    assert all(task.steps == 32 for task in tasks)
    assert Sweep(tasks, path, workers=1).run() == {}
    records = read_records(path, kind="pnp_drum")
    assert records.keys() == {task.name for task in tasks}
    curves = {name: record["results"]["curve"] for name, record in records.items()}
    before = records["ploss-1"]["results"]
    assert curves["pnp-continued-1"][0]["pnp"] == curves["ploss-1"][before["best_epoch"]]["pnp"]
    assert {entry["damping"] for entry in curves["pnp-continued-1"][1:]} == {CONTINUED}
    end = curves["pnp-1"][-1]["damping"]
    assert curves["pnp-stopping-1"][2]["damping"] == pytest.approx(end)


def test_a_run_carries_out_what_it_needs(pnp_folder, tmp_path):
    path = elsewhere(pnp_folder, tmp_path)
    with pytest.raises(Stopped):
        pnp_drum.run("ploss-continued", 1, budget="smoke", folder=path, progress=stopped_at(0))
    assert [p.name for p in path.glob("*-1.*")] == ["ploss-1.checkpoint.safetensors"]
    steps = []
    options = {"budget": "smoke", "folder": path, "progress": steps.append}
    pnp_drum.run("ploss-continued", 1, **options)
    assert steps == [*5 * [0], 8, 16, 16, 24, 32, 32]
    assert (path / "ploss-1.json").exists()


def test_continued_training_may_end_where_it_began(pnp_folder, tmp_path, monkeypatch):
    """The weights at the start are a candidate, unlike those of an untrained network."""
    path = elsewhere(pnp_folder, tmp_path)
    useless = replace(pnp_drum.BUDGETS["smoke"], learning_rate=0.3)
    pnp_drum.run("ploss", 1, budget="smoke", folder=path)
    monkeypatch.setitem(pnp_drum.BUDGETS, "smoke", useless)
    monkeypatch.setattr(pnp_drum.MATCHING, "_record_of", lambda *_: None)
    record = pnp_drum.run("ploss-continued", 1, budget="smoke", folder=path)
    assert record["results"]["best_epoch"] == 0
    weights = [load_checkpoint(path / f"{row}-1.safetensors")[0] for row in ROWS]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


def test_shards_lie_beside_the_results_or_in_their_folder(tmp_path):
    beside = pnp_data.shards_folder("results/pnp_drum/reduced", "pnp_drum", "reduced")
    assert str(beside) == "results/pnp_drum_shards/reduced"
    assert pnp_data.shards_folder(tmp_path, "pnp_drum", "reduced") == tmp_path / "shards"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": "jtfs"}, "row must be one of 'ploss', 'pnp', 'pnp-cleared'"),
        ({"budget": "big"}, "budget must be one of 'paper', 'reduced', 'smoke'"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
    ],
)
def test_wrong_arguments_are_named(change, message, tmp_path):
    arguments = {"row": "pnp", "seed": 0, "budget": "smoke"} | change
    with pytest.raises(ValueError, match=message):
        pnp_drum.run(**arguments, folder=tmp_path)


def test_what_all_runs_share_is_written_once(prepared, tmp_path):
    """Records name it with its digest: another device's rounding must not change it."""
    path = pnp_data.keep_sounds(tmp_path / "sounds.npz", prepared.folds)
    written = read_arrays(path)
    fold = prepared.folds["test"]
    rounded = {**prepared.folds, "test": replace(fold, metric=fold.metric * (1 + 3e-3))}
    content = path.read_bytes()
    pnp_data.keep_sounds(path, rounded)
    assert path.read_bytes() == content
    path.write_bytes(content[:-9])
    pnp_data.keep_sounds(path, prepared.folds)
    assert path.read_bytes() == content
    pnp_data.keep_sounds(path, {**prepared.folds, "test": replace(fold, scaled=-fold.scaled)})
    np.testing.assert_array_equal(read_arrays(path)["test_scaled"], -written["test_scaled"])


def test_damaged_weights_are_named(results, pnp_folder, tmp_path):
    damaged = tmp_path / "ploss-given-1.safetensors"
    damaged.write_bytes((pnp_folder / "ploss-given-1.safetensors").read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"ploss-given-1\.safetensors is damaged"):
        pnp_drum.load_model(damaged)
