"""pyproject.toml is the only list of dependencies; lock, conda and wheel agree with it."""

import functools
import http.server
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
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
    return requirements(root / "requirements.lock")


@pytest.fixture(scope="module")
def peers(root):
    return requirements(root / "benchmarks" / "peers.lock")


def requirements(path):
    """Each requirement of a lock, with its hashes."""
    text = path.read_text().replace("\\\n", "")
    lines = [line.split("--hash=") for line in text.splitlines() if not line.startswith("#")]
    return {Requirement(line[0]): line[1:] for line in lines}


@pytest.fixture(scope="module")
def torch_version(root):
    """The version that the Makefile pins."""
    return re.search(r"^TORCH_VERSION := (.*)$", (root / "Makefile").read_text(), re.M)[1]


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


def test_locks_pin_everything_exactly_and_with_hashes(root, lock, peers):
    for requirement, hashes in (lock | peers).items():
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        assert hashes, requirement
    assert "/" not in (root / "requirements.lock").read_text(), "a path or an address"


def test_what_the_benchmarks_add_changes_nothing_else(lock, peers):
    names = [{canonical(requirement.name) for requirement in part} for part in (lock, peers)]
    assert not names[0] & names[1]
    assert not {"torch", "torchaudio"} & names[1]


def test_locks_satisfy_pyproject(root, project, lock, peers, torch_version):
    build = tomllib.loads((root / "pyproject.toml").read_text())["build-system"]["requires"]
    pinned = {canonical(r.name): next(iter(r.specifier)).version for r in [*lock, *peers]}
    pinned["torch"] = torch_version
    listed = [project["dependencies"], *project["optional-dependencies"].values(), build]
    for requirement in (Requirement(text) for texts in listed for text in texts):
        name = canonical(requirement.name)
        assert name in pinned, f"requirements.lock lacks {name}: run make lock"
        assert pinned[name] in requirement.specifier, f"{name}: run make lock"


def test_lock_leaves_the_build_of_torch_open(root, lock, torch_version):
    builds = re.compile("torch$|nvidia-|cuda-|triton$")
    assert not [r.name for r in lock if builds.match(r.name)]
    assert f"torch=={torch_version}" in (root / "requirements.lock").read_text(), "run make lock"


def test_pre_commit_has_the_locked_ruff(root, lock):
    (hook,) = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"]
    assert Requirement(f"ruff=={hook['rev'].removeprefix('v')}") in lock


@pytest.fixture
def indexes(tmp_path):
    """The addresses of three indexes: CPU builds, pip's own, and one that never answers."""
    for name, version in [("cpu", "9.0+cpu"), ("pip", "9.0")]:
        folder = tmp_path / name / "torch"
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as archive:
            metadata = f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
            archive.writestr(f"torch-{version}.dist-info/METADATA", metadata)
            tag = "Wheel-Version: 1.0\nTag: py3-none-any\n"
            archive.writestr(f"torch-{version}.dist-info/WHEEL", tag)
            archive.writestr(f"torch-{version}.dist-info/RECORD", "")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        hangs = f"http://127.0.0.1:{silent.getsockname()[1]}"
        yield {"cpu": f"{address}/cpu", "pip": f"{address}/pip", "hangs": hangs}
        server.shutdown()


@pytest.mark.parametrize(
    ("build", "index", "version", "said"),
    [
        ("cpu", "cpu", "9.0+cpu", "torch: the build of http://127"),
        ("cpu", "hangs", "9.0", "does not answer; the build that pip finds"),
        ("cpu", "missing", "9.0", "does not answer; the build that pip finds"),
        ("cuda", "cpu", "9.0", "torch: the build that pip finds"),
    ],
)
def test_build_of_torch(root, tmp_path, indexes, build, index, version, said):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": indexes["pip"]}
    environment |= {"NO_PROXY": "127.0.0.1", "PIP_NO_CACHE_DIR": "1"}
    address = indexes.get(index, "http://127.0.0.1:9")
    command = [sys.executable, str(root / "tools/torch_build.py"), build, address, "torch==9.0"]
    command += ["--target", str(tmp_path / "target")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert said in run.stdout
    assert (tmp_path / f"target/torch-{version}.dist-info").is_dir()


def test_environment_installs_from_pyproject(root, project):
    content = yaml.safe_load((root / "environment.yml").read_text())
    conda = [item for item in content["dependencies"] if isinstance(item, str)]
    (pip,) = [item["pip"] for item in content["dependencies"] if isinstance(item, dict)]
    # The CPU build of torch, as in the Makefile.
    (index,) = re.findall(r"^TORCH_INDEX \?= (.*)$", (root / "Makefile").read_text(), re.M)
    assert pip == [f"--extra-index-url {index}", "-e .[book]"]
    assert "book" in project["optional-dependencies"]
    assert "pip" in conda
    (python,) = [item.split("=")[-1] for item in conda if item.startswith("python")]
    assert f"{python}.0" in Requirement(f"python{project['requires-python']}").specifier
    assert {re.split("[=<>]", item)[0] for item in conda} == {"python", "pip"}


def test_folders_may_have_spaces(root):
    command = ["make", "--dry-run", "chapter", "OUT=my out", "PYTHON=python3"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    line = next(line for line in run.stdout.splitlines() if "sotlib.companion.book" in line)
    assert shlex.split(line)[-2:] == ["--out", "my out"]
    assert not re.findall(r"[^\"]\$\(OUT\)", (root / "Makefile").read_text())


def test_urls_name_the_repository_once_it_has_an_address(root, project):
    address = yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"]
    assert project["urls"].get("Source", "") == address


def test_versions_agree(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert str(citation["version"]) == sotlib.__version__
    heading = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.M)
    assert heading[1] == sotlib.__version__


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
