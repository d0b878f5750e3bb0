"""Files that may be compressed with gzip."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

_MAGIC = b"\x1f\x8b"


@contextmanager
def open_plain(path: Path) -> Iterator[BufferedIOBase]:
    """Open a file for reading what is in it, compressed or not.

    Reading raises OSError, EOFError or zlib.error where a compressed file is damaged.
    """
    with path.open("rb") as stream:
        is_compressed = stream.read(len(_MAGIC)) == _MAGIC
        stream.seek(0)
        if is_compressed:
            with gzip.open(stream, "rb") as content:
                yield content
        else:
            yield stream


def plain_head(head: bytes) -> bytes:
    """Return the first bytes of what is in a file, given its own first bytes."""
    if not head.startswith(_MAGIC):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, len(head))
    except zlib.error:
        return b""
