"""Shared by all tests: the repository's root, and the same random numbers in every run."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def seeds() -> None:
    """A test that forgets its seed still gives the same result, in any order."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
