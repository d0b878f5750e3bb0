"""What is known of events beside their images: columns of the input, and those worked out of it."""

import numpy as np

from detcnn.config.preprocess import PreprocessConfig
from detcnn.errors import ConfigError
from detcnn.events.identity import content_ids
from detcnn.events.images import pixel_totals
from detcnn.events.observables import OBSERVABLES
from detcnn.events.table import Column, EventTable, ImageTable
from detcnn.imaging.tiling import TILE_COLUMNS
from detcnn.sources.base import Source
from detcnn.sources.layouts.columns import house_unit, unit_factor

_OWN_COLUMNS = ("event_id", "source", "row")


def common_columns(sources: tuple[Source, ...]) -> tuple[tuple[str, ...], set[str]]:
    """Return the names of the columns of events, and of constituents, that all samples have.

    Raises
    ------
    DataError
        If an input cannot be read.
    """
    # Reading one event also finds an unreadable file before hours are spent on the others.
    columns, roles = [], []
    for source in sources:
        for i, sample in enumerate(source.samples):
            table = source.read(i, 0, min(1, sample.n_events))
            columns.append(set(event_columns(source, i, table, 0)))
            roles.append(set(table.constituents) if isinstance(table, EventTable) else set())
    return tuple(sorted(set.intersection(*columns) | set(_OWN_COLUMNS))), set.intersection(*roles)


def event_columns(
    source: Source, sample: int, table: EventTable | ImageTable, start: int
) -> dict[str, Column]:
    """Return the columns of a block of events, those of the input and its place there.

    Parameters
    ----------
    source : Source
        The input.
    sample : int
        Which of its samples the events are of.
    table : EventTable or ImageTable
        The events.
    start : int
        The first of them in the sample.
    """
    columns = {
        name: values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
        for name, values in table.columns.items()
        if name not in ("label", "weight")
    }
    if "event_id" not in columns:
        columns["event_id"] = content_ids(table)
    if isinstance(table, EventTable):
        kind = "n_hits" if source.layout.kind == "hits" else "n_constituents"
        columns[kind] = np.diff(table.offsets)
    else:
        columns["pixel_sum"] = pixel_totals(table.images).astype(np.float32)
    first = sum(entry.n_events for entry in source.samples[:sample])
    columns["row"] = np.arange(first + start, first + start + table.n_events)
    return columns


def column_units(sources: tuple[Source, ...], columns: tuple[str, ...]) -> dict[str, str]:
    """Return the unit of each column that all sources have it in; without those of no known unit.

    Raises
    ------
    ConfigError
        If two sources have a column in different units, or one is turned into GeV or rad and
        nothing tells the unit of another.
    """
    found: dict[str, str] = {}
    for name in columns:
        told = {
            source.path: source.stated_units.get(source.layout.columns.get(name, ""))
            for source in sources
        }
        units = {path: house_unit(unit) for path, unit in told.items()}
        known = next((path for path, unit in units.items() if unit), None)
        if known is None:
            continue
        is_turned = unit_factor(name, told[known]) is not None
        for path, unit in units.items():
            if unit != units[known] and (unit or is_turned):
                raise ConfigError(
                    f"{path}: column {name!r} is in {unit or 'a unit that nothing states'}, but "
                    f"{known.name} has it in {told[known]}: give both sources the unit under units "
                    "in the study"
                )
        found[name] = units[known]
    return found


def wanted_observables(config: PreprocessConfig, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the observables to work out of constituents, beside the columns of the input.

    Raises
    ------
    ConfigError
        If there are no constituents, or the input has a column of that name.
    """
    if config.observables is None:
        absent = tuple(name for name in OBSERVABLES if name not in columns)
        return () if config.image is None else absent
    if config.observables and config.image is None:
        raise ConfigError(
            f"preprocess.observables: {', '.join(config.observables)}: ready images have no "
            "constituents, nor have hits, to work them out of: leave observables out"
        )
    for name in config.observables:
        if name in columns:
            raise ConfigError(
                f"preprocess.observables: the input has its own column {name!r}, which may mean "
                "something else: take the name off the list, or map the input's column to another "
                "name under columns"
            )
    return config.observables


def check_select(config: PreprocessConfig, columns: tuple[str, ...]) -> None:
    """Refuse to select events by what is not known of them.

    Raises
    ------
    ConfigError
        If there is no such column.
    """
    for name in config.select:
        if name not in columns:
            remedy = ""
            if config.tiles is not None and name in TILE_COLUMNS:
                remedy = ": events are selected whole, not by tile: leave it out"
            raise ConfigError(
                f"preprocess.select: no column {name!r} in the input; "
                f"there are: {', '.join(columns)}{remedy}"
            )


def with_tile_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return columns with those that say where a tile is in its frame.

    Raises
    ------
    ConfigError
        If the input has such a column.
    """
    for name in TILE_COLUMNS:
        if name in columns:
            raise ConfigError(
                f"preprocess.tiles: the input has its own column {name!r}, in whose place would "
                "stand where a tile is in its frame: map it to another name under columns"
            )
    return tuple(sorted({*columns, *TILE_COLUMNS}))
