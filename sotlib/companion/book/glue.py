"""What an executed notebook glued with ``myst_nb.glue``: names, and what they stand for."""

import ast
import contextlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import nbformat

_PREFIX = "application/papermill.record/"


def outputs(notebook: nbformat.NotebookNode) -> Iterable[nbformat.NotebookNode]:
    """Outputs of all cells, in order."""
    for cell in notebook.cells:
        yield from cell.get("outputs", ())


def glued_texts(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """What is glued as text or as a number, as it is to be read, by name."""
    found = {}
    for name, text in _glued(notebook):
        with contextlib.suppress(ValueError, SyntaxError):
            text = ast.literal_eval(text) if text[:1] in ("'", '"') else text
        found[name] = text
    return found


def glued_numbers(notebook: nbformat.NotebookNode) -> dict[str, float]:
    """Numbers that are glued, by name; text is left out."""
    found = {}
    for name, text in _glued(notebook):
        with contextlib.suppress(ValueError):
            found[name] = float(text)
    return found


def glued_twice(notebook: nbformat.NotebookNode) -> list[str]:
    """Names that stand for more than one thing, which the site would refuse."""
    return [
        name for name, count in Counter(name for name, _ in _glued(notebook)).items() if count > 1
    ]


def _glued(notebook: nbformat.NotebookNode) -> Iterable[tuple[str, str]]:
    for output in outputs(notebook):
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        data = output.get("data", {})
        text = data.get("text/plain", data.get(f"{_PREFIX}text/plain"))
        if name is not None and text is not None:
            yield name, plain_number(text)


def plain_number(text: object) -> Any:
    """A glued number as ``{glue:text}`` can format it; anything else as it is.

    Examples
    --------
    >>> plain_number("np.float64(0.5)"), plain_number("tensor(2., dtype=torch.float64)")
    ('0.5', '2.')
    """
    pattern = r"(?:np\.\w+|tensor)\(([^()]*?)(?:, dtype=.*)?\)"
    match = re.fullmatch(pattern, text.strip()) if isinstance(text, str) else None
    return match[1] if match else text
