"""Write requirements.lock: what pip resolves for the extras, for one or several Pythons.

``make lock`` runs this. Each interpreter resolves once, without installing anything; a package
that only some of them need gets a marker. The build of torch (CPU or CUDA) stays open: its local
version and the CUDA packages that it brings are left out.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = "book,test,bench"
HEADER = f"""\
# Exact versions of everything that the extras {EXTRAS} need, for Linux and Python 3.11 to 3.13.
# Written by `make lock`; pyproject.toml is where dependencies are listed.
# torch is pinned without its local version (+cpu, +cu130, ...), so that the build is your choice:
# see "Which build of torch" in README.md.
"""
# Brought by CUDA builds of torch only.
_CUDA = re.compile(r"^(nvidia-|cuda-|triton$)")


def resolve(python: str, constraints: str | None) -> dict[str, str]:
    """Names and versions that pip would install under one interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--report", str(report), f"{ROOT}[{EXTRAS}]"]
        command += ["-c", constraints] if constraints else []
        subprocess.run(command, check=True)
        items = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    found = {canonical(item["name"]): item["version"].split("+")[0] for item in items}
    return {k: v for k, v in found.items() if k != "sotlib" and not _CUDA.match(k)}


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def version_of(python: str) -> str:
    """``3.11`` and the like."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run(
        [python, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def merge(resolved: dict[str, dict[str, str]]) -> list[str]:
    """Lines of the lock; what not every Python needs, or in another version, gets a marker."""
    lines = []
    for name in sorted(set().union(*resolved.values())):
        versions = {python: found[name] for python, found in resolved.items() if name in found}
        if len(versions) == len(resolved) and len(set(versions.values())) == 1:
            lines.append(f"{name}=={versions.popitem()[1]}")
            continue
        for version in sorted(set(versions.values())):
            of = sorted(python for python, v in versions.items() if v == version)
            marker = " or ".join(f'python_version == "{python}"' for python in of)
            lines.append(f"{name}=={version} ; {marker}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", help="an interpreter; may be repeated")
    parser.add_argument("--constraint", help="a pip constraints file to stay close to")
    options = parser.parse_args()
    pythons = options.python or [sys.executable]
    resolved = {version_of(python): resolve(python, options.constraint) for python in pythons}
    lines = merge(resolved)
    (ROOT / "requirements.lock").write_text(HEADER + "\n".join(lines) + "\n")
    print(f"requirements.lock: {len(lines)} packages for Python {', '.join(resolved)}")


if __name__ == "__main__":
    main()
