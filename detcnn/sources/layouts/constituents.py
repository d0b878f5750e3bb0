"""Constituents as they come, made into a table of events."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.table import Column, EventTable
from detcnn.sources.layouts.columns import CONSTITUENT_ROLES, find_role, in_house_units
from detcnn.sources.layouts.momenta import as_pt_eta_phi, has_coordinates
from detcnn.sources.layouts.relative import as_absolute

T = TypeVar("T")

_OF_JETS = re.compile(r"(^|[/._])(part|particle|constituent|cand|pf\w*)s?[._/]?$", re.IGNORECASE)


def family_of(name: str) -> tuple[str, str | None]:
    """Split a column's name into what several share, and the role that the rest plays.

    ``"jets/part_pt"`` is ``("jets/part_", "pt")``; the role is None for what constituents do not
    have.
    """
    holder, slash, base = name.rpartition("/")
    for role, names in CONSTITUENT_ROLES.items():
        for known in names:
            prefix = base[: -len(known)]
            if base.lower().endswith(known) and find_role(base, {role: (known,)}):
                return holder + slash + prefix, role
    return name, None


def told_first(
    path: Path,
    families: Mapping[str, Mapping[str, T]],
    told: Mapping[str, T],
    *,
    meant: Collection[str],
) -> dict[str, T]:
    """Return the constituents of a file in which several things have a momentum.

    Parameters
    ----------
    path : Path
        The file, for the message.
    families : mapping
        What the columns of one kind of thing share in their names, to role to column.
    told : mapping
        Role to column, as the study says.
    meant : collection of str
        The families that these belong to.

    Returns
    -------
    dict
        Role to column: as told, and the others of their family; if nothing is told, those of the
        one family that can be put on an η–φ plane; if there are several, of the one that is called
        after constituents; if there is none, of all together.

    Raises
    ------
    ConfigError
        If it is not plain which family is meant.
    """
    is_enough = has_coordinates(told)
    if is_enough or any(family in families for family in meant):
        families = {family: roles for family, roles in families.items() if family in meant}
    found = _merged(families) if is_enough else choose_family(path, families)
    return {**found, **told}


def choose_family(path: Path, families: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """Return the constituents of a file in which several things have a momentum.

    As `told_first` where nothing is told.
    """
    complete = [name for name, roles in families.items() if has_coordinates(roles)]
    if len(complete) > 1:
        complete = [name for name in complete if _OF_JETS.search(name)] or complete
    if len(complete) > 1:
        found = families[complete[0]]
        role = "pt" if "pt" in found else min(found)
        raise ConfigError(
            f"{path}: several columns could be those of the constituents: "
            f"{', '.join(name + '…' for name in complete)}: name the one that is meant in the "
            f"study, as constituents.{role}: {found[role]} and so on"
        )
    return dict(families[complete[0]]) if complete else _merged(families)


def _merged(families: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    merged: dict[str, T] = {}
    for roles in families.values():
        merged = {**roles, **merged}
    return merged


def build_table(
    offsets: NDArray[np.int64],
    constituents: Mapping[str, Column],
    columns: Mapping[str, Column],
    *,
    factors: Mapping[str, float | None],
    first_row: int,
) -> EventTable:
    """Return events with ``pt``, ``phi``, and ``eta`` or ``rapidity`` in GeV and rad.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_events + 1,), from 0.
    constituents : mapping
        Role to array of shape (n_constituents,), as in the file. Where there is a ``mask``, what it
        is 0 for is left out.
    columns : mapping
        Event column to array of shape (n_events,), in GeV and rad.
    factors : mapping
        Role to what it is multiplied by, as `detcnn.sources.layouts.columns.unit_factor` says.
    first_row : int
        Row of the first event in its file.
    """
    if "mask" in constituents:
        is_real = constituents["mask"] != 0
        offsets = np.concatenate([[0], np.cumsum(is_real)])[offsets]
        constituents = {role: values[is_real] for role, values in constituents.items()}
    found = {
        role: in_house_units(values, factors.get(role))
        for role, values in constituents.items()
        if role != "mask"
    }
    found = as_pt_eta_phi(as_absolute(offsets, found, columns))
    return EventTable(offsets, found, columns, first_row=first_row)
