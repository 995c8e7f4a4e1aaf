"""Recorded results: what goes in comes out, with its provenance, and damage is named."""

import json
import platform
import re
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from sotlib.companion import records
from sotlib.companion.records import RecordError, read_record, read_records, write_record


def write(path, results=None, **options):
    options = {"kind": "test", "configuration": {"size": 2}} | options
    return write_record(path, results={"a": 1.5} if results is None else results, **options)


def test_round_trip_of_all_kinds_of_numbers(tmp_path):
    results = {
        "array": np.arange(3),
        "tensor": torch.tensor([[0.5]], requires_grad=True),
        "scalars": (np.float32(0.25), np.int64(3), True, None, "é"),
    }
    written = write(tmp_path / "new" / "one.json", results, seeds=[1, 2], seconds=3.14159)
    assert read_record(tmp_path / "new" / "one.json") == written
    assert written["results"] == {
        "array": [0, 1, 2],
        "tensor": [[0.5]],
        "scalars": [0.25, 3, True, None, "é"],
    }
    assert written["seeds"] == [1, 2]
    assert written["provenance"]["seconds"] == 3.1


def test_provenance_says_with_what_but_not_where(tmp_path):
    text = json.dumps(write(tmp_path / "one.json")["provenance"])
    provenance = json.loads(text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", provenance["date"])
    assert provenance["versions"]["python"] == platform.python_version()
    # Metadata may lack the local version that names the build.
    versions = provenance["versions"]["torch"], torch.__version__
    assert len({version.split("+")[0] for version in versions}) == 1
    assert provenance["machine"]["torch_threads"] == torch.get_num_threads()
    assert provenance["machine"]["cores"] >= 1
    assert provenance["commit"] is None or re.fullmatch("[0-9a-f]{40}", provenance["commit"])
    assert socket.gethostname() not in text
    assert str(Path(records.__file__).parents[2]) not in text


@pytest.mark.parametrize(
    ("results", "error", "message"),
    [
        ({"a": [1.0, float("nan")]}, ValueError, r"results\['a'\]\[1\] is nan, which JSON cannot"),
        ({"a": {"b": object()}}, TypeError, r"results\['a'\]\['b'\] is a object"),
        ({1: 2}, TypeError, "results must have strings as keys, but has 1"),
        ({"a": torch.tensor(float("inf"))}, ValueError, r"results\['a'\] is inf"),
    ],
)
def test_what_json_cannot_hold_is_named(tmp_path, results, error, message):
    with pytest.raises(error, match=message):
        write(tmp_path / "one.json", results)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "small"}, "budget must be one of paper, reduced, but is 'small'"),
        ({"budget": "reduced"}, "reduced says what was reduced"),
        ({"reduced": "one seed"}, "reduced says what was reduced"),
    ],
)
def test_budget_and_its_reason_belong_together(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "one.json", **options)
    with pytest.raises(ValueError, match=r"path must end in \.json"):
        write(tmp_path / "one.txt")


def test_a_write_that_fails_leaves_the_old_record(tmp_path, monkeypatch):
    path = tmp_path / "one.json"
    write(path)

    def no_space(fd):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="no space left"):
        write(path, {"a": 2})
    assert read_record(path)["results"] == {"a": 1.5}
    assert [p.name for p in tmp_path.iterdir()] == ["one.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 1, "ki', "is damaged: "),
        ("[1]", "is damaged: it is not a JSON object"),
        ('{"schema": 1}', "lacks kind, configuration, seeds"),
        ("\udcff", "is damaged: "),
    ],
)
def test_damaged_record_is_named(tmp_path, text, message):
    write(tmp_path / "good.json")
    (tmp_path / "bad.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RecordError, match=rf"bad\.json {message}"):
        read_records(tmp_path)


def test_other_schema_and_missing_file(tmp_path):
    record = write(tmp_path / "one.json") | {"schema": 99}
    (tmp_path / "one.json").write_text(json.dumps(record))
    with pytest.raises(RecordError, match=r"one\.json has schema 99, but this version reads 1"):
        read_record(tmp_path / "one.json")
    with pytest.raises(RecordError, match=r"nowhere\.json does not exist"):
        read_record(tmp_path / "nowhere.json")


def test_read_records_by_kind(tmp_path):
    write(tmp_path / "b.json")
    write(tmp_path / "a.json", kind="other")
    assert list(read_records(tmp_path)) == ["a", "b"]
    assert list(read_records(tmp_path, kind="test")) == ["b"]
    assert read_records(tmp_path / "nowhere") == {}
