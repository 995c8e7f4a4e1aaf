"""The Python code of the README and of the pages for users runs, in order, as one session each."""

import ast
import importlib.util
import inspect
import re
import sys
import textwrap
import types

import pytest
import torch

import sotlib

PAGES = ("README.md", "book/appendix/quickstart.md", "book/appendix/coming-from.md")


class Trainer:
    """What the quickstart needs of Lightning's, which the tests do without."""

    def __init__(self, *, max_epochs, logger, enable_checkpointing):
        self.max_epochs = max_epochs

    def fit(self, model, data):
        optimizer = model.configure_optimizers()
        for _ in range(self.max_epochs):
            for index, batch in enumerate(data):
                optimizer.zero_grad()
                model.training_step(batch, index).backward()
                optimizer.step()


@pytest.fixture
def lightning(monkeypatch):
    if importlib.util.find_spec("pytorch_lightning") is None:
        module = types.ModuleType("pytorch_lightning")
        module.LightningModule, module.Trainer = torch.nn.Module, Trainer
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.usefixtures("lightning")
def test_python_blocks_run(root, name, tmp_path, monkeypatch):
    page = root / name
    text = page.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^( *)```python\n(.*?)^\1```", text, re.M | re.S))
    assert blocks, f"{name} has no ```python block"
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    session = {"__name__": "page"}
    for block in blocks:
        # Empty lines before the code make an error name the page's own line.
        line = text[: block.start(2)].count("\n")
        code = "\n" * line + textwrap.dedent(block.group(2))
        exec(compile(code, str(page), "exec"), session)


def calls_of_ours(root):
    """Second cells of the tables of what replaces a call of another package."""
    text = (root / PAGES[-1]).read_text(encoding="utf-8")
    return [
        re.fullmatch("`(.*)`", row.split(" | ")[1])[1] for row in re.findall(r"^\| `.*", text, re.M)
    ]


def test_calls_of_ours_have_the_signatures_of_the_library(root):
    """Where a cell is a call, its arguments are some that are taken; else it is an attribute."""
    calls = calls_of_ours(root)
    assert len(calls) > 15
    for text in calls:
        node = ast.parse(text, mode="eval").body
        if not isinstance(node, ast.Call):
            assert text == "TimeFrequencyScattering.paths"
            continue
        thing = sotlib
        for part in ast.unparse(node.func).split("."):
            thing = getattr(thing, part)
        named = dict.fromkeys(keyword.arg for keyword in node.keywords)
        inspect.signature(thing).bind(*node.args, **named)
