"""Workflows pin their actions, have the least permissions and call targets that there are."""

import re
import subprocess

import pytest
import yaml

WORKFLOWS = ["pages", "publish", "tests", "weekly"]
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


def test_the_makefile_says_each_thing_once(root):
    """A second recipe for a target takes the place of the first."""
    targets = re.findall(r"^([\w.$()/-]+):(?!=| export)", (root / "Makefile").read_text(), re.M)
    assert sorted(targets) == sorted(set(targets))


def test_all_workflows_are_tested(root):
    assert sorted(p.stem for p in (root / ".github/workflows").glob("*.yml")) == WORKFLOWS


@pytest.mark.parametrize("name", WORKFLOWS)
def test_make_has_the_targets(root, name):
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.M))
    text, workflow = read(root, name)
    called = set(re.findall(r"run: make ([a-z-]+)", text))
    if name == "tests":
        matrix = workflow["jobs"]["make"]["strategy"]["matrix"]
        called = {*matrix["target"], *(job["target"] for job in matrix["include"])}
    assert called
    assert called <= targets


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_with_their_version_in_a_comment(root, name):
    for line in re.findall(r"uses: (.*)", read(root, name)[0]):
        assert re.fullmatch(r"(actions|pypa)/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("name", WORKFLOWS)
def test_permissions_are_the_least(root, name):
    workflow = read(root, name)[1]
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        permissions = job.get("permissions", {})
        assert all(level in ALLOWED[scope] for scope, level in permissions.items())
        # What may write runs nothing of ours and nothing installed, and not on pull requests.
        if "write" in permissions.values():
            assert "pull_request" not in workflow["on"]
            assert not re.search(r"\b(checkout|make|pip|uv|python\S*)\b", yaml.dump(job["steps"]))
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_only_locked_versions_are_installed_but_for_the_weekly_build(root):
    for name in set(WORKFLOWS) - {"weekly"}:
        assert "pip install" not in read(root, name)[0]
    makefile = (root / "Makefile").read_text()
    assert "-m pip install --no-deps --require-hashes -r requirements.lock" in makefile
    # In isolation the newest setuptools would write what is published.
    assert re.findall(r"-m build\b.*", makefile) == ["-m build --no-isolation"]


def test_notebooks_are_pushed_as_files(root, tmp_path):
    """The job's own commands, with a folder in the place of the remote."""
    push = read(root, "pages")[1]["jobs"]["notebooks"]["steps"][-1]
    config = (root / "_config.yml").read_text()
    branch = yaml.safe_load(config)["repository"]["branch"]
    assert re.search(r'^  url: "', config, re.M)  # which the workflow looks for
    script, count = re.subn(r'"https://[^"]*"', "remote", push["run"])
    assert count == 1
    (tmp_path / "tree" / ".git" / "hooks").mkdir(parents=True)
    (tmp_path / "tree" / ".git" / "hooks" / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "tree" / ".git" / "hooks" / "pre-commit").chmod(0o755)
    (tmp_path / "tree" / "book").mkdir()
    (tmp_path / "tree" / "book" / "one.ipynb").write_text("{}")
    run = {"cwd": tmp_path, "check": True, "capture_output": True, "text": True}
    subprocess.run(["git", "init", "--quiet", "--bare", "remote"], **run)
    subprocess.run(["bash", "-e", "-c", script], **run)
    tree = ["git", "-C", "remote", "ls-tree", "-r", "--name-only", branch]
    assert subprocess.run(tree, **run).stdout == "book/one.ipynb\n"


def test_weekly_build_takes_the_newest_and_reports_failures(root):
    jobs = read(root, "weekly")[1]["jobs"]
    assert "make test VERSIONS=highest" in [step.get("run") for step in jobs["newest"]["steps"]]
    assert jobs["report"]["if"] == "failure()"
    assert jobs["report"]["needs"] == [name for name in jobs if name != "report"]


def test_only_the_upload_may_sign_in_to_pypi(root):
    workflow = read(root, "publish")[1]
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    build, upload = (workflow["jobs"][name] for name in ("build", "upload"))
    assert upload["needs"] == "build"
    assert upload["permissions"] == {"id-token": "write"}
    assert not [step for step in upload["steps"] if "run" in step]
    assert build["permissions"] == {"contents": "read"}
