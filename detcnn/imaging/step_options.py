"""What options of steps, of alignment and of images, have to be."""

from typing import Any, get_args

import numpy as np

from detcnn.errors import ConfigError


def check_choice(place: str, value: str, choices: Any) -> None:
    """Refuse a word that is not one of a ``Literal``.

    Raises
    ------
    ConfigError
        Naming the place, the word and the choices.
    """
    if value not in get_args(choices):
        raise ConfigError(f"{place}: {value!r}, expected one of {', '.join(get_args(choices))}")


def check_radius(radius: float) -> None:
    """Refuse a radius of subjets that is not above 0.

    Raises
    ------
    ConfigError
        Naming the radius.
    """
    if not 0 < radius < np.inf:
        raise ConfigError(f"subjet_radius: {radius}, expected a number above 0")
