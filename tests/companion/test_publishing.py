"""Workflows call make and nothing else; notebooks are exported with the library and pushed."""

import os
import re
import subprocess
import sys

import nbformat
import pytest
import yaml
from test_generated import CHAPTER

from sotlib.companion.book import BookError, cache, chapters, notebooks, site
from sotlib.companion.book.__main__ import main
from sotlib.companion.book._common import Layout
from sotlib.companion.files import write_atomically

WORKFLOWS = ["tests", "pages", "weekly"]
ALLOWED = {
    "contents": {"read", "write"},
    "pages": {"write"},
    "id-token": {"write"},
    "issues": {"write"},
}


def read(root, name):
    text = (root / ".github/workflows" / f"{name}.yml").read_text()
    # YAML 1.1 reads the key "on" as true.
    return text, {("on" if key is True else key): v for key, v in yaml.safe_load(text).items()}


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_all_workflows_are_tested(root):
    assert {p.stem for p in (root / ".github/workflows").glob("*.yml")} == set(WORKFLOWS)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_command_is_a_make_target(root, name):
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.M))
    commands = [step["run"] for step in steps(read(root, name)[1]) if "run" in step]
    assert commands
    for command in commands:
        match = re.fullmatch(r"make ([a-z-]+)((?: [A-Z]+=[\w.-]+)*)", command.strip())
        assert match, command
        assert match[1] in targets


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_with_their_version_in_a_comment(root, name):
    uses = re.findall(r"uses: (.*)", read(root, name)[0])
    for line in uses:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("name", WORKFLOWS)
def test_permissions_are_the_least(root, name):
    workflow = read(root, name)[1]
    assert "permissions" in workflow
    assert set(workflow["permissions"]) <= {"contents"}
    assert workflow["permissions"].get("contents", "read") == "read"
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        for scope, level in job.get("permissions", {}).items():
            assert level in ALLOWED[scope]
    writers = [
        job
        for job in workflow["jobs"].values()
        if job.get("permissions", {}).get("contents") == "write"
    ]
    # What runs on pull requests must not write, nor keep the token.
    assert not (writers and "pull_request" in workflow["on"])
    for step in steps(workflow):
        if "checkout" in step.get("uses", "") and not writers:
            assert step["with"]["persist-credentials"] is False


def test_weekly_build_ignores_the_lock(root):
    workflow = read(root, "weekly")[1]
    assert "make test NEWEST=1" in [step.get("run") for step in steps(workflow)]
    assert workflow["jobs"]["report"]["if"] == "failure()"
    makefile = (root / "Makefile").read_text()
    branches = re.search(r"ifeq \(\$\(NEWEST\),\)\n(.*?)else\n(.*?)endif", makefile, re.S)
    locked, newest = branches.groups()
    assert "requirements.lock" in locked
    assert "requirements.lock" not in newest


# The weekly build's report --------------------------------------------------------------------

GH = """#!{python}
import json, pathlib, sys
log = pathlib.Path({log!r})
with log.open("a") as file:
    print(*sys.argv[1:3], file=file)
if sys.argv[2] == "list":
    print(json.dumps({issues!r}))
"""


@pytest.mark.parametrize(
    ("issues", "expected"),
    [
        ([], "issue create"),
        ([{"number": 7, "title": "Another"}], "issue create"),
        (
            [{"number": 7, "title": "The weekly build on the newest dependencies fails"}],
            "issue comment",
        ),
    ],
)
def test_failure_is_reported_once(root, tmp_path, issues, expected):
    log = tmp_path / "log"
    gh = tmp_path / "gh"
    gh.write_text(GH.format(python=sys.executable, log=str(log), issues=issues))
    gh.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "GITHUB_SERVER_URL": "https://example.org",
        "GITHUB_REPOSITORY": "a/b",
        "GITHUB_RUN_ID": "1",
    }
    script = [sys.executable, str(root / "tools/report_failure.py")]
    subprocess.run(script, env=environment, check=True)
    assert log.read_text().splitlines() == ["issue list", expected]


