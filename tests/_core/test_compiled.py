import hashlib
from pathlib import Path

import pytest

import sotlib
from sotlib.pitch import _passes
from sotlib.transport import _line_merge


@pytest.mark.parametrize("module", [_passes, _line_merge])
def test_changes_of_helpers_reach_what_is_compiled(module):
    """Numba keeps machine code as long as the file with the compiled function is the same."""
    folder = Path(sotlib.__file__).parent
    text = "".join((folder / name).read_text() for name in module.HELPERS)
    found = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert found == module.SUM, f"write SUM = {found!r} into {module.__name__}"
