"""Which constituents a channel takes."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import Column

PDG_IDS: dict[str, tuple[int, ...]] = {
    "photon": (22,),
    "electron": (11, -11),
    "muon": (13, -13),
}
"""Named selections by species (PDG Monte Carlo numbering scheme)."""

_CLOSE = 1 << 16
"""Whole numbers that are all closer to 0 than this are looked up, others sorted."""

SELECTIONS = ("all", "charged", "neutral", *PDG_IDS)


def charges(constituents: Mapping[str, Column]) -> Column:
    """Return the electric charge of each constituent, in units of e.

    Parameters
    ----------
    constituents : mapping
        Constituent columns; ``charge`` is taken where there is one, else ``pdgid`` is looked up.

    Returns
    -------
    numpy.ndarray
        Shape (n_constituents,).

    Raises
    ------
    DataError
        If neither column is there, a charge is not finite, or a PDG id names no known particle.
    """
    if "charge" in constituents:
        given = constituents["charge"]
        if given.dtype.kind == "f" and not np.all(np.isfinite(given)):
            raise DataError(
                f"constituent column 'charge' holds {given[~np.isfinite(given)][0]}, "
                "expected charges in units of e"
            )
        return given
    if "pdgid" not in constituents:
        raise DataError(
            "charged and neutral constituents cannot be told apart: the input has neither a "
            "'charge' nor a 'pdgid' column for constituents; use channels of 'all' constituents"
        )
    from particle import pdgid

    species, inverse = distinct(constituents["pdgid"])
    charge = np.empty(len(species), dtype=np.float32)
    for i, number in enumerate(species.tolist()):
        three_charge = pdgid.three_charge(number) if float(number).is_integer() else None
        if three_charge is None:
            raise DataError(
                f"constituent column 'pdgid' holds {number}, which is no particle of the PDG "
                "numbering scheme"
            )
        charge[i] = three_charge / 3
    return charge[inverse]


def distinct(numbers: Column) -> tuple[Column, NDArray[np.int64]]:
    """Return the different numbers of a column, rising, and which of them each row has.

    As ``numpy.unique(numbers, return_inverse=True)``, but without a sort where they lie close
    together, as those of stable particles do.
    """
    # NaN compares false, so that no number is cast that cannot be.
    if len(numbers) > 0 and numbers.min() > -_CLOSE and numbers.max() < _CLOSE:
        whole = numbers.astype(np.int64)
        if numbers.dtype.kind == "i" or np.array_equal(whole, numbers):
            lowest = int(whole.min())
            whole -= lowest
            is_there = np.bincount(whole) > 0
            species = np.flatnonzero(is_there) + lowest
            return species.astype(numbers.dtype), (np.cumsum(is_there) - 1)[whole]
    species, inverse = np.unique(numbers, return_inverse=True)
    return species, inverse


def select(constituents: Mapping[str, Column], selection: str | Sequence[int]) -> NDArray[np.bool_]:
    """Tell which constituents belong to a selection.

    Parameters
    ----------
    constituents : mapping
        Constituent columns; without ``pdgid``, ``is_photon``, ``is_electron`` and ``is_muon`` tell
        these species, where they are not 0.
    selection : str or sequence of int
        One of `SELECTIONS`, or PDG ids (a sign counts: 11 is the electron alone).

    Returns
    -------
    numpy.ndarray
        bool, shape (n_constituents,).

    Raises
    ------
    ConfigError
        If the name is unknown.
    DataError
        If the columns that the selection needs are not there.
    """
    if selection == "all":
        return np.ones(len(constituents["pt"]), dtype=np.bool_)
    if selection == "charged":
        return np.asarray(charges(constituents) != 0)
    if selection == "neutral":
        return np.asarray(charges(constituents) == 0)
    if isinstance(selection, str):
        if selection not in PDG_IDS:
            raise ConfigError(
                f"unknown selection {selection!r}: expected one of {', '.join(SELECTIONS)}, "
                "or a list of PDG ids"
            )
        flag = f"is_{selection}"
        if "pdgid" not in constituents and flag in constituents:
            return np.asarray(constituents[flag] != 0)
        selection = PDG_IDS[selection]
    if "pdgid" not in constituents:
        raise DataError(
            "particles cannot be selected by species: the input has no constituent column 'pdgid', "
            "and of the species that have a name none of is_photon, is_electron or is_muon"
        )
    return np.isin(constituents["pdgid"], selection)
