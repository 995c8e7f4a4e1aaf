"""Shared by all tests: the repository's root, and the same random numbers in every run."""

import contextlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from sotlib.companion.runner import executors

# Not modules with doctests: this file and its like, and the scripts that made reference numbers.
collect_ignore_glob = ["conftest.py", "*/conftest.py", "data/*"]


def pytest_addoption(parser) -> None:
    parser.addoption("--cuda-device", default="cuda", help="of the tests marked cuda")


def pytest_runtest_setup(item) -> None:
    on_gpu = item.config.getoption("--cuda-device").startswith("cuda")
    if item.get_closest_marker("cuda") and on_gpu and not torch.cuda.is_available():
        pytest.skip("needs a GPU that torch can use")


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
def two_threads() -> Iterator[None]:
    """For torch, and for what is compiled beside it; workers have one (see the Makefile)."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


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
