"""pyproject.toml is the only list of dependencies; lock, conda and wheel agree with it."""

import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

import sotlib


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def lock(root):
    lines = (root / "requirements.lock").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    """The wheel, built from a copy so that no build folder is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "sotlib", "*.md", "LICENSE*", "*.toml"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    for name in names:
        if not (root / name).exists():  # deleted, and not committed yet
            continue
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((root / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    run = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = folder.glob("*.whl")
    return path


def _named(project):
    """Every requirement that pyproject.toml lists for the locked extras."""
    extras = project["optional-dependencies"]
    return [
        Requirement(text)
        for text in [*project["dependencies"], *extras["book"], *extras["test"], *extras["bench"]]
    ]


def test_lock_pins_everything_exactly(lock):
    for requirement in lock:
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        assert "+" not in specifier.version, f"{requirement} names one build"


def test_lock_satisfies_pyproject(root, project, lock):
    build = tomllib.loads((root / "pyproject.toml").read_text())["build-system"]["requires"]
    pinned = {canonical(r.name): next(iter(r.specifier)).version for r in lock}
    for requirement in [*_named(project), *map(Requirement, build)]:
        name = canonical(requirement.name)
        assert name in pinned, f"requirements.lock lacks {name}: run make lock"
        assert pinned[name] in requirement.specifier, f"{name}: run make lock"


def test_lock_leaves_the_build_of_torch_open(lock):
    names = {canonical(requirement.name) for requirement in lock}
    assert "torch" in names
    assert not [name for name in names if name.startswith(("nvidia-", "triton"))]


def test_environment_installs_from_pyproject(root, project):
    content = yaml.safe_load((root / "environment.yml").read_text())
    conda = [item for item in content["dependencies"] if isinstance(item, str)]
    (pip,) = [item["pip"] for item in content["dependencies"] if isinstance(item, dict)]
    assert pip == ["-e .[book]"]
    assert "book" in project["optional-dependencies"]
    assert "pip" in conda
    (python,) = [item.split("=")[-1] for item in conda if item.startswith("python")]
    assert f"{python}.0" in Requirement(f"python{project['requires-python']}").specifier
    assert {re.split("[=<>]", item)[0] for item in conda} == {"python", "pip"}


def test_versions_agree(root, project):
    assert project["version"] == sotlib.__version__
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert str(citation["version"]) == sotlib.__version__
    changes = (root / "CHANGELOG.md").read_text()
    heading = re.search(r"^## \[?v?([0-9][^\s\]]*)", changes, re.M)
    assert heading
    assert heading.group(1) == sotlib.__version__


def test_wheel_carries_the_library_and_the_type_marker_without_the_companion(root, wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {p.relative_to(root).as_posix() for p in (root / "sotlib").rglob("*.py")}
    companion = {name for name in sources if name.startswith("sotlib/companion/")}
    assert companion
    assert {name for name in names if name.endswith(".py")} == sources - companion
    assert "sotlib/py.typed" in names


# Imports the wheel while everything outside the core dependencies' own closure is blocked.
_IMPORT = """
import importlib.metadata, re, sys
from packaging.requirements import Requirement
canonical = lambda name: re.sub(r"[-_.]+", "-", name).lower()
wheel, core = sys.argv[1], sys.argv[2:]
allowed, todo = set(), [canonical(name) for name in core]
while todo:
    name = todo.pop()
    if name in allowed:
        continue
    allowed.add(name)
    try:
        needs = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        continue
    for text in needs:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            todo.append(canonical(requirement.name))
blocked = {
    module
    for module, owners in importlib.metadata.packages_distributions().items()
    if module != "sotlib" and not any(canonical(owner) in allowed for owner in owners)
}
assert {"matplotlib", "papermill", "IPython", "ot"} <= blocked, blocked
for name in [n for n in sys.modules if n.split(".")[0] in blocked]:
    del sys.modules[name]

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} belongs to an extra", name=name)

sys.meta_path.insert(0, Blocker())
sys.path.insert(0, wheel)
import sotlib
assert sotlib.__file__.startswith(wheel), sotlib.__file__
slow = {"librosa", "nnAudio", "numba", "scipy.signal", "mir_eval"} & set(sys.modules)
assert not slow, f"loaded with the library: {slow}"
for name in getattr(sotlib, "__all__", []):
    getattr(sotlib, name)
print("imported", sotlib.__version__)
"""


def test_wheel_imports_without_extras(project, wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    core = [Requirement(text).name for text in project["dependencies"]]
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT, str(tmp_path), *core],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert run.returncode == 0, run.stderr
    assert f"imported {sotlib.__version__}" in run.stdout
