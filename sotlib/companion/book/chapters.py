"""The pages of the book: which there are, which are notebooks, and their parameters."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import yaml

from sotlib.companion.book._common import (
    SCALES,
    BookError,
    Layout,
    digest,
    read_text,
    refuse_links,
)

_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")


@dataclass(frozen=True)
class Page:
    """One page of ``_toc.yml``: its name (``sot/why``) and its source, None when generated."""

    name: str
    path: Path | None
    text: str

    @property
    def is_notebook(self) -> bool:
        """Whether the page's header declares a kernel."""
        if not self.text.startswith("---\n"):
            return False
        header = self.text[4:].split("\n---", 1)[0]
        try:
            return "kernelspec" in (yaml.safe_load(header) or {})
        except yaml.YAMLError as error:
            raise BookError(f"page {self.name}: its header is not valid YAML: {error}") from None


def read_pages(layout: Layout, generated: tuple[str, ...] = ()) -> list[Page]:
    """Read every page of ``_toc.yml``, in order."""
    try:
        toc = yaml.safe_load(read_text(layout.toc, "the table of contents"))
    except yaml.YAMLError as error:
        raise BookError(f"{layout.toc} is not valid YAML: {error}") from None
    refuse_links(layout.source, layout.source)
    pages = []
    for name in _page_names(toc):
        if not _NAME.fullmatch(name):
            raise BookError(f"_toc.yml lists {name!r}, which is no page's path inside book/")
        path = layout.source / f"{name}.md"
        if path.exists():
            pages.append(Page(name, path, read_text(path, f"page {name}")))
        elif name in generated:
            pages.append(Page(name, None, ""))
        else:
            raise BookError(f"_toc.yml lists the page {name}, but there is no {path}")
    if not pages:
        raise BookError(f"{layout.toc} lists no pages")
    return pages


def _page_names(node: object) -> Iterator[str]:
    """Names in reading order, wherever they stand in the table of contents."""
    if isinstance(node, dict):
        yield from (str(node[key]).removesuffix(".md") for key in ("root", "file") if key in node)
        for value in node.values():
            yield from _page_names(value)
    elif isinstance(node, list):
        for item in node:
            yield from _page_names(item)


def read_notebook(page: Page) -> nbformat.NotebookNode:
    """Turn a chapter's text into a notebook with the same bytes every time."""
    try:
        notebook = jupytext.reads(page.text, fmt="md:myst")
    except Exception as error:
        raise BookError(f"chapter {page.name}: jupytext cannot read it: {error}") from error
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index}-{digest(cell.source)[:8]}"
    notebook.metadata = {
        "kernelspec": {
            "name": "python3",
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
        }
    }
    return notebook


def parameters_of(notebook: nbformat.NotebookNode, name: str) -> dict[str, ast.expr]:
    """Names assigned in the chapter's one ``parameters`` cell, with their default values."""
    cells = _parameter_cells(notebook)
    if not cells:
        raise BookError(f"chapter {name}: no cell is tagged 'parameters'; it must set `scale`")
    if len(cells) > 1:
        raise BookError(f"chapter {name}: {len(cells)} cells are tagged 'parameters', one may be")
    try:
        body = ast.parse(cells[0].source).body
    except SyntaxError as error:
        raise BookError(f"chapter {name}: its parameters cell does not parse: {error}") from None
    found = {
        statement.targets[0].id: statement.value
        for statement in body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    if "scale" not in found:
        raise BookError(f"chapter {name}: its parameters cell does not set `scale`")
    return found


def set_parameters(
    notebook: nbformat.NotebookNode, name: str, values: Mapping[str, object]
) -> None:
    """Write values into the parameters cell, in place.

    The page and the downloaded notebook then show the values that were used; papermill's own
    injected cell would show them beside the defaults.
    """
    known = parameters_of(notebook, name)
    for parameter in values:
        if parameter not in known:
            raise BookError(
                f"chapter {name}: unknown parameter {parameter!r}; "
                f"its parameters cell sets {', '.join(known)}"
            )
    if values.get("scale", SCALES[0]) not in SCALES:
        raise BookError(f"scale is {values['scale']!r}; choose one of {', '.join(SCALES)}")
    (cell,) = _parameter_cells(notebook)
    source = cell.source.encode()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    # From the last to the first, so that earlier positions stay valid.
    for parameter, node in reversed(known.items()):
        if parameter not in values:
            continue
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[operator]
        source = source[:begin] + _literal(values[parameter]).encode() + source[end:]
    cell["source"] = source.decode()


def _literal(value: object) -> str:
    """Python source of a value, with the quotes that the book's code uses."""
    text = repr(value)
    return f'"{value}"' if isinstance(value, str) and not set('"\\\n') & set(value) else text


def _parameter_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", [])
    ]
