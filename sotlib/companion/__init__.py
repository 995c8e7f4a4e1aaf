"""What makes the book: execution, experiments, records. Not part of the wheel."""

import importlib.util
import sys

_MISSING = [n for n in ("filelock", "safetensors", "tqdm") if importlib.util.find_spec(n) is None]
if _MISSING:
    _MESSAGE = (
        f"sotlib.companion needs {', '.join(_MISSING)}: run `make`, or pip install -e '.[book]' in "
        "a checkout"
    )
    if sys.argv[:1] == ["-m"]:  # while python looks for the module that it is to run
        sys.exit(f"error: {_MESSAGE}")
    raise ModuleNotFoundError(_MESSAGE)
