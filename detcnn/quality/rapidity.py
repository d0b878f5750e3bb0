"""Whether a column called eta is one, and a rapidity column one.

Nothing is ever changed for it: which of the two a column is, is stated and never guessed.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detcnn.events.table import EventTable
from detcnn.quality.findings import Finding, Place

FEWEST = 20
"""Values that must tell the two apart before anything is said."""

SHARE = 0.9
"""Of those, how many must speak for the other quantity."""

RESOLUTION = 1e-3
"""Smallest difference between η and y that counts: a hundred times what float32 rounds away."""

_OTHER = {"eta": "rapidity", "rapidity": "eta"}
_USED = {"pt", "eta", "rapidity", "energy", "mass"}
_MISSING = 0.05
_LARGEST = 20.0
"""|η| beyond which cosh η says nothing in float32."""


def rapidity_findings(table: EventTable, place: Place) -> tuple[Finding, ...]:
    """Tell whether a column called ``eta`` looks like rapidity, or the reverse.

    For a massive particle |y| < |η|. Three things tell the two apart, for constituents and for
    events, each on the values where they differ by `RESOLUTION` or more; a warning is given if
    there are `FEWEST` of these or more and a share of `SHARE` speaks for the other quantity:

    1. with ``eta`` and ``rapidity``: whether |y| > |η|, which means that they are swapped;
    2. with pT, energy and mass: whether E = √(pT² cosh² x + m²), as for x = η, or
       E = √(pT² + m²) cosh x, as for x = y;
    3. for events, with all constituents: whether x is nearer to η or to y of the sum of the
       constituents, taken as massless.

    Parameters
    ----------
    table : EventTable
        The first block of a file will do; NaN and infinities are left out.
    place : Place
        Where it comes from.

    Returns
    -------
    tuple of Finding
        At most one for constituents and one a column for events; `count` is the number of values
        that speak for the other quantity.
    """
    findings = []
    for columns, datasets, of in (
        (table.constituents, place.constituents, "the constituents' "),
        (table.columns, place.columns, "the events' "),
    ):
        names = {name: datasets.get(name, f"{of}{name}") for name in _OTHER}
        floats = {
            name: np.asarray(columns[name], dtype=np.float64) for name in _USED & columns.keys()
        }
        findings += _of_one_kind(floats, names, place)
    if not findings:
        names = {name: place.columns.get(name, f"the events' {name}") for name in _OTHER}
        findings += _against_constituents(table, names, place)
    return tuple(findings)


def _of_one_kind(
    columns: Mapping[str, NDArray[np.float64]], names: Mapping[str, str], place: Place
) -> list[Finding]:
    """Compare columns of the same objects with each other: the first two ways."""
    if {"eta", "rapidity"} <= columns.keys():
        eta, y = np.abs(columns["eta"]), np.abs(columns["rapidity"])
        tells = np.isfinite(eta) & np.isfinite(y) & (np.abs(eta - y) > RESOLUTION)
        swapped = f"{names['eta']} and {names['rapidity']} look swapped: |y| > |eta|"
        return _finding(y[tells] > eta[tells], swapped, place)
    if not {"pt", "energy", "mass"} <= columns.keys():
        return []
    pt, energy, mass = (columns[name] for name in ("pt", "energy", "mass"))
    for name in _OTHER.keys() & columns.keys():
        x = np.where(np.abs(columns[name]) < _LARGEST, columns[name], np.nan)
        with np.errstate(invalid="ignore", over="ignore"):
            expected = {
                "eta": np.hypot(pt * np.cosh(x), mass),
                "rapidity": np.hypot(pt, mass) * np.cosh(x),
            }
            # A NaN compares as False, and so tells nothing.
            tells = np.abs(expected["eta"] - expected["rapidity"]) > RESOLUTION * energy
            own, other = (np.abs(energy - expected[n])[tells] for n in (name, _OTHER[name]))
        return _finding(other < own, f"{names[name]} looks like {_OTHER[name]}", place)
    return []


def _against_constituents(
    table: EventTable, names: Mapping[str, str], place: Place
) -> list[Finding]:
    """Compare the events' columns with the sum of their constituents: the third way."""
    asked = _OTHER.keys() & table.columns.keys()
    if not asked:
        return []
    name = "eta" if "eta" in table.constituents else "rapidity"
    pt, x, phi = (
        np.asarray(table.constituents[role], dtype=np.float64) for role in ("pt", name, "phi")
    )
    owner = np.repeat(np.arange(table.n_events), np.diff(table.offsets))
    x = np.where(np.abs(x) < _LARGEST, x, np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        components = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(x), pt * np.cosh(x))
    px, py, pz, energy = (
        np.bincount(owner, weights=component, minlength=table.n_events) for component in components
    )
    total = np.hypot(px, py)
    with np.errstate(all="ignore"):
        expected = {"eta": np.arcsinh(pz / total), "rapidity": np.arctanh(pz / energy)}
        is_whole = np.abs(total / np.asarray(table.columns.get("pt", total)) - 1) < _MISSING
        tells = is_whole & (np.abs(expected["eta"] - expected["rapidity"]) > 5 * RESOLUTION)
    findings = []
    for column in sorted(asked):
        given = np.asarray(table.columns[column], dtype=np.float64)[tells]
        own = np.abs(given - expected[column][tells])
        other = np.abs(given - expected[_OTHER[column]][tells])
        message = f"{names[column]} looks like {_OTHER[column]}: that of the constituents' sum"
        findings += _finding(other < own / 3, message, place)
    return findings


def _finding(speaks_for_other: NDArray[np.bool_], message: str, place: Place) -> list[Finding]:
    count = int(np.count_nonzero(speaks_for_other))
    if len(speaks_for_other) < FEWEST or count < SHARE * len(speaks_for_other):
        return []
    remedy = "name the column as what it is: constituents.rapidity or columns.rapidity in the study"
    return [Finding("eta-or-rapidity", "warning", count, place.name, message, remedy)]
