"""Tables on disk for machines: parquet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from detcnn.errors import DataError


def write_parquet(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of equal length as one parquet file."""
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    pq.write_table(table, path, compression="zstd")


def read_parquet(path: Path) -> dict[str, NDArray[Any]]:
    """Read every column of a parquet file.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: cannot be read as parquet: {reason}") from None
    return {name: np.asarray(table[name].to_numpy()) for name in table.column_names}
