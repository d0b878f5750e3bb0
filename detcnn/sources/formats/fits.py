"""FITS files, told apart without astropy, which takes long to be imported and need not be there."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from detcnn.errors import MissingExtraError
from detcnn.sources.base import Layout
from detcnn.sources.container import Container
from detcnn.sources.formats.gzipped import plain_head

_MAGIC = b"SIMPLE  ="


@dataclass(frozen=True, slots=True)
class FitsFormat:
    """Images in header-data units, compressed or not."""

    name: str = "FITS"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell by the first keyword."""
        return plain_head(head).startswith(_MAGIC)

    def open(self, path: Path, layout: Layout) -> AbstractContextManager[Container]:
        """Open a file."""
        try:
            from detcnn.sources.formats.fits_images import open_images
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "astropy":
                raise
            raise MissingExtraError("astropy", extra="fits", purpose=f"{path}: FITS") from None
        return open_images(path, layout)


FITS = FitsFormat()
