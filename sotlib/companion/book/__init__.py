"""How the book is built: chapters are executed, staged and rendered into a website.

Only needed with the ``book`` extra; ``import sotlib`` does not import it. See
``python -m sotlib.companion.book --help``.
"""

from sotlib.companion.book._common import SCALES, BookError

__all__ = ["SCALES", "BookError"]
