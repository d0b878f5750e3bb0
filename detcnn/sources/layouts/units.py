"""The units of a file's columns: stated by the study, or by the file, or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detcnn.errors import ConfigError
from detcnn.sources.base import Layout
from detcnn.sources.container import Dataset
from detcnn.sources.layouts.columns import MOMENTUM_ROLES, QUANTITIES, unit_factor
from detcnn.sources.layouts.references import Columns

_OF_PT = ("px", "py", "pz")


@dataclass(frozen=True, slots=True)
class Units:
    """Units of some columns.

    Parameters
    ----------
    factors : mapping
        Role or event column to what it is multiplied by to be in GeV or rad; None for nothing.
    stated : mapping
        Column, as a study names it, to its unit; without those whose unit is not stated, which
        are taken to be in GeV or rad.
    """

    factors: Mapping[str, float | None] = field(default_factory=dict)
    stated: Mapping[str, str] = field(default_factory=dict)


def told_unit(layout: Layout, part: str, column: str) -> str | None:
    """Return the unit that a study states: of the column by its own name, or else of the part."""
    return layout.units.get(column, layout.units.get(part))


def find_units(
    path: Path, layout: Layout, datasets: Mapping[str, Dataset], parts: Mapping[str, Columns]
) -> Units:
    """Return the units of columns that belong together; the study overrules the file.

    A unit that a study states of ``pt`` is that of px, py and pz, too, where there is no pt.

    Parameters
    ----------
    path : Path
        The file, for messages.
    layout : Layout
        What the study says.
    datasets : mapping
        What the file says.
    parts : mapping
        Role or event column to column.

    Raises
    ------
    ConfigError
        If a unit does not fit its quantity, or the units of some momenta are stated and those of
        others would have to be guessed.
    """
    units: dict[str, str | None] = {}
    factors: dict[str, float | None] = {}
    for part, column in parts.items():
        dataset = datasets[column.names[0]]
        if dataset.dtype.kind == "b" and part in QUANTITIES:
            raise ConfigError(
                f"{path}: dataset {str(column)!r} holds truth values, expected numbers for {part}: "
                "name another one in the study"
            )
        told = told_unit(layout, part, str(column))
        if told is None and part in _OF_PT and "pt" not in parts:
            told = layout.units.get("pt")
        units[part] = told or dataset.unit
        try:
            factors[part] = unit_factor(part, units[part])
        except ConfigError as error:
            raise ConfigError(
                f"{path}: dataset {dataset.name!r}: {error}; set units.{part} in the study"
            ) from None
    momenta = [part for part in MOMENTUM_ROLES if part in parts]
    unknown = [part for part in momenta if not units[part]]
    for part in momenta:
        if factors[part] is not None and unknown:
            raise ConfigError(
                f"{path}: {part} is in {units[part]}, and nothing states the unit of "
                f"{unknown[0]} ({parts[unknown[0]]}): set units.{unknown[0]} in the study"
            )
    stated = {str(column): units[part] for part, column in parts.items()}
    return Units(factors, {text: unit for text, unit in stated.items() if unit})
