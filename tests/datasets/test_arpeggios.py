"""The arpeggio data set: its folds, and that its sounds are arpeggios."""

import numpy as np
import pytest
import torch

from sotlib import Arpeggios, arpeggio
from sotlib.datasets.arpeggios import ARPEGGIOS

SHORT = {"samples": 256}


def test_folds_have_the_published_sizes():
    folds = [ARPEGGIOS.fold_ids(fold, seed=3) for fold in ("train", "validation", "test")]
    assert [len(fold) for fold in folds] == [21_556, 2744, 2700]
    assert torch.equal(torch.cat(folds).sort().values, torch.arange(27_000))
    digits = ARPEGGIOS.cell_digits(folds[1])
    assert [digits.min().item(), digits.max().item()] == [8, 21]


def test_cells_are_steps_of_the_logarithm():
    theta = ARPEGGIOS.cell_parameters(torch.arange(27_000)).numpy()
    low, span = np.array([512, 4, 0.5]), np.log([2, 4, 8])
    place = np.log(theta / low) / span
    assert ((place >= 0) & (place <= 1)).all()
    ids = np.floor(place * 30).clip(max=29) @ [900, 30, 1]
    assert (ids == np.arange(27_000)).all()
    assert torch.equal(ARPEGGIOS.cell_of(torch.from_numpy(theta)), torch.arange(27_000))
    logs = torch.from_numpy(np.log10(theta))
    assert torch.equal(ARPEGGIOS.cell_of(logs, log10=True), torch.arange(27_000))


def test_sounds_are_arpeggios():
    sounds = Arpeggios("validation", seed=1, **SHORT)
    theta, batch = sounds.batch([0, 2, -1])
    assert torch.equal(batch, arpeggio(theta, **SHORT))
    one_theta, one = sounds[2]
    assert torch.equal(one_theta, theta[1])
    torch.testing.assert_close(one, batch[1])
    with pytest.raises(IndexError, match=r"\(the validation fold\); got 2744"):
        sounds[2744]
