"""Whether momenta look like GeV and angles like radians.

A reader converts what a file or a study states, so these are about what is stated wrongly or not at
all. Nothing is ever changed for it: units are stated, never guessed.
"""

import numpy as np
from numpy.typing import NDArray

from detcnn.events.table import Column, EventTable
from detcnn.quality.findings import Finding, Place, Severity

HIGHEST_PT = 7000.0
"""GeV: half the energy of the largest collider, which no jet's pT exceeds."""

LOWEST_PT = 1.0
"""GeV: below, no jet is defined; pT in TeV, or as a fraction of the jet's, lies there."""

LARGEST_RATIO = 30.0
"""Of an event's pT to that of its constituents; MeV against GeV is 1000."""

LARGEST_ANGLE = 2 * np.pi * (1 + 1e-6)
"""rad: both [−π, π) and [0, 2π) lie within."""

SMALLEST_SPREAD = 0.11
"""rad: 360° that were taken for radians and divided by 180/π once more lie within ±0.11."""

_FEWEST = 100


def unit_findings(table: EventTable, place: Place) -> tuple[Finding, ...]:
    """Tell whether pT, energy and φ of a block of events have the units of this house.

    - Trouble if the median pT of events (the sum of the constituents' where the event has none)
      is above `HIGHEST_PT`: MeV. A warning if it is below `LOWEST_PT`: TeV, or fractions.
    - Trouble if the events' pT and that of their constituents differ by more than `LARGEST_RATIO`
      in the median: one of the two is in another unit.
    - Trouble if half of the constituents have an energy below 0.9 or above 30 times their momentum
      (with an ``eta`` column).
    - Trouble if one in a hundred φ, of constituents or events, lies beyond `LARGEST_ANGLE`:
      degrees; a warning if fewer do. A warning if 100 or more φ all lie within `SMALLEST_SPREAD`
      of zero: radians that were stated as degrees.

    Parameters
    ----------
    table : EventTable
        The first block of a file will do; NaN and infinities are left out.
    place : Place
        Where it comes from.

    Returns
    -------
    tuple of Finding
        `count` is the number of values beyond the threshold.
    """
    findings = [*_momentum_findings(table, place)]
    if "phi" in table.constituents:
        name = place.constituents.get("phi", "the constituents' phi")
        findings += _angle_findings(table.constituents["phi"], name, place)
    if "phi" in table.columns:
        name = place.columns.get("phi", "the events' phi")
        findings += _angle_findings(table.columns["phi"], name, place)
    return tuple(findings)


def constituent_pt_sums(table: EventTable) -> NDArray[np.float64]:
    """Return the scalar sum of the constituents' pT [GeV], shape (n_events,)."""
    owner = np.repeat(np.arange(table.n_events), np.diff(table.offsets))
    sums = np.bincount(owner, weights=table.constituents["pt"], minlength=table.n_events)
    return np.asarray(sums, dtype=np.float64)


def _momentum_findings(table: EventTable, place: Place) -> list[Finding]:
    findings = []
    sums = constituent_pt_sums(table)
    pt = np.asarray(table.columns.get("pt", sums), dtype=np.float64)
    is_usable = (pt > 0) & (sums > 0) & np.isfinite(pt) & np.isfinite(sums)
    pt, sums = pt[is_usable], sums[is_usable]
    if not len(pt):
        return []
    name = place.constituents.get("pt", "the constituents' pt")
    if "pt" in table.columns:
        name = place.columns.get("pt", "pt")
    median = float(np.median(pt))
    if median > HIGHEST_PT:
        findings.append(
            _momentum_finding(
                "trouble",
                int(np.count_nonzero(pt > HIGHEST_PT)),
                place,
                f"{name}: {median:.4g} GeV in the median event, more than any collider gives: MeV?",
            )
        )
    elif median < LOWEST_PT:
        findings.append(
            _momentum_finding(
                "warning",
                int(np.count_nonzero(pt < LOWEST_PT)),
                place,
                f"{name}: {median:.4g} GeV in the median event: TeV, or fractions of a jet's pT?",
            )
        )
    ratio = pt / sums
    middle = float(np.median(ratio))
    if not 1 / LARGEST_RATIO < middle < LARGEST_RATIO:
        findings.append(
            _momentum_finding(
                "trouble",
                int(np.count_nonzero((ratio > LARGEST_RATIO) | (ratio < 1 / LARGEST_RATIO))),
                place,
                f"{name} is {middle:.3g} times the sum of the constituents' pT: "
                "one of the two is in another unit",
                # By its own name: "pt" is that of both.
                column=place.constituents.get("pt", "pt"),
            )
        )
    if {"energy", "eta"} <= table.constituents.keys():
        findings += _energy_findings(table, place)
    return findings


def _energy_findings(table: EventTable, place: Place) -> list[Finding]:
    pt, eta, energy = (
        np.asarray(table.constituents[role], dtype=np.float64) for role in ("pt", "eta", "energy")
    )
    with np.errstate(all="ignore"):
        ratio = energy / (pt * np.cosh(eta))
    ratio = ratio[np.isfinite(ratio)]
    if not len(ratio) or 0.9 <= (middle := float(np.median(ratio))) <= LARGEST_RATIO:
        return []
    name = place.constituents.get("energy", "the constituents' energy")
    return [
        _momentum_finding(
            "trouble",
            int(np.count_nonzero((ratio < 0.9) | (ratio > LARGEST_RATIO))),
            place,
            f"{name} is {middle:.3g} times the momentum: one of the two is in another unit",
            column="energy",
        )
    ]


def _momentum_finding(
    severity: Severity, count: int, place: Place, message: str, *, column: str = "pt"
) -> Finding:
    remedy = f"state the unit in the study: units: {{{column}: MeV}}"
    return Finding("momentum-units", severity, count, place.name, message, remedy)


def _angle_findings(values: Column, name: str, place: Place) -> list[Finding]:
    sizes = np.abs(values[np.isfinite(values)])
    if not len(sizes):
        return []
    largest = float(sizes.max())
    beyond = int(np.count_nonzero(sizes > LARGEST_ANGLE))
    severity: Severity = "trouble" if beyond > len(sizes) / 100 else "warning"
    if beyond:
        message = f"{name} goes up to {largest:.4g} in size, beyond 2π"
        message += ": degrees?" if severity == "trouble" else ""
        remedy = "state the unit in the study: units: {phi: deg}"
    elif len(sizes) >= _FEWEST and largest < SMALLEST_SPREAD:
        severity, beyond = "warning", len(sizes)
        message = f"{name} stays within {largest:.3g} of zero: radians stated as degrees?"
        remedy = "state the unit in the study: units: {phi: rad}"
    else:
        return []
    return [Finding("angle-units", severity, beyond, f"{place.name}, {name}", message, remedy)]
