"""Recorded results: what goes in comes out, with its provenance, and damage is named."""

import json
import math
import platform
import re
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from sotlib.companion import records
from sotlib.companion._digests import content_digest
from sotlib.companion.arrays import read_arrays, save_arrays
from sotlib.companion.records import (
    OtherRecordError,
    RecordError,
    missing_files,
    read_record,
    read_records,
    write_record,
)


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
        ('{"schema": 2}', "is damaged: it has no digest; move it away and repeat the command"),
        ("[" * 100_000 + "]" * 100_000, "is damaged: maximum recursion depth"),
        ('{"a": 1e999}', "is damaged: Out of range float values"),
        ("\udcff", "is damaged: "),
    ],
)
def test_damaged_record_is_named(tmp_path, text, message):
    write(tmp_path / "good.json")
    (tmp_path / "bad.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RecordError, match=rf"bad\.json {message}"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"results": None}, "results must be there, each of its type"),
        ({"schema": True, "seeds": {}}, "schema, seeds must be there"),
        ({"results": {"a": math.nan}}, "NaN is no number of JSON"),
        ({"files": {"../a.npz": "0"}}, r"the file '../a\.npz' is not beside it"),
    ],
)
def test_what_no_record_holds_is_named_although_its_digest_is_right(tmp_path, change, message):
    path = tmp_path / "one.json"
    record = write(path) | change
    if "results" not in change or change["results"] is None:
        record["digest"] = content_digest(record)
    path.write_text(json.dumps(record))
    with pytest.raises(RecordError, match=rf"one\.json is damaged: {message}"):
        read_record(path)


def test_any_flipped_bit_is_noticed(tmp_path):
    """Each byte in turn, one bit of it: noticed, or else nothing has changed."""
    path = tmp_path / "one.json"
    written = write(
        path, {"curve": [1e-5, {"loss": None}]}, seeds=[3], budget="reduced", reduced="é"
    )
    content = path.read_bytes()
    unnoticed = 0
    for k in range(len(content)):
        altered = bytearray(content)
        altered[k] ^= 1 << k % 8
        path.write_bytes(altered)
        try:
            assert read_record(path) == written, k
            unnoticed += 1
        except RecordError:
            continue
    assert unnoticed < 10  # an e that became an E


def test_files_beside_a_record_belong_to_it(tmp_path):
    path, arrays, weights = (
        tmp_path / f"one.{ending}" for ending in ("json", "npz", "safetensors")
    )
    save_arrays(arrays, {"x": torch.arange(3)})
    weights.write_bytes(b"weights")
    record = write(path, files=[arrays.name, weights.name])
    assert read_record(path) == record
    weights.unlink()  # as in a clone
    assert read_record(path) == record
    assert missing_files(path, record) == [weights]
    for file, content in ((weights, b"Weights"), (arrays, arrays.read_bytes()[:-1])):
        whole = file.read_bytes() if file.exists() else b"weights"
        file.write_bytes(content)
        with pytest.raises(RecordError, match=rf"{file.name} is damaged, or not what the record"):
            read_records(tmp_path)
        file.write_bytes(whole)
    arrays.unlink()
    with pytest.raises(RecordError, match=r"one\.npz is missing, which the record .* needs; move"):
        read_record(path)
    with pytest.raises(FileNotFoundError):
        write(path, files=["nothing.npz"])


def test_a_file_is_read_once_as_long_as_it_stays(tmp_path, monkeypatch):
    (tmp_path / "one.npz").write_bytes(b"arrays")
    write(tmp_path / "one.json", files=["one.npz"])
    monkeypatch.setattr("hashlib.file_digest", None)  # cannot be called
    read_record(tmp_path / "one.json")


def test_damaged_arrays_are_named(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(RecordError, match=r"there is no file .*a\.npz: repeat the command"):
        read_arrays(path)
    save_arrays(path, {"x": torch.arange(300.0), "y": torch.ones(2, dtype=torch.int64)})
    content = path.read_bytes()
    expected = read_arrays(path)
    noticed = 0
    for k in range(len(content)):
        altered = bytearray(content)
        altered[k] ^= 1 << k % 8
        path.write_bytes(altered)
        try:
            found = read_arrays(path)
        except RecordError as error:
            noticed += "is damaged" in str(error)
            continue
        for name in found.keys() & expected.keys():
            np.testing.assert_array_equal(found[name], expected[name])
    assert noticed > len(content) / 2  # the rest is dates and the like


def test_other_version_and_missing_file(tmp_path):
    path = tmp_path / "one.json"
    record = write(path)
    older = {k: v for k, v in record.items() if k not in ("files", "digest")} | {"schema": 1}
    path.write_text(json.dumps(older))
    with pytest.raises(OtherRecordError, match=r"one\.json is an older file \(schema 1; this vers"):
        read_record(path)
    newer = record | {"schema": 99}
    path.write_text(json.dumps(newer | {"digest": content_digest(newer)}))
    with pytest.raises(OtherRecordError, match=r"one\.json is a newer file \(schema 99; this vers"):
        read_record(path)
    with pytest.raises(RecordError, match=r"nowhere\.json does not exist"):
        read_record(tmp_path / "nowhere.json")
    with pytest.raises(OtherRecordError, match="cannot be read"):
        read_record(tmp_path)


def test_read_records_by_kind(tmp_path):
    write(tmp_path / "b.json")
    write(tmp_path / "a.json", kind="other")
    assert list(read_records(tmp_path)) == ["a", "b"]
    assert list(read_records(tmp_path, kind="test")) == ["b"]
    assert read_records(tmp_path / "nowhere") == {}
