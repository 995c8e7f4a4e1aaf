"""Workflows pin their actions, have the least permissions and call targets that there are."""

import re

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
        # What runs on pull requests must not write, nor keep the token.
        writes = permissions.get("contents") == "write"
        assert not (writes and "pull_request" in workflow["on"])
        for step in job["steps"]:
            if "checkout" in step.get("uses", "") and not writes:
                assert step["with"]["persist-credentials"] is False


def test_weekly_build_takes_the_newest_and_reports_failures(root):
    jobs = read(root, "weekly")[1]["jobs"]
    assert "make test VERSIONS=highest" in [step.get("run") for step in jobs["newest"]["steps"]]
    assert jobs["report"]["if"] == "failure()"
    assert jobs["report"]["needs"] == [name for name in jobs if name != "report"]


def test_only_the_upload_may_sign_in_to_pypi(root):
    workflow = read(root, "publish")[1]
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    build, upload = workflow["jobs"].values()
    assert upload["needs"] == "build"
    assert upload["permissions"] == {"id-token": "write"}
    assert not [step for step in upload["steps"] if "run" in step]
    assert build["permissions"] == {"contents": "read"}
