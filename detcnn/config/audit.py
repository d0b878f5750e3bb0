"""The ``audit`` section: what data have to be like."""

from pydantic import Field, field_validator

from detcnn.config.section import Section


class AuditConfig(Section):
    """Which events belong to the study, and which faults are known and borne."""

    window: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="Event column to its smallest and largest value: pt: [500, 550].",
    )
    accept: tuple[str, ...] = Field(
        default=(), description="Checks whose trouble is known, and only warned of."
    )

    @field_validator("window")
    @classmethod
    def _check_window(
        cls, window: dict[str, tuple[float, float]]
    ) -> dict[str, tuple[float, float]]:
        for column, (low, high) in window.items():
            if not low < high:
                raise ValueError(f"{column}: {low:g} is not below {high:g}")
        return window
