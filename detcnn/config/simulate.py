"""The ``simulate`` section: jets out of nothing."""

from typing import Literal

from pydantic import Field, PositiveInt

from detcnn.config.section import Section, Seed


class SimulateConfig(Section):
    """Which jets, and how many."""

    study: Literal["quark-gluon"] = "quark-gluon"
    jets_per_class: PositiveInt = Field(default=10_000, description="Jets of each class.")
    seed: Seed = 1
    jets_per_piece: PositiveInt = Field(
        default=1000,
        le=1 << 24,
        description="Jets made with one seed; a broken run loses the pieces it was at.",
    )
