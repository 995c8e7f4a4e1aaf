"""Starts a kernel that notes which files its notebook opens; run by path, without the library.

Their absolute paths go into the file that ``SOTLIB_READS`` names, a line each.
"""

import os
import sys


def _note(path: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | os.PathLike):
            os.write(file, f"{os.path.abspath(arguments[0])}\n".encode())

    sys.addaudithook(hook)


if __name__ == "__main__":
    # Nothing beside this file is to be imported by its bare name.
    sys.path.pop(0)
    from ipykernel import kernelapp

    if "SOTLIB_READS" in os.environ:
        _note(os.environ["SOTLIB_READS"])
    kernelapp.launch_new_instance()
