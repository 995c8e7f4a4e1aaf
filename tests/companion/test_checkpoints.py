"""Checkpoints: round trips, every kind of damage, and files that survive a failed write."""

import json
import math
import os

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sotlib.companion import checkpoints
from sotlib.companion.checkpoints import CheckpointError, load_checkpoint, save_checkpoint

DTYPES = [
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.bool,
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


@pytest.fixture
def saved(path):
    """A small checkpoint of all kinds of contents, and its bytes."""
    tensors = {"weights.a": torch.arange(6.0).view(2, 3), "adam.0.step": torch.tensor(31)}
    save_checkpoint(path, tensors, {"step": 31, "curve": [0.5, 0.25]})
    return path.read_bytes()


class TestRoundTrip:
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize("shape", [(), (1,), (0, 3), (2, 3, 4)], ids=str)
    def test_tensors(self, path, dtype, shape, generator):
        tensor = torch.randint(0, 2, shape, generator=generator).to(dtype)
        save_checkpoint(path, {"a": tensor}, {})
        loaded = load_checkpoint(path)[0]["a"]
        assert loaded.dtype == dtype
        assert loaded.shape == shape
        assert torch.equal(loaded, tensor)

    def test_numbers(self, path):
        numbers = {
            "step": 3,
            "value": 0.1 + 0.2,
            "name": 'SOT-2048, "é" \n',
            "curve": [{"step": 0, "loss": None}, {"step": 1, "loss": 1e-300}],
            "big": 2**70,
            "infinite": -math.inf,
            "flag": True,
        }
        save_checkpoint(path, {}, numbers)
        assert load_checkpoint(path) == ({}, numbers)

    def test_values_that_are_not_numbers(self, path):
        tensor = torch.tensor([math.nan, math.inf, -0.0])
        save_checkpoint(path, {"a": tensor}, {"x": math.nan})
        tensors, numbers = load_checkpoint(path)
        assert torch.equal(tensors["a"].view(torch.int32), tensor.view(torch.int32))
        assert math.isnan(numbers["x"])

    def test_parameters_views_and_tensors_that_share_memory(self, path):
        base = torch.arange(12.0).view(3, 4)
        tensors = {
            "parameter": torch.nn.Parameter(base.clone()),
            "transposed": base.T,
            "column": base[:, 1],
            "expanded": base[:1].expand(3, 4),
            "whole": base,
            "again": base,
        }
        save_checkpoint(path, tensors, {})
        loaded, _ = load_checkpoint(path)
        assert loaded.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert torch.equal(loaded[name], tensor), name
            assert not loaded[name].requires_grad

    def test_what_was_loaded_outlives_the_file_and_can_be_changed(self, path, saved):
        tensors, _ = load_checkpoint(path)
        save_checkpoint(path, {"weights.a": torch.full((2, 3), 9.0)}, {})
        path.unlink()
        tensors["weights.a"] += 1
        assert torch.equal(tensors["weights.a"], torch.arange(6.0).view(2, 3) + 1)

    def test_a_generator_goes_on_from_its_state(self, path):
        generator = torch.Generator().manual_seed(5)
        torch.rand(7, generator=generator)
        save_checkpoint(path, {"generator": generator.get_state()}, {})
        expected = torch.rand(4, generator=generator)
        generator.set_state(load_checkpoint(path)[0]["generator"])
        assert torch.equal(torch.rand(4, generator=generator), expected)

    def test_folders_are_made_and_names_may_be_strings(self, tmp_path):
        name = os.path.join(tmp_path, "a", "b", "run.safetensors")
        save_checkpoint(name, {"w": torch.ones(1)}, {"step": 1})
        assert load_checkpoint(name)[1] == {"step": 1}

    def test_equal_contents_are_equal_bytes(self, path, saved):
        tensors, numbers = load_checkpoint(path)
        first = path.read_bytes()
        for _ in range(20):  # an order that is drawn anew each time
            save_checkpoint(path, dict(reversed(tensors.items())), numbers)
            assert path.read_bytes() == first

    def test_an_earlier_file_with_two_entries(self, path, saved):
        with safe_open(path, "pt") as file:
            digest, _, numbers = file.metadata()["checkpoint"].partition(" ")
        expected = load_checkpoint(path)
        save_file(expected[0], path, {"numbers": numbers, "digest": digest})
        assert load_checkpoint(path)[1] == expected[1]

    def test_the_file_is_plain_safetensors(self, path, saved):
        with safe_open(path, framework="np") as file:
            assert sorted(file.keys()) == ["adam.0.step", "weights.a"]
            _, _, numbers = file.metadata()["checkpoint"].partition(" ")
            assert json.loads(numbers)["step"] == 31


class TestDamage:
    def test_any_single_byte(self, path, saved):
        """Each byte in turn, one bit of it: noticed, or else nothing has changed."""
        expected = load_checkpoint(path)
        unnoticed = []
        for k in range(len(saved)):
            altered = bytearray(saved)
            altered[k] ^= 1 << k % 7  # the text of the header stays text
            path.write_bytes(altered)
            try:
                tensors, numbers = load_checkpoint(path)
            except CheckpointError:
                continue
            unnoticed.append(k)
            assert numbers == expected[1], k
            assert tensors.keys() == expected[0].keys(), k
            assert all(torch.equal(tensors[n], expected[0][n]) for n in tensors), k
        assert len(unnoticed) < 10  # the padding of the header

    def test_a_changed_number_or_shape(self, path, saved):
        for old, new in ((b": 31", b": 13"), (b"0.25", b"0.75"), (b"[2,3]", b"[3,2]")):
            assert saved.count(old) == 1
            path.write_bytes(saved.replace(old, new))
            with pytest.raises(CheckpointError, match="its contents have changed"):
                load_checkpoint(path)

    def test_another_type_of_the_same_size(self, path, saved):
        path.write_bytes(saved.replace(b'"F32"', b'"I32"'))
        with pytest.raises(CheckpointError, match="its contents have changed"):
            load_checkpoint(path)

    def test_cut_off_anywhere(self, path, saved):
        for length in (0, 1, 7, 8, 20, len(saved) // 2, len(saved) - 1):
            path.write_bytes(saved[:length])
            with pytest.raises(CheckpointError, match=r"run\.safetensors is damaged"):
                load_checkpoint(path)

    def test_bytes_at_the_end(self, path, saved):
        path.write_bytes(saved + b"\0")
        with pytest.raises(CheckpointError, match=r"run\.safetensors is damaged"):
            load_checkpoint(path)

    @pytest.mark.parametrize("content", [b"\0" * 400, b"{}", b"not a checkpoint " * 30])
    def test_something_else(self, path, content):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="is damaged"):
            load_checkpoint(path)

    @pytest.mark.parametrize(
        "metadata", [None, {"numbers": "{}"}, {"digest": "0"}, {"checkpoint": "0"}]
    )
    def test_safetensors_of_someone_else(self, path, metadata):
        save_file({"w": torch.ones(2)}, path, metadata)
        with pytest.raises(CheckpointError, match="or was not written by save_checkpoint"):
            load_checkpoint(path)

    def test_a_digest_of_the_tensors_alone_does_not_do(self, path):
        """As the first checkpoints had it: their numbers could be altered."""
        tensors = {"b": torch.arange(3.0), "a": torch.tensor(7)}
        digest = "9d87fdff5bd0b256f4ee9d0780a3be6c8ade5cc76fbc224f8603f02eaf8f960d"
        save_file(tensors, path, {"numbers": '{"step": 3}', "digest": digest})
        with pytest.raises(CheckpointError, match="its contents have changed"):
            load_checkpoint(path)

    def test_is_a_value_error(self):
        assert issubclass(CheckpointError, ValueError)
        assert not issubclass(SafetensorError, ValueError)


class TestWriting:
    def test_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*none"):
            load_checkpoint(tmp_path / "none.safetensors")
        with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
            load_checkpoint(tmp_path)

    def test_a_file_that_cannot_be_read_is_not_called_damaged(self, path, saved, monkeypatch):
        def refuse(*args, **options):
            raise PermissionError("no access")

        monkeypatch.setattr(checkpoints, "safe_open", refuse)
        with pytest.raises(PermissionError, match="no access"):
            load_checkpoint(path)

    def test_a_failed_write_keeps_the_old_file(self, path, saved, monkeypatch):
        def full(tensors, target, metadata):
            target.write_bytes(b"half of it")
            raise OSError("no space left on device")

        monkeypatch.setattr(checkpoints, "save_file", full)
        with pytest.raises(OSError, match="no space left"):
            save_checkpoint(path, {"weights.a": torch.zeros(1000)}, {"step": 32})
        assert path.read_bytes() == saved
        assert os.listdir(path.parent) == [path.name]

    def test_a_full_disk_is_an_error_of_the_system(self, path, saved, monkeypatch):
        def full(*_):
            raise SafetensorError("Error while serializing: I/O error: No space left on device")

        monkeypatch.setattr(checkpoints, "save_file", full)
        with pytest.raises(OSError, match=r"cannot write .*run\.safetensors: .*No space left on"):
            save_checkpoint(path, {}, {"step": 32})
        assert path.read_bytes() == saved

    def test_nor_does_a_failed_exchange(self, path, saved, monkeypatch):
        def fail(self, target):
            raise OSError("input/output error")

        monkeypatch.setattr(type(path), "replace", fail)
        with pytest.raises(OSError, match="input/output error"):
            save_checkpoint(path, {}, {"step": 32})
        assert path.read_bytes() == saved
        assert os.listdir(path.parent) == [path.name]

    @pytest.mark.parametrize(
        ("tensors", "numbers", "message"),
        [
            ({"w": 3.0}, {}, r"tensors\['w'\] must be a torch.Tensor; got float. Put numbers"),
            ({"w": [torch.ones(1)]}, {}, r"tensors\['w'\] must be a torch.Tensor; got list"),
            ({}, {"loss": torch.ones(1)}, "Tensor is not JSON serializable"),
        ],
    )
    def test_what_cannot_be_written(self, path, saved, tensors, numbers, message):
        with pytest.raises(TypeError, match=message):
            save_checkpoint(path, tensors, numbers)
        assert path.read_bytes() == saved
        assert os.listdir(path.parent) == [path.name]

    def test_an_old_file_is_replaced(self, path, saved):
        save_checkpoint(path, {"other": torch.ones(1)}, {"step": 32})
        tensors, numbers = load_checkpoint(path)
        assert list(tensors) == ["other"]
        assert numbers == {"step": 32}
        assert os.listdir(path.parent) == [path.name]
