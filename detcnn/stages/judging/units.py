"""In which units the columns of images, and what is said of them, are told in a report."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.opening import Artifact
from detcnn.config.evaluate import EvaluateConfig
from detcnn.errors import ConfigError
from detcnn.events.units import conversion, plain_unit, units_like

PURE = "1"
"""The unit of a number that has none, or none that is known."""


@dataclass(frozen=True, slots=True)
class ToldUnits:
    """Units of columns and of truths of pixels.

    Parameters
    ----------
    stored : mapping
        Name to the unit in the images; without those of which it is not known.
    wanted : mapping
        Name to the unit that a study wants it told in.
    """

    stored: Mapping[str, str]
    wanted: Mapping[str, str]

    def unit(self, name: str) -> str:
        """Return the unit that a column is told in, ``"1"`` if none is known."""
        return self.wanted.get(name) or self.stored.get(name, PURE)

    def factor(self, name: str) -> float:
        """Return what a column of the images is multiplied by to be in that unit."""
        if name not in self.stored:
            return 1.0
        factor = conversion(self.stored[name], plain_unit(self.unit(name)))
        assert factor is not None
        return factor

    def told(self, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return values of a column in the unit that it is told in."""
        return values.astype(np.float64) * self.factor(name)

    def remarks(self) -> Iterator[str]:
        """Yield what is to be said of units that nothing but the report tells."""
        for name, unit in self.wanted.items():
            if name not in self.stored and unit != PURE:
                yield (
                    f"evaluate.units: {name} is taken to be in {unit} already, for the images do "
                    "not know its unit: nothing is converted; state the unit of the file under "
                    "preprocess.sources[].units"
                )


def told_units(config: EvaluateConfig, images: Artifact) -> ToldUnits:
    """Return the units that a study wants columns told in, held against those of the images.

    Raises
    ------
    ConfigError
        If a unit is wanted of what the images do not have, or is one of another quantity.
    """
    contents = images.manifest.contents
    truth = {info["name"]: info.get("unit", "") for info in contents.get("truth", ())}
    stored = {name: unit for name, unit in truth.items() if unit}
    stored |= contents.get("column_units", {})
    for name, unit in config.units.items():
        if name not in contents["columns"] and name not in truth:
            raise ConfigError(
                f"evaluate.units: no column {name!r} in the images; there are: "
                f"{', '.join((*contents['columns'], *truth))}"
            )
        has = stored.get(name)
        if has is not None and conversion(has, plain_unit(unit)) is None:
            raise ConfigError(
                f"evaluate.units: {name} is in {has}, which cannot be told in {unit!r}: expected "
                f"one of {', '.join(units_like(has))}; if {has} is wrong, state the unit under "
                "preprocess.sources[].units"
            )
    return ToldUnits(stored, config.units)
