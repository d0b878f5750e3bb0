"""Jet observables: one number for each jet, worked out of its constituents."""

from collections.abc import Collection, Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.events.selections import distinct
from detcnn.events.table import Column, EventTable
from detcnn.kernels import observables as kernel
from detcnn.kernels.angles import wrapped

OBSERVABLES = (
    "jet_multiplicity",
    "jet_mass",
    "jet_width",
    "jet_ptd",
    "jet_tau21",
    "jet_tau32",
)

_TAUS = {"jet_tau21", "jet_tau32"}
_LARGEST = 1e30

MassesFrom = Literal["mass", "energy", "pdgid", "nothing"]


def masses_from(roles: Collection[str]) -> MassesFrom:
    """Return the best there is to take constituent masses from: a column of `roles`, or nothing."""
    known: tuple[MassesFrom, ...] = ("mass", "energy", "pdgid")
    return next((role for role in known if role in roles), "nothing")


def jet_observables(
    table: EventTable, names: Iterable[str], *, longitudinal: str, masses: MassesFrom
) -> dict[str, Column]:
    """Return observables of jets.

    The sums run over the constituents with pT > 0, whose four-momenta have the mass that `masses`
    tells; ΔR is taken in rapidity and azimuth, from the axis of the summed four-momentum
    (E-scheme) unless stated otherwise.

    ``jet_multiplicity``
        Number of constituents.
    ``jet_mass``
        Invariant mass of their sum [GeV].
    ``jet_width``
        Σ pT ΔR / Σ pT [rad], also called girth (Gallicchio & Schwartz, JHEP 04 (2013) 090).
    ``jet_ptd``
        √(Σ pT²) / Σ pT, from 0 to 1 (CMS, arXiv:1409.3072).
    ``jet_tau21``, ``jet_tau32``
        Ratios τ2/τ1 and τ3/τ2 of the N-subjettiness with β = 1 about the axes of exclusive kT
        subjets (Thaler & Van Tilburg, JHEP 03 (2011) 015, eq. 1 and section 2.1). The radius in its
        normalisation drops out. A little above 1 at most, for such axes are not the best ones.

    A jet without any pT has 0 for all but the ratios. With no more than N constituents τ_N is 0; a
    ratio with τ_(N−1) = 0 is `detcnn.kernels.observables.UNDEFINED`, −1, so that every value is a
    number and the jets without a ratio stand apart.

    Parameters
    ----------
    table : EventTable
        Left as it is. Needs the constituent columns ``pt``, ``phi``, `longitudinal`, and the one
        that `masses` names.
    names : iterable of str
        Of `OBSERVABLES`.
    longitudinal : str
        ``"eta"`` or ``"rapidity"``: the coordinate that momenta are worked out from.
    masses : {"mass", "energy", "pdgid", "nothing"}
        What tells the masses of the constituents. Negative masses, energies below the momentum and
        species of unknown mass count as massless; ``"nothing"`` takes all as massless.

    Returns
    -------
    dict
        Name to array of shape (n_events,): int64 for the multiplicity, else float32.

    Raises
    ------
    DataError
        If a value is NaN or beyond ±1e30, a pT is negative, or a result is beyond float32; the
        message names the event.
    """
    names = list(names)
    constituents = _four_momenta(table, longitudinal, masses)
    found = kernel.jet_observables(constituents, not _TAUS.isdisjoint(names))
    columns = {f"jet_{name}": values for name, values in found._asdict().items()}
    return {name: _stored(name, columns[name], table) for name in names}


def _stored(name: str, values: NDArray[np.float64], table: EventTable) -> Column:
    if name == "jet_multiplicity":
        return values.astype(np.int64)
    with np.errstate(over="ignore"):
        column = values.astype(np.float32)
    bad = ~np.isfinite(column)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{_event(table, row)}: {name} is {values[row]:g}, beyond what can be kept; mend or "
            "drop the event"
        )
    return column


def _four_momenta(table: EventTable, longitudinal: str, masses: MassesFrom) -> kernel.Constituents:
    columns = {
        name: np.asarray(table.constituents[name], dtype=np.float64)
        for name in ("pt", "phi", longitudinal, *(() if masses == "nothing" else (masses,)))
    }
    for name, values in columns.items():
        if name != "pdgid":
            _check_values(name, values, table, lowest=0.0 if name == "pt" else -_LARGEST)
    pt, rapidity = columns["pt"], columns[longitudinal]
    transverse_mass = pt
    if masses != "nothing":
        along = np.clip(rapidity, -kernel.MAX_RAPIDITY, kernel.MAX_RAPIDITY)
        if masses == "energy":
            energy = columns["energy"]
            if longitudinal == "rapidity":
                transverse_mass = energy / np.cosh(along)
            else:
                transverse_mass = np.sqrt(np.maximum(energy**2 - (pt * np.sinh(along)) ** 2, 0))
            transverse_mass = np.maximum(transverse_mass, pt)
        else:
            mass = columns["mass"] if masses == "mass" else _masses_of_species(columns["pdgid"])
            transverse_mass = np.hypot(pt, np.maximum(mass, 0))
        if longitudinal == "eta":
            # pz = pT sinh η = mT sinh y.
            share = np.divide(pt, transverse_mass, out=np.ones(len(pt)), where=pt > 0)
            rapidity = np.arcsinh(share * np.sinh(along))
    return kernel.Constituents(
        offsets=table.offsets.astype(np.int64),
        pt=pt,
        transverse_mass=transverse_mass,
        rapidity=rapidity,
        phi=wrapped(columns["phi"]),
    )


def _masses_of_species(pdgid: NDArray[np.float64]) -> NDArray[np.float64]:
    from particle import InvalidParticle, Particle, ParticleNotFound

    species, inverse = distinct(pdgid)
    mass = np.zeros(len(species))
    for i, number in enumerate(species.tolist()):
        try:
            mass[i] = (Particle.from_pdgid(int(number)).mass or 0.0) / 1000
        except (InvalidParticle, ParticleNotFound, ValueError, OverflowError):
            continue
    return mass[inverse]


def _check_values(
    name: str, values: NDArray[np.float64], table: EventTable, *, lowest: float
) -> None:
    is_good = (values >= lowest) & (values <= _LARGEST)
    if not is_good.all():
        bad = int(np.argmin(is_good))
        row = int(np.searchsorted(table.offsets, bad, side="right")) - 1
        raise DataError(
            f"{_event(table, row)}, constituent {bad - int(table.offsets[row])}: "
            f"{name} is {values[bad]}, expected {lowest:g} to {_LARGEST:g}; mend or drop the event"
        )


def _event(table: EventTable, row: int) -> str:
    return f"event in row {table.first_row + row}"
