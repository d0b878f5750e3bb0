"""Checks of what a builder is given, each with one clear line for what cannot be."""

from collections.abc import Collection, Sequence

from detcnn.errors import ConfigError


def require_whole(name: str, value: object, *, least: int) -> None:
    """Raise ConfigError unless `value` is a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} is {value!r}, expected a whole number of at least {least}")


def require_dropout(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a number in [0, 1)."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise ConfigError(f"{name} is {value!r}, expected a number from 0 to 1, without 1")


def require_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise ConfigError unless `value` is one of `choices`."""
    if value not in choices:
        raise ConfigError(f"unknown {name} {value!r}: expected one of {', '.join(choices)}")


def require_flag(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}, expected true or false")


def require_sizes(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a list of whole numbers of at least 1."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(f"{name!r} is {value!r}, expected a list")
    for number, size in enumerate(value, start=1):
        require_whole(f"number {number} of {name!r}", size, least=1)


def require_planes(network: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (channels, rows, columns); raise ConfigError if an image has other axes."""
    if len(shape) != 3:
        raise ConfigError(
            f"{network} takes images of rows and columns, not of {len(shape) - 1} axes: "
            "plain_cnn, the ResNets and dense take one, two or three"
        )
    channels, rows, columns = shape
    return channels, rows, columns


def scaled(filters: int, width: float, *, multiple: int = 8) -> int:
    """Return the number of filters of a network made narrower or wider.

    Parameters
    ----------
    filters : int
        As published.
    width : float
        Factor, positive; with 1 `filters` come back as they are.
    multiple : int
        Otherwise the nearest multiple of this, at least one of them, and not less than nine tenths
        of the exact product (Sandler et al., arXiv:1801.04381, in the authors' code).

    Returns
    -------
    int

    Raises
    ------
    ConfigError
        If `width` is not a positive number.
    """
    if not isinstance(width, int | float) or isinstance(width, bool) or not 0 < width < 100:
        raise ConfigError(f"'width' is {width!r}, expected a positive number (1 as published)")
    if width == 1:
        return filters
    exact = filters * width
    nearest = max(multiple, int(exact + multiple / 2) // multiple * multiple)
    return nearest if nearest >= 0.9 * exact else nearest + multiple
