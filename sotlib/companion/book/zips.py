"""A zip for each chapter: notebook, records, data and library, for who has neither git nor make."""

import io
import re
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import nbformat

from sotlib.companion.book._common import PACKAGE, READS, BookError, Layout, read_text
from sotlib.companion.book.alone import alone, archive, imported, repository
from sotlib.companion.book.chapters import Page
from sotlib.companion.book.plain import Names
from sotlib.companion.files import write_atomically

_README = """\
# {title}

A chapter of *Transport and perception* as a notebook, with all that it reads and the library.
Python 3.11 to 3.13 is all it needs. In this folder:

    python -m venv environment
    environment/bin/pip install -r requirements.txt    (Windows: environment\\Scripts\\pip)
    environment/bin/jupyter execute book/{notebook}

runs it; `environment/bin/pip install jupyterlab` lets you open, read and change it. A machine
without a GPU needs less of torch with `--extra-index-url https://download.pytorch.org/whl/cpu`.
Code: MIT licence. Text, figures and sounds: CC BY 4.0.
"""
# Of what builds the book, what chapters import: the manifest.
_IMPORTED = ("__init__.py", "_common.py", "glue.py", "manifest.py")
# Beside what is imported: a kernel, and what executes a notebook from the command line.
_ALWAYS = ("ipykernel", "nbclient")


def write_zip(layout: Layout, page: Page, names: Names, executed: nbformat.NotebookNode) -> Path:
    """Write a chapter's zip into ``zips`` of the build's folder; return its path.

    The same chapter gives the same bytes.
    """
    folder, notebook = archive(page.name), f"{page.name.rpartition('/')[2]}.ipynb"
    made = alone(executed, page, names, address=repository(layout)["url"])
    library = [path for path in PACKAGE.rglob("*") if _is_needed(path)]
    code = [cell.source for cell in executed.cells if cell.cell_type == "code"]
    code += [path.read_text(encoding="utf-8") for path in library if path.suffix == ".py"]
    title = names.titles.get(page.name, page.name)
    files: dict[str, str | bytes] = {
        "README.md": _README.format(title=title, notebook=notebook),
        "requirements.txt": _requirements(layout, imported(code)),
        "constraints.txt": _constraints(layout),
        f"book/{notebook}": nbformat.writes(made),
    }
    files |= {f"sotlib/{p.relative_to(PACKAGE).as_posix()}": p.read_bytes() for p in library}
    for name in (*executed.metadata.get(READS, ()), "LICENSE"):
        if (layout.root / name).is_file():
            files[name] = (layout.root / name).read_bytes()
    path = layout.out / "zips" / f"{folder}.zip"
    write_atomically(path, _zipped({f"{folder}/{name}": files[name] for name in sorted(files)}))
    return path


def _is_needed(path: Path) -> bool:
    """Whether a chapter imports this file of the library, or type checkers look for it."""
    builds = path.parent == PACKAGE / "companion" / "book" and path.name not in _IMPORTED
    return path.suffix in (".py", ".typed") and not builds


def _requirements(layout: Layout, packages: set[str]) -> str:
    """Of the project's requirements, those that are imported, as they are installed here."""
    project = tomllib.loads(read_text(layout.root / "pyproject.toml", "the project"))["project"]
    extras = project["optional-dependencies"]
    listed = [project["dependencies"], extras["book"], extras["experiments"]]
    names = {re.split(r"[<>=~! \[]", text)[0] for texts in listed for text in texts}
    known = {re.sub("[-_.]+", "-", name).lower(): name for name in (*names, *_ALWAYS)}
    wanted = set(_ALWAYS)
    for package, distributions in metadata.packages_distributions().items():
        if package in packages:
            wanted |= {re.sub("[-_.]+", "-", name).lower() for name in distributions} & set(known)
    try:
        pins = [f"{known.get(n, n)}=={_version(n)}" for n in sorted(wanted)]
    except metadata.PackageNotFoundError as error:
        raise BookError(f"{error.name} is not installed: run make setup") from None
    return "\n".join(["-c constraints.txt", *pins, ""])


def _version(name: str) -> str:
    """Version of a package without the mark of its build, as in ``2.13.0+cpu``."""
    return metadata.version(name).partition("+")[0]


def _constraints(layout: Layout) -> str:
    """The locked versions of everything, without their hashes."""
    lock = read_text(layout.root / "requirements.lock", "the lock")
    lines = re.findall(r"^([\w.-]+==[^\\\n]+?)[ \t]*\\?$", lock, re.M)
    return "\n".join([*lines, ""])


def _zipped(files: dict[str, str | bytes]) -> bytes:
    """The same bytes for the same files: no dates, in order."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            file.writestr(entry, content)
    return data.getvalue()
