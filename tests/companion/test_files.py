"""Files that are whole or not there, whatever befalls the process that writes them."""

import errno
import os
import subprocess
import sys

import pytest

from sotlib.companion.files import drop_leftovers, replacing, write_atomically


def test_a_full_disk_is_named_with_its_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_atomically(path, "old")

    def full(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match=r"cannot write .*a\.txt: No space left .* is as it was"
    ) as info:
        write_atomically(path, "new")
    assert info.value.errno == errno.ENOSPC
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match=r"cannot write .*a/b/c\.txt"):
        write_atomically(tmp_path / "a" / "b" / "c.txt", "")


def test_two_in_one_process_do_not_share_a_file(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as one, replacing(path) as two:
        assert one != two
        one.write_text("one")
        two.write_text("two")
    assert path.read_text() == "one"


def test_what_a_killed_process_left_is_deleted_and_nothing_else(tmp_path):
    script = (
        "import os, sys, pathlib; from sotlib.companion.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as t: t.touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.json")])
    (left,) = tmp_path.iterdir()
    others = [f"b.json.{left.name.split('.')[2]}.tmp", f"c.json.{os.getpid()}.tmp"]
    kept = [f"d.json.{os.getppid()}.tmp", "e.tmp", "f.json"]
    for name in others + kept:
        (tmp_path / name).touch()
    with replacing(tmp_path / "g.json") as writing:
        writing.touch()
        drop_leftovers(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {*kept, writing.name}
