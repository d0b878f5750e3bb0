"""Four-vectors as they come, in the coordinates of this house."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.table import Column

_CARTESIAN = ("px", "py", "pz")
_RELATIVE = ("pt_rel", "eta_rel", "phi_rel")


def has_coordinates(roles: Collection[str]) -> bool:
    """Tell whether constituents of these roles can be put on an η–φ plane."""
    return (
        all(role in roles for role in _CARTESIAN)
        or all(role in roles for role in _RELATIVE)
        or ("pt" in roles and "phi" in roles and ("eta" in roles or "rapidity" in roles))
    )


def check_coordinates(path: Path, roles: Collection[str], *, hint: str = "") -> None:
    """Raise if constituents of these roles cannot be put on an η–φ plane.

    Parameters
    ----------
    path : Path
        The file, for the message.
    roles : collection of str
        What was found.
    hint : str
        What else there is to say of the file.

    Raises
    ------
    ConfigError
        Naming the part that was not found.
    """
    if has_coordinates(roles):
        return
    missing = [role for role in ("pt", "phi") if role not in roles]
    if not {"eta", "rapidity"} & set(roles):
        missing.append("eta")
    raise ConfigError(
        f"{path}: no column found for {' and '.join(missing)} of the constituents: "
        f"name it in the study as constituents.{missing[0]}, or name px, py and pz{hint}"
    )


def as_pt_eta_phi(constituents: Mapping[str, Column]) -> dict[str, Column]:
    """Return constituents with ``pt``, ``phi``, and ``eta`` or ``rapidity``.

    Cartesian momenta become pT = √(px² + py²), φ = atan2(py, px) and η = asinh(pz / pT); with
    ``energy`` also the rapidity y = ½ ln((E + pz) / (E − pz)) = asinh(pz / √(E² − pz²)). What the
    input has itself is kept, and ``px``, ``py``, ``pz`` are left out of the result.

    Parameters
    ----------
    constituents : mapping
        Role to array of shape (n_constituents,), in GeV and rad; what `check_coordinates` accepts.

    Returns
    -------
    dict
        Role to array; what is worked out is float32, worked out in float64. A constituent along
        the beam (pT = 0) has η = y = 0 if it is at rest and ±infinity if it moves; one without
        transverse energy (E ≤ |pz|) takes its η as y.
    """
    columns = {role: column for role, column in constituents.items() if role not in _CARTESIAN}
    if not all(role in constituents for role in _CARTESIAN):
        return columns
    with np.errstate(invalid="ignore"):
        px, py, pz = (constituents[role].astype(np.float64) for role in _CARTESIAN)
    with np.errstate(over="ignore"):
        pt = np.hypot(px, py)
    eta = _asinh_of_ratio(pz, pt)
    worked_out = {"pt": pt, "phi": np.arctan2(py, px), "eta": eta}
    if "energy" in constituents:
        with np.errstate(over="ignore", invalid="ignore"):
            energy = constituents["energy"].astype(np.float64)
            transverse = np.sqrt(np.maximum((energy - pz) * (energy + pz), 0.0))
        worked_out["rapidity"] = np.where(transverse > 0, _asinh_of_ratio(pz, transverse), eta)
    with np.errstate(over="ignore"):
        for role, values in worked_out.items():
            columns.setdefault(role, values.astype(np.float32))
    return columns


def _asinh_of_ratio(along: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = along / across
    return np.arcsinh(np.where((along == 0) & (across == 0), 0.0, ratio))
