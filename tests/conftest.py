"""Shared by all tests: the repository's root, and the same random numbers in every run."""

import contextlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from sotlib.runner import executors


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


@pytest.fixture
def in_this_process(monkeypatch) -> None:
    """Sweeps have threads of this process as workers: no time to start, and patches hold."""

    @contextlib.contextmanager
    def threads(workers):
        with ThreadPoolExecutor(workers) as pool:
            yield pool

    monkeypatch.setattr(executors, "processes", threads)
