"""Install torch: a CPU build from PyTorch's own index, or the build that pip finds by itself.

On Linux the latter brings gigabytes of CUDA libraries. ``make setup`` calls this as
``torch_build.py cpu https://download.pytorch.org/whl/cpu torch==2.13.0``; what follows the index
goes to pip.
"""

import contextlib
import subprocess
import sys
import threading
import urllib.request

SECONDS = 2


def answers(index: str) -> bool:
    """Whether the index lists torch in time; a thread, as looking up a name knows no timeout."""
    listed = threading.Event()

    def ask() -> None:
        with (
            contextlib.suppress(Exception),
            urllib.request.urlopen(f"{index}/torch/", timeout=SECONDS),
        ):
            listed.set()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    return listed.is_set()


def main(build: str, index: str, *arguments: str) -> int:
    command = [sys.executable, "-m", "pip", "install", *arguments]
    if build == "cpu" and answers(index):
        print(f"torch: the build of {index}", flush=True)
        command += ["--index-url", index]
    elif build == "cpu":
        print(f"torch: {index} does not answer; the build that pip finds by itself", flush=True)
    elif build == "cuda":
        print("torch: the build that pip finds by itself", flush=True)
    else:
        sys.exit(f"error: TORCH must be cpu or cuda, not '{build}'")
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
