"""Stages executed chapters for Jupyter Book, renders them, and checks what came out."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import nbformat
import yaml

from sotlib.companion.book._common import (
    PACKAGE,
    BookError,
    Layout,
    digest,
    python_path,
    read_text,
)
from sotlib.companion.book.alone import alone, repository
from sotlib.companion.book.chapters import Page
from sotlib.companion.book.pictures import prepared
from sotlib.companion.book.plain import read_names
from sotlib.companion.book.slim import slim
from sotlib.companion.files import write_atomically

# The tools that decide how the same stage looks.
_RENDERERS = ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme", "pydata-sphinx-theme")
_NOT_STAGED = {".md", ".pyc"}


def build_site(
    layout: Layout,
    pages: Sequence[Page],
    notebooks: Mapping[str, nbformat.NotebookNode],
    generated: Mapping[str, str],
) -> bool:
    """Stage, render and check the site; False where it stands already.

    Raises BookError where Jupyter Book warns or fails, or a page has no HTML afterwards.
    """
    files = staged_files(layout, pages, notebooks, generated)
    versions = {name: metadata.version(name) for name in _RENDERERS}
    parts = {name: digest(data) for name, data in files.items()}
    # Sphinx reads the library's docstrings.
    library = {str(path): digest(path.read_bytes()) for path in PACKAGE.rglob("*.py")}
    origin = digest(json.dumps([versions, library, parts], sort_keys=True))
    stamp_file = layout.out / "html.stamp"
    with contextlib.suppress(OSError, ValueError, RecursionError):
        stamp = {"origin": origin, "site": _contents(layout.html)}
        if json.loads(stamp_file.read_bytes()) == stamp and not missing_pages(layout.html, pages):
            return False
    stamp_file.unlink(missing_ok=True)
    _write_stage(layout, files)
    rendered = _render(layout)
    if missing := missing_pages(rendered, pages):
        raise BookError(f"no HTML was written for: {', '.join(missing)} (log: {_log(layout)})")
    slim(rendered)
    _write_downloads(layout, rendered, pages, notebooks)
    _swap(rendered, layout.html)
    write_atomically(stamp_file, json.dumps({"origin": origin, "site": _contents(layout.html)}))
    return True


def staged_files(
    layout: Layout,
    pages: Sequence[Page],
    notebooks: Mapping[str, nbformat.NotebookNode],
    generated: Mapping[str, str],
) -> dict[str, bytes]:
    """Everything that Jupyter Book reads, by path relative to the stage."""
    files = {
        "_config.yml": site_config(read_text(layout.config, "the settings")).encode(),
        "_toc.yml": layout.toc.read_bytes(),
    }
    for page in pages:
        if page.name in notebooks:
            text = nbformat.writes(prepared(notebooks[page.name]))
            files[f"{page.name}.ipynb"] = text.encode()
        else:
            files[f"{page.name}.md"] = generated.get(page.name, page.text).encode()
    names = {page.name for page in pages}
    files |= {path: text.encode() for path, text in generated.items() if path not in names}
    for path in sorted(layout.source.rglob("*")):
        parts = path.relative_to(layout.source).parts
        hidden = any(part.startswith((".", "__pycache__")) for part in parts)
        if path.is_file() and not hidden and path.suffix not in _NOT_STAGED:
            files["/".join(parts)] = path.read_bytes()
    return files


def site_config(text: str) -> str:
    """The settings, with buttons to the repository once its address is set.

    ``repository: url`` in ``_config.yml`` is the one place; without it there are no buttons.
    """
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BookError(f"_config.yml is not valid YAML: {error}") from None
    if (config.get("repository") or {}).get("url"):
        config.setdefault("html", {}).update(use_repository_button=True, use_issues_button=True)
        config["launch_buttons"] = {
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
        }
    else:
        config.pop("repository", None)
    return yaml.safe_dump(config, sort_keys=False)


def missing_pages(html: Path, pages: Sequence[Page]) -> list[str]:
    """Pages without HTML."""
    return [page.name for page in pages if not (html / f"{page.name}.html").is_file()]


def _contents(html: Path) -> dict[str, str]:
    """Digest of each file of the site."""
    files = sorted(path for path in html.rglob("*") if path.is_file())
    return {path.relative_to(html).as_posix(): digest(path.read_bytes()) for path in files}


def _write_downloads(
    layout: Layout,
    html: Path,
    pages: Sequence[Page],
    notebooks: Mapping[str, nbformat.NotebookNode],
) -> None:
    """Put notebooks that stand alone behind the pages' buttons; the pages have the outputs."""
    names, address = read_names(layout, pages), repository(layout)["url"]
    for page in pages:
        if page.name in notebooks:
            notebook = alone(notebooks[page.name], page, names, address=address)
            # In one line, which takes fewer bytes than nbformat's own way.
            text = json.dumps(notebook, ensure_ascii=False, separators=(",", ":"))
            write_atomically(html / "_sources" / f"{page.name}.ipynb", text)


def _write_stage(layout: Layout, files: Mapping[str, bytes]) -> None:
    """Write the stage anew, so that nothing of an earlier build is left in it."""
    shutil.rmtree(layout.stage, ignore_errors=True)
    for name, data in files.items():
        path = layout.stage / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _render(layout: Layout) -> Path:
    """Run Jupyter Book into a temporary folder; warnings are errors."""
    for leftover in layout.out.glob("render-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # A name of its own: the Jupyter Book of a killed build may still be writing.
    output = Path(tempfile.mkdtemp(prefix="render-", dir=layout.out))
    # `python -m jupyter_book…` does nothing and exits 0: the script is needed.
    script = Path(sysconfig.get_path("scripts")) / "jupyter-book"
    command = [script, "build", layout.stage, "--path-output", output]
    command += ["--all", "-W", "-n", "--keep-going"]
    environment = {"PYTHONWARNINGS": "ignore", "NO_COLOR": "1", "PYTHONPATH": python_path()}
    try:
        run = subprocess.run(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | environment,
            check=False,
        )
    except FileNotFoundError:
        raise BookError(f"{script} is missing: install the extra 'book'") from None
    write_atomically(_log(layout), run.stdout)
    if run.returncode:
        raise BookError(f"jupyter-book failed: {_faults(run.stdout)}\n  log: {_log(layout)}")
    return output / "_build" / "html"


def _faults(log: str) -> str:
    """The warnings and errors of a log, or its end where it names none."""
    lines = log.splitlines()
    faults = [line for line in lines if re.search("WARNING|ERROR|CRITICAL", line)]
    return "\n  ".join(faults[:20] or lines[-15:])


def _swap(rendered: Path, html: Path) -> None:
    """Put the new site in the place of the old one."""
    old = html.with_name("html.old")
    shutil.rmtree(old, ignore_errors=True)
    if html.exists():
        html.replace(old)
    rendered.replace(html)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(rendered.parents[1], ignore_errors=True)


def _log(layout: Layout) -> Path:
    return layout.out / "jupyter-book.log"
