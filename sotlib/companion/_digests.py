"""Digests of records and of the files beside them."""

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path


def content_digest(record: Mapping) -> str:
    """Of all but its entry ``digest``, whatever the order and the spaces of its text."""
    content = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Of a file's bytes, which are read again only where its size or its date has changed."""
    found = path.stat()
    return _file_digest(path.absolute(), found.st_size, found.st_mtime_ns)


@functools.cache
def _file_digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
