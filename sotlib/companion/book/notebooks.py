"""Executed notebooks with the library, for the branch that Colab and Binder open."""

import os
import shutil
import subprocess
from pathlib import Path

import nbformat

from sotlib.companion.book._common import BookError, Layout, digest, read_text, refuse_links
from sotlib.companion.book.alone import alone, repository
from sotlib.companion.book.chapters import read_pages
from sotlib.companion.book.generated import PAGES
from sotlib.companion.book.plain import read_names
from sotlib.companion.files import write_atomically

# What an installation and the chapters need beside the notebooks.
_FILES = ("pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "environment.yml")
_FOLDERS = ("sotlib", "results")
_INSTALL = """\
# Only on Colab: fetch the book with its library, and install it.
import sys

if "google.colab" in sys.modules:
    !git clone --quiet --depth 1 --branch {branch} {url} /content/book-and-library
    %pip install --quiet -e "/content/book-and-library[book]"
    sys.path.insert(0, "/content/book-and-library")
    %cd /content/book-and-library/{folder}"""


def export(layout: Layout, *, scale: str = "laptop") -> Path:
    """Write what the branch holds into ``notebooks`` of the build's folder; return it."""
    target, place = layout.out / "notebooks", repository(layout)
    if not place["url"]:
        raise BookError("repository: url is not set in _config.yml, so there is nowhere to publish")
    if not (target / place["folder"]).resolve().is_relative_to(target.resolve()):
        raise BookError(f"repository: path_to_book leads out of it: {place['folder']}")
    for name in (*_FILES, *_FOLDERS):
        refuse_links(layout.root / name, layout.root)
    shutil.rmtree(target, ignore_errors=True)
    pages = read_pages(layout, tuple(PAGES))
    names = read_names(layout, pages)
    for page in pages:
        if page.is_notebook:
            path = layout.executed(scale) / f"{page.name}.ipynb"
            text = read_text(path, f"the executed chapter {page.name} (run make book)")
            executed = nbformat.reads(text, as_version=4)
            notebook = alone(executed, page, names, address=place["url"], outputs=True)
            install = nbformat.v4.new_code_cell(_INSTALL.format(**place))
            install["id"] = f"install-{digest(install.source)[:8]}"
            notebook.cells.insert(0, install)
            copy = target / place["folder"] / f"{page.name}.ipynb"
            write_atomically(copy, nbformat.writes(notebook))
    for name in _FILES:
        if (layout.root / name).is_file():
            write_atomically(target / name, (layout.root / name).read_bytes())
    ignored = shutil.ignore_patterns("__pycache__", ".*", "*.md", "*.pyc")
    for name in (*_FOLDERS, "book"):
        if (layout.root / name).is_dir():
            place_of = place["folder"] if name == "book" else name
            source = layout.root / name
            shutil.copytree(source, target / place_of, ignore=ignored, dirs_exist_ok=True)
    return target


def publish(layout: Layout, remote: str = "origin") -> str:
    """Push the exported tree as the one commit of its branch; return the commit."""
    tree, branch = layout.out / "notebooks", repository(layout)["branch"]
    index = layout.out / "notebooks.index"
    index.unlink(missing_ok=True)
    who = {"NAME": "sotlib's build", "EMAIL": "noreply@example.com"}
    people = {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in who.items()}
    folder = _git(layout.root, {}, "rev-parse", "--absolute-git-dir")
    environment = people | {
        "GIT_DIR": folder,
        "GIT_WORK_TREE": str(tree),
        "GIT_INDEX_FILE": str(index),
    }
    _git(tree, environment, "add", "--all", "--force", ".")
    written = _git(tree, environment, "write-tree")
    message = "The executed notebooks, with the library"
    commit = _git(tree, environment, "commit-tree", written, "-m", message)
    _git(tree, environment, "push", "--force", remote, f"{commit}:refs/heads/{branch}")
    return commit


def _git(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    run = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise BookError(f"git {arguments[0]} failed: {run.stderr.strip()}")
    return run.stdout.strip()
