"""Progress of a build: a bar on a terminal, plain lines elsewhere."""

import sys

from tqdm import tqdm


class Progress:
    """Counts chapters; each finished one is a line.

    Parameters
    ----------
    total : int
        How many chapters there are.
    """

    def __init__(self, *, total: int) -> None:
        self._total, self._count = total, 0
        self._bar = None

    def __enter__(self) -> "Progress":
        if sys.stdout.isatty():
            self._bar = tqdm(total=self._total, unit="chapter", leave=False, file=sys.stdout)
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def line(self, text: str) -> None:
        """Count one more chapter, and say what became of it."""
        self._count += 1
        if self._bar is not None:
            self._bar.update()
        tqdm.write(f"[{self._count}/{self._total}] {text}", file=sys.stdout)
        sys.stdout.flush()
