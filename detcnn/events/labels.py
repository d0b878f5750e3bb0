"""Class names, and which label of the input each stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.table import Column

DROPPED = -1
"""Class index of events that belong to no class."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of a study, in order.

    Parameters
    ----------
    names : tuple of str
        Class ``i`` is called ``names[i]``.
    values : tuple of tuple of int
        The label values of the input that mean class ``i``.
    """

    names: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]

    def index_of(self, name: str) -> int:
        """Return the index of a class, or `DROPPED` if the study has none of that name."""
        return self.names.index(name) if name in self.names else DROPPED

    def indices(self, labels: Column) -> NDArray[np.int64]:
        """Return the class index of each label value, `DROPPED` for values of no class."""
        found = np.full(len(labels), DROPPED, dtype=np.int64)
        for index, values in enumerate(self.values):
            found[np.isin(labels, values)] = index
        return found


def resolve_classes(
    requested: Sequence[str] | Mapping[str, int | Sequence[int]],
    *,
    label_names: Mapping[int, str],
    sample_classes: Sequence[str],
) -> Classes:
    """Match the classes that a study asks for with those that the input has.

    Parameters
    ----------
    requested : sequence of str, or mapping of str to int or sequence of int
        Class names in order, or names with the label values each stands for; empty for all that
        the input has.
    label_names : mapping
        Label value to name, for every value in the input; a value that has no name is called by
        its number.
    sample_classes : sequence of str
        Classes of samples that need no label, in order of appearance.

    Returns
    -------
    Classes

    Raises
    ------
    ConfigError
        If a requested class is not in the input, or none of its labels is, a label belongs to two
        classes, or there is none.
    """
    known = dict.fromkeys([*label_names.values(), *sample_classes])
    if isinstance(requested, Mapping):
        values = {
            name: (value,) if isinstance(value, int) else tuple(value)
            for name, value in requested.items()
        }
        _check_values(values, label_names)
    else:
        names = list(requested) or list(known)
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(f"preprocess.classes: class {twice[0]!r} is named twice")
        is_nameless = all(name == str(value) for value, name in label_names.items())
        if is_nameless and not set(names) & set(known):
            # Labels without names: the position in the list is the label.
            label_names = {
                value: names[value] if 0 <= value < len(names) else str(value)
                for value in label_names
            }
            known = dict.fromkeys([*label_names.values(), *sample_classes])
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"preprocess.classes: class {name!r} is not in the input; "
                    f"classes there: {', '.join(known)}"
                )
        values = {
            name: tuple(value for value, called in label_names.items() if called == name)
            for name in names
        }
    if not values:
        raise ConfigError("no class found: add a class, a source, or a label column")
    return Classes(names=tuple(values), values=tuple(values.values()))


def _check_values(values: Mapping[str, tuple[int, ...]], label_names: Mapping[int, str]) -> None:
    owner: dict[int, str] = {}
    for name, numbers in values.items():
        if not numbers:
            raise ConfigError(f"class {name!r}: expected at least one label, found none")
        # Of several, such as the flavours of quarks and antiquarks, a small sample may lack some.
        if not any(number in label_names for number in numbers):
            raise ConfigError(
                f"class {name!r}: no event has the label {' or '.join(map(str, numbers))}; "
                f"labels in the input: {', '.join(map(str, sorted(label_names))) or 'none'}"
            )
        for number in numbers:
            if owner.setdefault(number, name) != name:
                raise ConfigError(
                    f"class {name!r}: label {number} belongs to class {owner[number]!r} already"
                )
