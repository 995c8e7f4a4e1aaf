"""A chapter as a notebook alone: text written out, and a first cell that finds its files.

The site offers it for download; the branch for Colab, the zips and the assignments are made of it.
"""

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence

import nbformat
import yaml

from sotlib.companion.book._common import READS, Layout, digest, read_text
from sotlib.companion.book.chapters import Page
from sotlib.companion.book.exercises import Piece, parsed, pieces
from sotlib.companion.book.glue import glued_texts
from sotlib.companion.book.plain import Names, plain, references

_FOLDED = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
_FIND = """\
# What this chapter needs, in {folder}.zip or in the repository: this cell looks for it in this
# folder and those above, in {folder}/ here, and where sotlib is installed from its sources.
import importlib.util
import os
import sys
from pathlib import Path

FILES = {files}
PACKAGES = {packages}


def find_files():
    here, library = Path.cwd(), importlib.util.find_spec("sotlib")
    places = [here, *here.parents, here / "{folder}"]
    if library and library.origin:
        places.append(Path(library.origin).parents[1])
    lacking = {{place: [f for f in FILES if not (place / f).exists()] for place in places}}
    best = min(places, key=lambda place: len(lacking[place]))
    if lacking[best]:
        raise FileNotFoundError(
            f"not found from {{here}}: {{', '.join(lacking[best])}}. Put {folder}.zip here "
            "and unzip it. It comes from {source}"
        )
    return best


root = find_files()
if absent := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
    raise ModuleNotFoundError(
        f"not installed: {{', '.join(absent)}}. Install the requirements.txt of {folder}.zip: "
        "pip install -r requirements.txt"
    )
sys.path.insert(0, str(root))
os.chdir(root / "book")"""


def archive(page: str) -> str:
    """Name of a chapter's zip, and of the folder in it, without ``.zip``."""
    return page.replace("/", "-")


def repository(layout: Layout) -> dict[str, str]:
    """Address (or none), branch and folder of the published notebooks, from ``_config.yml``."""
    config = yaml.safe_load(read_text(layout.config, "the settings")) or {}
    found = config.get("repository") or {}
    return {
        "url": (found.get("url") or "").removesuffix("/"),
        "branch": found.get("branch", "notebooks"),
        "folder": found.get("path_to_book", "book"),
    }


def alone(
    executed: nbformat.NotebookNode,
    page: Page,
    names: Names,
    *,
    address: str = "",
    outputs: bool = False,
) -> nbformat.NotebookNode:
    """Make the notebook of an executed chapter; `address` is the repository's, where it has one."""
    parts = written(
        pieces(executed, page.name), page.name, names, glued_texts(executed), outputs=outputs
    )
    return notebook_of([first_cell(executed, page, address=address), *(p.cell for p in parts)])


def written(
    parts: Sequence[Piece],
    page: str,
    names: Names,
    glued: Mapping[str, str] | None,
    *,
    outputs: bool = False,
) -> list[Piece]:
    """Copies of a chapter's pieces as Jupyter alone shows them, with captions and references."""
    found, texts = [], []
    for part in parts:
        cell = nbformat.from_dict(part.cell)
        if part.is_code:
            caption = cell.metadata.pop("mystnb", {}).get("figure", {})
            if not outputs:
                cell.outputs, cell.execution_count = [], None
            if _FOLDED & set(cell.metadata.get("tags", ())):
                cell.metadata["jupyter"] = {"source_hidden": True}
            found.append(Piece(cell, part.exercise, part.solution))
            if not caption:
                continue
            text = f"**{names.numbers.get(caption.get('name'), 'Figure')}.** {caption['caption']}"
            cell = nbformat.v4.new_markdown_cell(text)
        texts.append(cell.source)
        cell.source = plain(cell.source, page, names, glued)
        found.append(Piece(cell, part.exercise, part.solution))
    if text := references(texts, names):
        found.append(Piece(nbformat.v4.new_markdown_cell(text)))
    return found


def first_cell(
    executed: nbformat.NotebookNode, page: Page, *, address: str = ""
) -> nbformat.NotebookNode:
    """The cell that says what a chapter needs, finds it, or says where to get it."""
    made = "`make zips`, in a clone of the repository"
    code = [cell.source for cell in executed.cells if cell.cell_type == "code"]
    source = _FIND.format(
        folder=archive(page.name),
        files=_lines(["sotlib/companion", "book", *_folders(executed.metadata.get(READS, ()))]),
        packages=_lines(sorted({"torch"} | imported(code))),
        source=f"{address}/releases, or from {made}" if address else made,
    )
    return nbformat.v4.new_code_cell(source)


def notebook_of(cells: Sequence[nbformat.NotebookNode]) -> nbformat.NotebookNode:
    """A notebook of these cells, with the same bytes every time."""
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}-{digest(cell.source)[:8]}"
        notebook.cells.append(cell)
    return notebook


def imported(sources: Iterable[str]) -> set[str]:
    """Packages, by the names under which code imports them, without Python's own and ours.

    Examples
    --------
    >>> sorted(imported(["import os, numpy as np", "from scipy.signal import stft"]))
    ['numpy', 'scipy']
    """
    found: set[str] = set()
    for node in (node for source in sources for node in ast.walk(parsed(source))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found - sys.stdlib_module_names - {"sotlib"}


def _folders(reads: Sequence[str]) -> list[str]:
    """Folders of the records that were read, and the other files themselves."""
    return sorted({n.rpartition("/")[0] if n.startswith("results/") else n for n in reads})


def _lines(names: Sequence[str]) -> str:
    """A list in Python, a name a line."""
    return "\n".join(["[", *(f'    "{name}",' for name in names), "]"])
