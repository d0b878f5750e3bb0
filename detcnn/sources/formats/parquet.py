"""Parquet files, told apart without pyarrow, which takes long to be imported."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from detcnn.sources.base import Layout
from detcnn.sources.container import Container

_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class ParquetFormat:
    """Columns in row groups."""

    name: str = "Parquet"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell by the magic bytes."""
        return head.startswith(_MAGIC)

    def open(self, path: Path, layout: Layout) -> AbstractContextManager[Container]:
        """Open a file."""
        from detcnn.sources.formats.parquet_columns import open_columns

        return open_columns(path)


PARQUET = ParquetFormat()
