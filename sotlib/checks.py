"""Whether the library looks at the values that it is given."""

from collections.abc import Iterator
from contextlib import contextmanager

from sotlib._core.values import LOOKS


@contextmanager
def unchecked() -> Iterator[None]:
    """Leave out all checks that look at values, so that a GPU need not be waited for.

    By default every function and loss looks whether what it is given is finite, not negative where
    it must not be, and so on, and says what is wrong. On a GPU each look waits for what was begun
    before. In this context, which holds for the thread that enters it, values are taken as they
    are: what is not finite gives NaN. Types, shapes and options are checked all the same.

    Notes
    -----
    Iterations of `sinkhorn_grid` look whether they have converged, which waits too.
    Explained in chapter ``appendix/quickstart``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import SpectralLoss, unchecked
    >>> x = torch.full((4096,), torch.nan)
    >>> with unchecked():
    ...     SpectralLoss()(x, x)
    tensor(nan)
    """
    token = LOOKS.set(False)
    try:
        yield
    finally:
        LOOKS.reset(token)
