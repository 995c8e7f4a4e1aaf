"""The drum data set: its cells, its folds and what it draws."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sotlib.datasets.drum_sounds import DRUMS, DrumSounds
from sotlib.synths.drum import rectangular_drum

REFERENCE = Path(os.environ.get("SOTLIB_REFERENCE", "")) / "drum_sounds.npz"
SHORT = {"samples": 256}


def test_folds_partition_the_grid():
    folds = [DRUMS.fold_ids(fold, seed=3) for fold in ("train", "validation", "test")]
    assert [len(fold) for fold in folds] == [10**5 - 6**5 - 10_000, 6**5, 10_000]
    assert torch.equal(torch.cat(folds).sort().values, torch.arange(10**5))
    assert torch.equal(DRUMS.fold_ids("all"), torch.arange(10**5))
    for fold in folds:
        assert (fold.diff() > 0).all()


def test_validation_is_the_middle_of_the_cube():
    inside = [i for i in range(10**5) if set(f"{i:05d}") <= set("234567")]
    assert DRUMS.fold_ids("validation", seed=9).tolist() == inside


def test_test_fold_follows_the_seed():
    assert torch.equal(DRUMS.fold_ids("test", seed=1), DRUMS.fold_ids("test", seed=1))
    shared = np.intersect1d(DRUMS.fold_ids("test", seed=1), DRUMS.fold_ids("test", seed=2))
    assert 1000 < len(shared) < 1400  # 10 000² / 92 224 = 1084 by chance


def test_digits():
    assert DRUMS.cell_digits(torch.tensor([12345, 7])).tolist() == [
        [1, 2, 3, 4, 5],
        [0, 0, 0, 0, 7],
    ]


def test_draws_lie_in_their_cells():
    ids = torch.arange(10**5)
    theta = DRUMS.cell_parameters(ids, seed=4)
    assert torch.equal(DRUMS.cell_of(theta), ids)
    assert (theta > 0).all()


def test_draws_are_uniform_inside_a_cell_in_linear_units():
    """In units of its cell each parameter has the mean and variance of a uniform one."""
    theta = DRUMS.cell_parameters(torch.arange(10**5), seed=0).numpy()
    digits = DRUMS.cell_digits(torch.arange(10**5)).numpy()
    edges = [
        2 * np.pi * 40 * 25 ** (np.arange(11) / 10),
        0.07 + 0.073 * np.arange(11),
        1e-5 * 20000 ** (np.arange(11) / 10),
        1e-5 * 30000 ** (np.arange(11) / 10),
        np.arange(11) / 10,
    ]
    for axis, edge in enumerate(edges):
        digit = digits[:, axis]
        place = (theta[:, axis] - edge[digit]) / (edge[digit + 1] - edge[digit])
        assert abs(place.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / 1e5)
        assert abs(place.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / 1e5)


def test_draws_depend_on_id_and_seed_alone():
    ids = torch.tensor([99999, 5, 31415])
    theta = DRUMS.cell_parameters(ids, seed=2)
    assert torch.equal(DRUMS.cell_parameters(ids[1:2], seed=2), theta[1:2])
    assert not torch.equal(DRUMS.cell_parameters(ids, seed=3), theta)
    for fold in ("train", "validation", "test"):
        sounds = DrumSounds(fold, seed=2, **SHORT)
        assert torch.equal(sounds.theta, DRUMS.cell_parameters(sounds.ids, seed=2))


@pytest.mark.skipif(not REFERENCE.exists(), reason="the published sounds are not here")
def test_published_drums_lie_on_the_grid():
    with np.load(REFERENCE) as file:
        theta = torch.from_numpy(file["theta"])
    ids = DRUMS.cell_of(theta, log10=True)
    digits = DRUMS.cell_digits(ids)
    assert torch.equal((digits * 10 ** torch.arange(4, -1, -1)).sum(1), ids)


def test_sounds_are_drums():
    sounds = DrumSounds("test", seed=0, dtype=torch.float64, **SHORT)
    theta, sound = sounds.batch([0, -1, 17])
    assert torch.equal(theta, sounds.theta[[0, -1, 17]])
    assert torch.equal(sound, rectangular_drum(theta, **SHORT))
    for index in (0, -1, 17):
        one_theta, one = sounds[index]
        torch.testing.assert_close(one, sound[[0, -1, 17].index(index)])
        assert torch.equal(one_theta, sounds.theta[index])
    assert DrumSounds("test", **SHORT)[0][1].dtype == torch.float32


def test_data_loader_takes_whole_batches():
    sounds = DrumSounds("validation", **SHORT)
    theta, sound = next(iter(DataLoader(sounds, batch_size=8)))
    expected_theta, expected = sounds.batch(range(8))
    assert torch.equal(theta, expected_theta)
    assert torch.equal(sound, expected)


def test_every_sound_is_finite_and_peaks_at_one():
    """On the corners of the grid, where parameters are most extreme."""
    corners = torch.cartesian_prod(*[torch.tensor([0, 9])] * 5)
    ids = (corners * 10 ** torch.arange(4, -1, -1)).sum(1)
    sound = rectangular_drum(DRUMS.cell_parameters(ids).float(), samples=2048)
    assert sound.isfinite().all()
    torch.testing.assert_close(sound.abs().amax(1), torch.ones(32))


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"fold must be one of 'train', .* got 'valid'"):
        DrumSounds("valid")
    with pytest.raises(ValueError, match="seed must be an integer of at least 0; got -1"):
        DrumSounds(seed=-1)
    with pytest.raises(ValueError, match="samples must be an integer"):
        DrumSounds(samples=0)
    with pytest.raises(IndexError, match=r"\(the validation fold\); got 7776"):
        DrumSounds("validation", **SHORT)[7776]
    with pytest.raises(ValueError, match="ids must be whole numbers from 0 to 99999"):
        DRUMS.cell_parameters(torch.tensor([100000]))
    with pytest.raises(ValueError, match=r"theta\[\.\.\., 1\] lies outside of the grid"):
        DRUMS.cell_of(torch.tensor([[1000.0, 0.9, 0.1, 0.1, 0.5]]))
