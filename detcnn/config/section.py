"""The base of every section of a study file."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[NonNegativeInt, Field(description="Seed of this stage's random numbers.")]


class Incidental:
    """Marks a field that cannot change a result: where a file is, how often to save.

    Such a field is left out of `Section.identity`. The same events in another folder are the same
    events; their content is known by its digest.
    """


class Section(BaseModel):
    """A frozen set of options; unknown keys and values of the wrong type are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def identity(self) -> dict[str, Any]:
        """Return the options that determine a result, as plain JSON-able values."""
        return {
            name: _plain(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if not any(isinstance(entry, Incidental) for entry in field.metadata)
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.identity()
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value
