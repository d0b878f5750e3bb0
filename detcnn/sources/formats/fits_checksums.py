"""Checksums of FITS files (FITS Standard 4.0, 2018, section 4.4.2.7 and appendix J)."""

from collections.abc import Iterator
from io import BufferedIOBase
from typing import Any

import numpy as np
from astropy.io import fits

_PIECE = 1 << 20
"""Bytes that are read at once, a multiple of four."""
_WORD = 0xFFFFFFFF


def misfit(stream: BufferedIOBase, unit: Any) -> str:
    """Return which checksum of a header-data unit its bytes do not fit; empty if none.

    The unit is read from beginning to end in pieces, as it lies in the file: of compressed images,
    that is the table that they are in.

    Parameters
    ----------
    stream : BufferedIOBase
        The file, without compression as a whole.
    unit : astropy.io.fits header-data unit
        Of that file.

    Returns
    -------
    str
        ``"DATASUM"``, ``"CHECKSUM"``, or empty where both fit or are not there.

    Raises
    ------
    EOFError
        If the file ends within the unit.
    """
    place = unit.fileinfo()
    start, data, end = place["hdrLoc"], place["datLoc"], place["datLoc"] + place["datSpan"]
    stream.seek(start)
    head = stream.read(data - start)
    # The header as it is stored: astropy gives that of compressed images as it was before.
    header = fits.Header.fromstring(head)
    stated = {key: str(header.get(key, "")).strip() for key in ("DATASUM", "CHECKSUM")}
    if not any(stated.values()):
        return ""
    total = 0
    for piece in _pieces(stream, end - data):
        total = _sum(piece, total)
    if stated["DATASUM"] and stated["DATASUM"] != str(total):
        return "DATASUM"
    # CHECKSUM is written so that all bytes of the unit sum up to no bit that is not set.
    return "CHECKSUM" if stated["CHECKSUM"] and _sum(head, total) != _WORD else ""


def _pieces(stream: BufferedIOBase, n_bytes: int) -> Iterator[bytes]:
    while n_bytes:
        piece = stream.read(min(n_bytes, _PIECE))
        if not piece:
            raise EOFError
        n_bytes -= len(piece)
        yield piece


def _sum(piece: bytes, total: int) -> int:
    """Return the ones' complement sum of `total` and 32-bit words, the highest byte first."""
    total += int(np.frombuffer(piece, dtype=">u4").sum(dtype=np.uint64))
    while total > _WORD:
        total = (total & _WORD) + (total >> 32)
    return total
