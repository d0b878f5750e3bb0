"""Finding out which column plays which part, by the names physicists use."""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from detcnn.errors import ConfigError
from detcnn.events.table import Column

CONSTITUENT_ROLES: dict[str, tuple[str, ...]] = {
    "pt": ("pt",),
    "eta": ("eta",),
    "rapidity": ("rapidity", "rap", "y"),
    "phi": ("phi",),
    "energy": ("energy", "e"),
    "mass": ("mass", "m"),
    "charge": ("charge", "q"),
    "pdgid": ("pdgid", "pdg_id", "pid", "pdg"),
}
"""Role of a constituent column to the names it goes by, in lower case and without a prefix."""

EVENT_ROLES: dict[str, tuple[str, ...]] = {
    "label": ("label", "labels", "target", "is_signal", "is_signal_new"),
    "weight": ("weight", "weights", "event_weight"),
    "event_id": ("event_id", "event", "eventnumber", "event_number"),
    "rapidity": ("y",),
}
"""Event columns that are known by several names; every other column keeps its own."""

OFFSET_NAMES = ("offsets", "offset", "indptr")

_PREFIX = re.compile(r"^(part|particle|constituent|cand|pf|jet|fatjet)s?_")

_FACTORS = {"gev": 1.0, "mev": 1e-3, "tev": 1e3, "rad": 1.0, "deg": np.pi / 180}
_MOMENTA = ("pt", "energy", "mass")
_ANGLES = ("phi",)


def plain_name(name: str) -> str:
    """Return a column name in lower case without prefixes such as ``part_``."""
    return _PREFIX.sub("", name.lower())


def find_role(name: str, roles: Mapping[str, Iterable[str]]) -> str | None:
    """Return the role that a column of this name plays, or None."""
    plain = plain_name(name)
    return next((role for role, names in roles.items() if plain in names), None)


def unit_factor(role: str, unit: str | None) -> float | None:
    """Return what a column is multiplied by to be in GeV or rad.

    Parameters
    ----------
    role : str
        The column's role or name.
    unit : str or None
        As configured or as the file states it. None, "1" and units of other quantities mean that
        the column is taken as it is.

    Returns
    -------
    float or None
        None where nothing is to be done.

    Raises
    ------
    ConfigError
        If the role has a momentum's or an angle's name and the unit is none of that quantity.
    """
    allowed: tuple[str, ...]
    if role in _MOMENTA:
        allowed = ("GeV", "MeV", "TeV")
    elif role in _ANGLES:
        allowed = ("rad", "deg")
    else:
        return None
    if unit is None:
        return None
    # A unit may carry a remark: "rad in [-pi, pi)".
    word = unit.split()[0] if unit.split() else ""
    if word.lower() not in [entry.lower() for entry in allowed]:
        raise ConfigError(f"column {role!r}: unit {unit!r}, expected one of {', '.join(allowed)}")
    factor = _FACTORS[word.lower()]
    return None if factor == 1.0 else float(factor)


def in_house_units(column: Column, factor: float | None) -> Column:
    """Return a column in GeV or rad, as float32 where it was floating or changes."""
    if factor is not None:
        return np.asarray(column * factor, dtype=np.float32)
    if column.dtype.kind == "f" and column.dtype != np.float32:
        return column.astype(np.float32)
    return column
