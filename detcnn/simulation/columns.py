"""What is stored of each jet and of each constituent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detcnn.events.table import Column

_BELOW_PI = np.nextafter(np.float32(np.pi), np.float32(0))
"""Largest float32 below π; the float32 nearest to π is above it."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """Type and unit of a column.

    Parameters
    ----------
    dtype : str
        NumPy's name, little-endian.
    unit : str
        "GeV", "rad", "e", or "1" for a plain number.
    meaning : str
        One line for a reader of the file.
    """

    dtype: str
    unit: str
    meaning: str


JET_COLUMNS: Mapping[str, ColumnType] = {
    "pt": ColumnType("<f4", "GeV", "transverse momentum"),
    "eta": ColumnType("<f4", "1", "pseudorapidity"),
    "y": ColumnType("<f4", "1", "rapidity"),
    "phi": ColumnType("<f4", "rad", "azimuth in [-pi, pi)"),
    "mass": ColumnType("<f4", "GeV", "invariant mass of the constituents"),
    "label": ColumnType("|i1", "1", "index into the classes of the file"),
    "event_id": ColumnType("<i8", "1", "unique: label << 48 | piece << 24 | number in the piece"),
    "pthat": ColumnType("<f4", "GeV", "transverse momentum of the hard process"),
    "parton_id": ColumnType("<i2", "1", "PDG id of the particle that the jet comes from"),
}

GROOMED_COLUMNS: Mapping[str, ColumnType] = {
    "ungroomed_pt": ColumnType("<f4", "GeV", "transverse momentum before trimming"),
    "ungroomed_mass": ColumnType("<f4", "GeV", "invariant mass before trimming"),
}
"""What a jet that was trimmed has besides `JET_COLUMNS`."""

CONSTITUENT_COLUMNS: Mapping[str, ColumnType] = {
    "pt": ColumnType("<f4", "GeV", "transverse momentum"),
    "eta": ColumnType("<f4", "1", "pseudorapidity"),
    "y": ColumnType("<f4", "1", "rapidity"),
    "phi": ColumnType("<f4", "rad", "azimuth in [-pi, pi)"),
    "pdgid": ColumnType("<i4", "1", "PDG id"),
    "charge": ColumnType("|i1", "e", "electric charge"),
}


def as_columns(
    rows: Sequence[tuple[float, ...]], types: Mapping[str, ColumnType]
) -> dict[str, Column]:
    """Turn rows of numbers into columns of the given types.

    Parameters
    ----------
    rows : sequence of tuple
        One value per column, in the order of `types`; ``phi`` in [−π, π].
    types : mapping
        Column name to type.

    Returns
    -------
    dict
        Column name to array of shape (n_rows,); ``phi`` in [−π, π) as float32 too.
    """
    values = zip(*rows, strict=True) if rows else [()] * len(types)
    columns = {
        name: np.array(column, dtype=kind.dtype)
        for (name, kind), column in zip(types.items(), values, strict=True)
    }
    columns["phi"] = np.clip(columns["phi"], -_BELOW_PI, _BELOW_PI)
    return columns
