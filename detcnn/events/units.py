"""Units of measurement, and what turns a number in one of them into another."""

from collections.abc import Mapping
from math import pi

_SCALES: Mapping[str, Mapping[str, float]] = {
    "energy": {"eV": 1, "keV": 1e3, "MeV": 1e6, "GeV": 1e9, "TeV": 1e12, "PeV": 1e15},
    "length": {"nm": 1, "um": 1e3, "mm": 1e6, "cm": 1e7, "m": 1e9, "km": 1e12},
    "time": {"ps": 1, "ns": 1e3, "us": 1e6, "ms": 1e9, "s": 1e12},
    "angle": {"mrad": 1e-3, "rad": 1, "deg": pi / 180},
}
"""Size of each unit of a quantity, in whole numbers of the smallest where there are any, so that
their ratios are exact."""

_MICRO = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})

KNOWN_UNITS: tuple[str, ...] = tuple(unit for scale in _SCALES.values() for unit in scale)
"""Units that can be turned into others."""

_SPELT_FREELY = (*_SCALES["energy"], *_SCALES["angle"])


def plain_unit(unit: str | None) -> str:
    """Return a unit as it is spelt here; empty if there is none.

    Energies and angles may be spelt in small letters or capitals, and have a remark behind them,
    such as ``"rad in [-pi, pi)"``. A unit that is not known stays as it is.
    """
    text = " ".join((unit or "").split())
    spelt = text.translate(_MICRO)
    if spelt in KNOWN_UNITS:
        return spelt
    first = text.partition(" ")[0].lower()
    known = next((name for name in _SPELT_FREELY if name.lower() == first), None)
    return known or ("" if text == "1" else text)


def conversion(stored: str, told: str) -> float | None:
    """Return what a number in one unit is multiplied by to be in another.

    Parameters
    ----------
    stored, told : str
        The two, as `plain_unit` gives them.

    Returns
    -------
    float or None
        None if the two are not units of one quantity.
    """
    if stored == told:
        return 1.0
    for scale in _SCALES.values():
        if stored in scale and told in scale:
            return scale[stored] / scale[told]
    return None


def units_like(unit: str) -> tuple[str, ...]:
    """Return the units that one can be turned into, itself among them."""
    return next((tuple(scale) for scale in _SCALES.values() if unit in scale), (unit,))
