"""What the channels of ready images are called, and in which unit they are."""

import json
import re
from collections.abc import Mapping, Sequence

from detcnn.errors import ConfigError
from detcnn.sources.base import Layout
from detcnn.sources.container import Container, Dataset
from detcnn.sources.layouts.references import Reference

CHANNELS = "channels"
"""What a file states the names of its channels as: texts, or one of JSON with their units."""

_NAME = re.compile(r"[^\W\d]")


def find_channels(
    container: Container, layout: Layout, image: Dataset, planes: Sequence[Reference], *, n: int
) -> dict[str, str]:
    """Return the unit of each channel by its name; the study overrules the file.

    Parameters
    ----------
    container : Container
        The file.
    layout : Layout
        What the study says.
    image : Dataset
        The images, if they come as one column.
    planes : sequence of Reference
        The columns of their channels, if they have one each.
    n : int
        Number of channels.

    Returns
    -------
    dict
        In the order of the channels, an empty text for a unit that nothing states; empty where
        neither a name nor a unit is stated.

    Raises
    ------
    ConfigError
        If the study states units of other channels than the images have.
    """
    told = layout.channel_units
    if planes:
        datasets = container.datasets()
        units = [datasets[plane.name].unit or "" for plane in planes]
        stated = dict(zip(layout.channels, units, strict=True))
        unknown = [name for name in told if name not in stated]
        if unknown:
            raise ConfigError(
                f"{container.path}: channel_units names {unknown[0]!r}, which is none of the "
                f"channels {', '.join(stated)}"
            )
        return {**stated, **told}
    if told:
        if len(told) != n:
            raise ConfigError(
                f"{container.path}: channel_units names {len(told)} channels "
                f"({', '.join(told)}), but the images {image.name!r} have {n}: name each of them, "
                "in their order"
            )
        return dict(told)
    stated = _stated(container.words(CHANNELS)) or dict.fromkeys(image.features, "")
    # Who states other names than there are channels speaks of something else.
    if len(stated) != n or not all(_NAME.match(name) for name in stated):
        stated = {f"channel_{i}": "" for i in range(n)} if image.unit else {}
    return {name: unit or image.unit or "" for name, unit in stated.items()}


def _stated(words: Sequence[str]) -> dict[str, str]:
    """Return names and units as a file states them, of texts or one mapping of JSON."""
    if len(words) == 1 and words[0].startswith("{"):
        try:
            found = json.loads(words[0])
        except ValueError:
            return {}
        return _texts(found)
    return dict.fromkeys(words, "")


def _texts(found: Mapping[object, object]) -> dict[str, str]:
    return {str(name): unit if isinstance(unit, str) else "" for name, unit in found.items()}