# Notebooks ------------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path):
    """An executed one-chapter book in a git checkout with a remote."""
    layout = Layout(tmp_path / "checkout", tmp_path / "checkout/_build")
    files = {
        "_config.yml": "repository: {url: https://example.org/a/b, branch: n, path_to_book: book}",
        "_toc.yml": "format: jb-book\nroot: intro\nchapters:\n- file: part/one\n",
        "book/intro.md": "# Intro\n",
        "book/part/one.md": CHAPTER,
        "book/manifest.yml": "papers: {}\n",
        "sotlib/__init__.py": "",
        "sotlib/__pycache__/a.pyc": "",
        "pyproject.toml": "",
        ".gitignore": "_build/\n",
    }
    for name, text in files.items():
        write_atomically(layout.root / name, text)
    cell = nbformat.v4.new_code_cell("1", execution_count=1)
    metadata = {"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}}
    executed = nbformat.v4.new_notebook(cells=[cell], metadata=metadata)
    cache.store(layout.executed("smoke"), "part/one", "key", nbformat.writes(executed))
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "remote")], check=True)
    subprocess.run(["git", "init", "--quiet", str(layout.root)], check=True)
    git = ["git", "-C", str(layout.root), "remote", "add", "origin", str(tmp_path / "remote")]
    subprocess.run(git, check=True)
    return layout


EXPORTED = {
    "book/part/one.ipynb",
    "book/manifest.yml",
    "sotlib/__init__.py",
    "pyproject.toml",
}


def test_export_has_notebooks_and_library(book):
    folder = notebooks.export(book, scale="smoke")
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert names == EXPORTED
    notebook = nbformat.read(folder / "book/part/one.ipynb", as_version=4)
    nbformat.validate(notebook)
    first = notebook.cells[0].source
    assert 'if "google.colab" in sys.modules:' in first
    assert "--branch n https://example.org/a/b " in first
    assert notebook.cells[1].source == "1"


def test_buttons_lead_to_exported_notebooks(book):
    # Colab knows notebooks on GitHub only.
    text = book.config.read_text().replace("example.org", "github.com")
    settings = "title: Tiny\nonly_build_toc_files: true\nexecute: {execute_notebooks: 'off'}\n"
    book.config.write_text(settings + text)
    pages = chapters.read_pages(book)
    executed = nbformat.read(book.executed("smoke") / "part/one.ipynb", as_version=4)
    executed.cells.insert(0, nbformat.v4.new_markdown_cell("# One"))
    site.build_site(book, pages, {"part/one": executed}, {})
    html = (book.html / "part/one.html").read_text()
    (colab,) = re.findall(r'href="(https://colab\.research\.google\.com/[^"]*)"', html)
    path = colab.split("/github/a/b/blob/n/")[1]
    assert (notebooks.export(book, scale="smoke") / path).is_file()
    (binder,) = re.findall(r'href="(https://mybinder\.org/[^"]*)"', html)
    assert "/v2/gh/a/b/n?" in binder
    assert binder.endswith("book/part/one.ipynb")


def test_first_cell_does_nothing_elsewhere(book):
    folder = notebooks.export(book, scale="smoke")
    notebook = nbformat.read(folder / "book/part/one.ipynb", as_version=4)
    from IPython.core.inputtransformer2 import TransformerManager

    code = TransformerManager().transform_cell(notebook.cells[0].source)
    exec(compile(code, "cell", "exec"), {})
    assert "get_ipython" in code


def test_published_branch_is_one_commit(book, tmp_path):
    for _ in "ab":
        notebooks.export(book, scale="smoke")
        commit = notebooks.publish(book)
    git = ["git", "-C", str(tmp_path / "remote")]
    run = {"check": True, "capture_output": True, "text": True}
    assert subprocess.run([*git, "rev-parse", "n"], **run).stdout.strip() == commit
    assert subprocess.run([*git, "rev-list", "--count", "n"], **run).stdout.strip() == "1"
    tree = subprocess.run([*git, "ls-tree", "-r", "--name-only", "n"], **run).stdout
    assert set(tree.split()) == EXPORTED
    status = subprocess.run(["git", "-C", str(book.root), "status", "--short"], **run).stdout
    assert "notebooks" not in status


def test_faults_of_publishing_are_messages(book, capsys):
    arguments = ["--root", str(book.root), "--out", str(book.out)]
    assert main(["notebooks", "--scale", "paper", *arguments]) == 1
    assert "the executed chapter part/one (run make book) is missing" in capsys.readouterr().err
    notebooks.export(book, scale="smoke")
    with pytest.raises(BookError, match="git push failed"):
        notebooks.publish(book, remote="nowhere")
    book.config.write_text("title: a\n")
    assert main(["notebooks", "--scale", "smoke", *arguments]) == 1
    assert "repository: url is not set in _config.yml" in capsys.readouterr().err
    assert main(["notebooks", "--scale", "smoke", "--publish", *arguments]) == 0
    assert "nothing is published" in capsys.readouterr().out
