import hashlib
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import sotlib
from sotlib._core import compiled
from sotlib.pitch import _passes
from sotlib.scattering import _moduli
from sotlib.transforms._stft import kernels
from sotlib.transport import _circle_merge, _line_merge, _partial_rows, _unbalanced_rows

COMPILED = [_passes, _line_merge, _circle_merge, _partial_rows, _unbalanced_rows]


@pytest.mark.parametrize("module", COMPILED)
def test_changes_of_helpers_reach_what_is_compiled(module):
    """Numba keeps machine code as long as the file with the compiled function is the same."""
    folder = Path(sotlib.__file__).parent
    text = "".join((folder / name).read_text() for name in module.HELPERS)
    found = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert found == module.SUM, f"write SUM = {found!r} into {module.__name__}"


def double(x):
    return 2 * x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def hits(function=double, argument=3):
    """How many signatures the next process finds."""
    found = compiled.compiled()(function)
    assert found(argument) == 2 * argument
    return sum(found.stats.cache_hits.values())


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_machine_code_is_kept_for_the_next_process(folder):
    assert [hits(), hits(), hits(argument=1.5), hits(argument=1.5)] == [0, 1, 0, 1]
    assert len(files(folder)) == 2


def test_damaged_code_is_compiled_anew(folder):
    hits()
    (path,) = files(folder)
    whole = path.read_bytes()
    flipped = [
        whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :]
        for i in range(0, len(whole), len(whole) // 12)
    ]
    for damage in (b"", b"x", whole[:40], whole[:-1], whole + b"x", *flipped):
        path.write_bytes(damage)
        assert [hits(), hits()] == [0, 1]
    assert len(files(folder)) == 1


def test_code_of_another_signature_is_not_taken(folder):
    hits()
    (integer,) = files(folder)
    hits(argument=1.5)
    (real,) = set(files(folder)) - {integer}
    real.write_bytes(integer.read_bytes())
    assert hits(argument=1.5) == 0


def test_code_of_an_older_source_is_not_taken(folder, monkeypatch):
    """A process killed between Numba's index and its data leaves such a pair."""
    hits()
    locator = compiled._Kept(double)._place.locator
    monkeypatch.setattr(type(locator), "get_source_stamp", lambda self: "changed")
    assert [hits(), hits()] == [0, 1]
    assert len(files(folder)) == 1


def full(*_):
    raise OSError(28, "No space left on device")


def test_full_disk_is_said_once_and_only_where_it_takes_long(folder, monkeypatch, caplog):
    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(compiled, "_lost", 0.0)
    assert hits() == hits() == 0
    assert not caplog.records
    monkeypatch.setattr(compiled, "_LONG", compiled._lost + 1e-9)
    with caplog.at_level(logging.WARNING, "sotlib"):
        assert hits() == hits() == 0
    (record,) = caplog.records
    assert "No space left on device" in record.getMessage()
    assert "NUMBA_CACHE_DIR" in record.getMessage()


def test_folder_that_goes_away_is_made_again_or_done_without(folder):
    kept = compiled.compiled()(double)
    folder.rename(folder.with_name("moved"))
    folder.write_text("a file now")
    assert kept(3) == 6
    assert compiled.compiled()(double)(3) == 6  # kept where Numba looks next, if anywhere
    folder.unlink()
    assert [hits(), hits()] == [0, 1]


def test_no_place_at_all(tmp_path):
    """The library in a folder that is not to be written, and no home."""
    (tmp_path / "file").write_text("")
    (tmp_path / "__pycache__").write_text("")
    code = "from sotlib._core.compiled import compiled\n@compiled()\ndef f(x):\n    return 2 * x\n"
    (tmp_path / "kernel.py").write_text(code)
    run = subprocess.run(
        [sys.executable, "-c", "import kernel; print(kernel.f(3), kernel.f._cache._place)"],
        cwd=tmp_path,
        env=os.environ
        | dict.fromkeys(("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"), str(tmp_path / "file"))
        | {"PYTHONPATH": str(Path(sotlib.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "6 None\n"
    assert run.stderr == ""


def _as_compiled(dispatcher, *types):
    """What LLVM is left with for these types, compiled anew: from the disk it cannot be read."""
    options = {k: v for k, v in dispatcher.targetoptions.items() if k != "nopython"}
    fresh = numba.njit(**options)(dispatcher.py_func)
    fresh.compile(types)
    (text,) = fresh.inspect_llvm().values()
    return text


FLOAT, INT = numba.float32, numba.int64
VALUES, ROWS, PLANES = numba.float64[::1], FLOAT[:, ::1], FLOAT[:, :, :, ::1]


@pytest.mark.parametrize(
    ("kernel", "types"),
    [
        (kernels.slopes, (ROWS, INT, ROWS, ROWS, INT)),
        (kernels.differences, (*5 * [ROWS], *3 * [FLOAT], INT, INT, numba.float64[:, ::1])),
        (kernels.convergence, (*5 * [ROWS], FLOAT, FLOAT, VALUES, INT, VALUES)),
        (_moduli._pulled_back, (PLANES, INT, FLOAT[:, :, ::1], FLOAT, INT, INT)),
    ],
    ids=["slopes", "differences", "convergence", "moduli"],
)
def test_divisions_become_vectors_of_single_precision(kernel, types):
    """An integer beside a float32, or a division that may raise, cost two to six times the time."""
    text = _as_compiled(kernel, *types)
    assert re.search(r"fdiv[^\n]*<\d+ x float>", text)
    assert not re.search(r"f(div|mul)[^\n]*<\d+ x double>", text)
