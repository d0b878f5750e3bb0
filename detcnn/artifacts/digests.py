"""Digests of files and of plain values."""

import hashlib
import json
from pathlib import Path
from typing import Any

from detcnn.errors import DataError


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def value_digest(value: Any) -> str:
    """Return the SHA-256 of a JSON-able value, in hexadecimal.

    Two values that are equal as JSON have the same digest, whatever the order of their keys.

    Raises
    ------
    ValueError
        If a number in it is NaN or infinite.
    """
    # Keys are text in JSON, and sort as text: numbers as keys become it first.
    plain = json.loads(json.dumps(value, allow_nan=False))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
