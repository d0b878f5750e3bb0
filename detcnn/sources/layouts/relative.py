"""Constituents in coordinates relative to their jet, put where the jet is."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.table import Column

_PARTS = {"pt_rel": "pt", "eta_rel": "eta", "phi_rel": "phi"}


def check_jets(
    path: Path,
    constituents: Mapping[str, object],
    columns: Mapping[str, object],
    *,
    near: Callable[[str], str],
) -> None:
    """Raise if relative coordinates are to be used, and the file does not say where the jets are.

    Parameters
    ----------
    path : Path
        The file, for the message.
    constituents, columns : mapping
        Roles of constituents and event columns that were found.
    near : callable
        Name of an event column to what is to be said of those that are nearly it.

    Raises
    ------
    ConfigError
        Naming the column of the jets that was not found.
    """
    for role in ("pt_rel", "eta_rel"):
        part = _PARTS[role]
        if role in constituents and part not in constituents and part not in columns:
            raise ConfigError(
                f"{path}: {role} of the constituents is relative to the {part} of the jet, and no "
                f"such column was found{near(part)}: name it in the study as columns.{part}"
            )


def as_absolute(
    offsets: NDArray[np.int64], constituents: Mapping[str, Column], columns: Mapping[str, Column]
) -> dict[str, Column]:
    """Return constituents with ``pt``, ``eta`` and ``phi`` in place of ``pt_rel`` and so on.

    pT = pT_rel · pT(jet), η = η_rel + η(jet), φ = φ_rel + φ(jet), with φ(jet) = 0 where the file
    does not tell it (the definitions of JetNet: Kansal et al., arXiv:2106.11535, section 2). What
    the input has itself is kept. φ may lie outside of [−π, π).

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape (n_events + 1,).
    constituents : mapping
        Role to array of shape (n_constituents,), in GeV and rad.
    columns : mapping
        Event column to array of shape (n_events,), in GeV and rad.

    Returns
    -------
    dict
        Role to array; what is worked out is float32, worked out in float64.
    """
    found = {role: values for role, values in constituents.items() if role not in _PARTS}
    counts = np.diff(offsets)
    for role, part in _PARTS.items():
        if role not in constituents or part in found:
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            values = constituents[role].astype(np.float64)
            jet = np.repeat(columns.get(part, np.zeros(len(counts))).astype(np.float64), counts)
            absolute = values * jet if part == "pt" else values + jet
            found[part] = absolute.astype(np.float32)
    return found
