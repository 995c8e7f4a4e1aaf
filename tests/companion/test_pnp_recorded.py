"""What chapters read of recorded trainings, from records made for the test."""

import numpy as np
import pytest
import torch

from sotlib.companion.arrays import save_arrays
from sotlib.companion.experiments.pnp.recorded import Recorded
from sotlib.companion.records import write_record


@pytest.fixture
def recorded(tmp_path):
    """Row a with seeds 2, 10 and 3, row b with seeds 3 and 10; b is 1 farther for each sound."""
    for row, seeds in (("a", (2, 10, 3)), ("b", (3, 10))):
        for seed in seeds:
            write_record(
                tmp_path / f"{row}-{seed}.json",
                kind="test",
                seeds=[seed],
                budget="paper",
                configuration={"row": row},
                results={"curve": [{"epoch": 0}, {"epoch": 1, "x": seed}], "best_epoch": 1}
                | {"loss": seed * (2 if row == "b" else 1)},
            )
            distance = seed + torch.arange(4.0) + (row == "b")
            save_arrays(tmp_path / f"{row}-{seed}.npz", {"distance": distance})
    return Recorded(tmp_path, "test")


def test_seeds_are_in_order_and_shared(recorded):
    assert recorded.seeds("a") == [2, 3, 10]
    assert recorded.seeds("a", "b") == [3, 10]
    assert recorded.seeds("a", "c") == []
    assert "c" not in recorded
    assert recorded.at_best("a", "x") == [2, 3, 10]
    assert recorded.at_best("a", "y") == [None] * 3


def test_difference_is_of_the_same_seeds_and_sounds(recorded):
    assert recorded.values("a", "distance").shape == (3, 4)
    assert recorded.mean("a", "best_epoch") == 1
    np.testing.assert_allclose(recorded.difference("b", "a", "distance"), 1)
    assert recorded.compared("b", "a", "distance") == "+1.0 [+1.0, +1.0], farther"
    assert recorded.compared("a", "b", "distance") == "-1.0 [-1.0, -1.0], nearer"
    assert recorded.ratios("b", "a", "loss") == [2, 2]
    assert recorded.cell("b", "distance", 0).startswith("9 [")
