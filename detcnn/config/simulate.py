"""The ``simulate`` section: jets and detector images out of nothing."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from detcnn.config.section import Section, Seed
from detcnn.errors import ConfigError


class CalorimeterConfig(Section):
    """A calorimeter between the particles and the jets."""

    cell: PositiveFloat = Field(
        default=0.1, ge=0.005, le=1.0, description="Side of a cell in eta and phi."
    )


class SimulateConfig(Section):
    """Which jets, and how many."""

    study: Literal["quark-gluon", "top-qcd", "w-qcd"] = "quark-gluon"
    jets_per_class: PositiveInt = Field(default=10_000, description="Jets of each class.")
    seed: Seed = 1
    calorimeter: CalorimeterConfig | None = Field(
        default=None, description="null: jets of particles; else of calorimeter towers."
    )
    jets_per_piece: PositiveInt = Field(
        default=1000,
        le=1 << 24,
        description="Jets made with one seed; a broken run loses the pieces it was at.",
    )


class SimulateImagesConfig(Section):
    """Which detector images, and how many."""

    study: str
    events: PositiveInt = Field(default=10_000, description="Events of all classes together.")
    seed: Seed = 1
    events_per_piece: PositiveInt = Field(
        default=200,
        le=1 << 24,
        description="Events made with one seed; a broken run loses the pieces it was at.",
    )


S = TypeVar("S", bound=Section)


def build_simulation(
    *, study: str, jets_per_class: int, seed: int, cell: float | None = None
) -> SimulateConfig:
    """Return the section for values from a command line.

    Raises
    ------
    ConfigError
        If the study is unknown or a number is out of range.
    """
    calorimeter = None if cell is None else {"cell": cell}
    return _validated(
        SimulateConfig,
        {
            "study": study,
            "jets_per_class": jets_per_class,
            "seed": seed,
            "calorimeter": calorimeter,
        },
    )


def build_image_simulation(*, study: str, events: int, seed: int) -> SimulateImagesConfig:
    """Return the section of images for values from a command line.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """
    return _validated(SimulateImagesConfig, {"study": study, "events": events, "seed": seed})


def _validated(section: type[S], values: Mapping[str, Any]) -> S:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise ConfigError(f"simulate {key} {fault['input']!r}: {fault['msg']}") from None
