"""What each channel of an image adds up, over which constituents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.selections import charges, select
from detcnn.events.table import Column

WEIGHTS = ("pt", "energy", "count", "charge", "charge_pt")

MAX_CHANNELS = 64
"""Membership is kept as one bit for each of their selections."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One image plane: a weight added up over a selection of constituents.

    Parameters
    ----------
    name : str
        As it appears in the store and on figures.
    weight : str
        ``"pt"`` [GeV]; ``"energy"`` [GeV]; ``"count"``, one for each constituent; ``"charge"``
        [e]; ``"charge_pt"`` [e GeV], charge times pT.
    selection : str or tuple of int
        As in `detcnn.events.selections.select`: ``"all"``, ``"charged"``, ``"neutral"``,
        ``"photon"``, ``"electron"``, ``"muon"``, or PDG ids.

    Raises
    ------
    ConfigError
        If the weight is unknown.
    """

    name: str
    weight: str = "pt"
    selection: str | tuple[int, ...] = "all"

    def __post_init__(self) -> None:
        if self.weight not in WEIGHTS:
            raise ConfigError(
                f"channel {self.name!r}: unknown weight {self.weight!r}, "
                f"expected one of {', '.join(WEIGHTS)}"
            )

    @property
    def is_normalised(self) -> bool:
        """Whether `Normalise` acts on it: true of momenta and energies, not of plain numbers."""
        return self.weight in ("pt", "energy", "charge_pt")


def distinct_weights(channels: Sequence[Channel]) -> list[str]:
    """Return the weights that the channels use, each once, in order of first use."""
    return list(dict.fromkeys(channel.weight for channel in channels))


def with_charges(
    constituents: Mapping[str, Column], channels: Sequence[Channel]
) -> Mapping[str, Column]:
    """Return the columns with ``charge`` among them if the channels need it.

    Raises
    ------
    DataError
        As in `detcnn.events.selections.charges`.
    """
    is_needed = any(
        channel.selection in ("charged", "neutral") or channel.weight in ("charge", "charge_pt")
        for channel in channels
    )
    return {**constituents, "charge": charges(constituents)} if is_needed else constituents


def distinct_selections(channels: Sequence[Channel]) -> list[str | tuple[int, ...]]:
    """Return the selections that the channels use, each once, in order of first use."""
    return list(dict.fromkeys(channel.selection for channel in channels))


def membership(
    constituents: Mapping[str, Column], channels: Sequence[Channel]
) -> NDArray[np.unsignedinteger]:
    """Tell for each constituent which selections take it.

    Parameters
    ----------
    constituents : mapping
        Constituent columns.
    channels : sequence of Channel
        At most `MAX_CHANNELS`.

    Returns
    -------
    numpy.ndarray
        uint8 for up to 8 selections, else uint64; shape (n_constituents,): bit ``s`` is set if
        selection ``s`` of `distinct_selections` takes the constituent.

    Raises
    ------
    ConfigError, DataError
        As in `detcnn.events.selections.select`.
    """
    selections = distinct_selections(channels)
    dtype = np.dtype(np.uint8 if len(selections) <= 8 else np.uint64)
    members: NDArray[np.unsignedinteger] = np.zeros(len(constituents["pt"]), dtype=dtype)
    for number, selection in enumerate(selections):
        members |= select(constituents, selection) * dtype.type(1 << number)
    return members


def weight_columns(
    constituents: Mapping[str, Column], weights: Sequence[str], *, longitudinal: str
) -> NDArray[np.float64]:
    """Return what each constituent weighs.

    Energy is the column ``energy`` where there is one. Otherwise it is √(pT² + m²) cosh(y) if
    `longitudinal` is the rapidity, and √(pT² cosh²(η) + m²) if it is the pseudorapidity, with m = 0
    where there is no column ``mass``.

    Parameters
    ----------
    constituents : mapping
        Constituent columns.
    weights : sequence of str
        Of `WEIGHTS`.
    longitudinal : str
        ``"eta"`` or ``"rapidity"``: the column that energies are worked out from.

    Returns
    -------
    numpy.ndarray
        float64, shape (len(weights), n_constituents); infinite where an energy overflows.

    Raises
    ------
    DataError
        If charges are asked for and the input has neither ``charge`` nor ``pdgid``.
    """
    pt = constituents["pt"]
    columns = np.empty((len(weights), len(pt)))
    for column, weight in zip(columns, weights, strict=True):
        if weight == "pt":
            column[:] = pt
        elif weight == "count":
            column[:] = 1
        elif weight == "energy":
            column[:] = _energies(constituents, longitudinal)
        else:
            column[:] = charges(constituents)
            if weight == "charge_pt":
                column *= pt
    return columns


def _energies(constituents: Mapping[str, Column], longitudinal: str) -> Column:
    if "energy" in constituents:
        return constituents["energy"]
    pt = constituents["pt"].astype(np.float64)
    mass = constituents["mass"].astype(np.float64) if "mass" in constituents else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        cosh = np.cosh(constituents[longitudinal].astype(np.float64))
        if longitudinal == "rapidity":
            return np.hypot(pt, mass) * cosh
        return np.hypot(pt * cosh, mass)
