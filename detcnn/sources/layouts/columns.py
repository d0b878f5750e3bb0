"""Finding out which column plays which part, by the names physicists use."""

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from detcnn.errors import ConfigError
from detcnn.events.table import Column
from detcnn.events.units import plain_unit

CONSTITUENT_ROLES: dict[str, tuple[str, ...]] = {
    "pt": ("pt",),
    "eta": ("eta",),
    "rapidity": ("rapidity", "rap", "y"),
    "phi": ("phi",),
    "energy": ("energy", "e"),
    "mass": ("mass", "m"),
    "px": ("px",),
    "py": ("py",),
    "pz": ("pz",),
    "pt_rel": ("pt_rel", "ptrel"),
    "eta_rel": ("eta_rel", "etarel"),
    "phi_rel": ("phi_rel", "phirel"),
    "charge": ("charge", "q"),
    "pdgid": ("pdgid", "pdg_id", "pid", "pdg"),
    "is_photon": ("is_photon", "isphoton"),
    "is_electron": ("is_electron", "iselectron"),
    "is_muon": ("is_muon", "ismuon"),
    "mask": ("mask",),
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

_MOMENTA = {"GeV": 1.0, "MeV": 1e-3, "TeV": 1e3}
_ANGLES = {"rad": 1.0, "deg": math.pi / 180}
MOMENTUM_ROLES = ("pt", "energy", "mass", "px", "py", "pz", "et")
"""Roles and event columns that are in GeV."""

QUANTITIES = (*MOMENTUM_ROLES, "eta", "rapidity", "phi", "pt_rel", "eta_rel", "phi_rel")
"""Roles and event columns that are measured, so that truth values cannot stand for them."""


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
        As configured or as the file states it. None, and units of quantities that have none in
        this house, mean that the column is taken as it is.

    Returns
    -------
    float or None
        None where nothing is to be done.

    Raises
    ------
    ConfigError
        If the role is a momentum or an angle and the unit is none of that quantity.
    """
    # A unit may carry a remark: "rad in [-pi, pi)".
    words = (unit or "").lower().split()
    if not words:
        return None
    expected = _MOMENTA if role in MOMENTUM_ROLES else _ANGLES if role == "phi" else None
    known = {name.lower(): factor for name, factor in (expected or _MOMENTA | _ANGLES).items()}
    if expected and words[0] not in known:
        raise ConfigError(f"column {role!r}: unit {unit!r}, expected one of {', '.join(expected)}")
    factor = known.get(words[0], 1.0)
    return None if factor == 1.0 else factor


def house_unit(unit: str | None) -> str:
    """Return the unit of a column in the store, of the one that is stated; empty if none is."""
    plain = plain_unit(unit)
    if plain in _MOMENTA:
        return "GeV"
    return "rad" if plain in _ANGLES else plain


def in_house_units(column: Column, factor: float | None) -> Column:
    """Return a column in GeV or rad, as float32 where it was floating or changes.

    What float32 cannot hold becomes infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if factor is not None:
            return np.asarray(column * np.float64(factor), dtype=np.float32)
        return column.astype(np.float32, copy=False) if column.dtype.kind == "f" else column
