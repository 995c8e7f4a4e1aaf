"""The house: imports point one way, and every loss is in `losses`."""

import ast
from pathlib import Path

import torch

import sotlib

FLOORS = (
    {"_core"},
    {"transport", "transforms", "scattering", "synths", "checks"},
    {"datasets", "pitch", "matching"},
    {"losses"},
    {"metrics"},
    {"companion"},
)
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def imported(path):
    """Rooms of the library that a file imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert getattr(node, "level", 0) == 0, f"{path} imports relatively"
        yield from (n.split(".")[1] for n in names if n.startswith("sotlib."))


def test_imports_point_one_way():
    root, wrong = Path(sotlib.__file__).parent, []
    for path in root.rglob("*.py"):
        room = path.relative_to(root).parts[0].removesuffix(".py")
        if room != "__init__":
            found = set(imported(path)) - {room}
            wrong += [(str(path), r) for r in found if FLOOR[r] >= FLOOR[room]]
    assert not wrong
    rooms = {p.stem for p in root.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(FLOOR)


def test_every_loss_is_in_losses():
    names = [n for n in sotlib.__all__ if n.endswith(("Loss", "_loss"))]
    modules = {n: getattr(sotlib, n).__module__.split(".")[1] for n in names}
    assert isinstance(sotlib.Wasserstein1DLoss(), torch.nn.Module)
    # A loss of an encoder's estimates is part of its training.
    assert {n for n, room in modules.items() if room != "losses"} == {"equivariance_loss"}
