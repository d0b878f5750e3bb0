"""What a simulation of detector images gives, and what there is to say about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.simulation.columns import ColumnType


@dataclass(frozen=True, slots=True)
class ImageSample:
    """Simulated events.

    Parameters
    ----------
    images : numpy.ndarray
        float32, shape (n_events, channels, *axes).
    truth : mapping
        Name to array of shape (n_events, planes, *axes): uint8 for the classes of pixels, float32
        for values.
    columns : mapping
        Name to array of shape (n_events,): ``label`` among them, and what is true of each event,
        such as ``energy`` [GeV].
    points : mapping
        Name to places in pixels, float32 of shape (n_events, most, 2): (row, column), the centre of
        the first pixel being (0, 0); filled up with NaN. `most` is the same in every sample of a
        definition.
    point_values : mapping
        Name to what is true of each point, float32 of shape (n_events, most), filled up with NaN.
    """

    images: NDArray[np.float32]
    truth: Mapping[str, NDArray[Any]]
    columns: Mapping[str, NDArray[Any]]
    points: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    point_values: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @classmethod
    def joined(cls, samples: Sequence["ImageSample"]) -> "ImageSample":
        """Return samples of one definition, at least one, as a single one, in their order."""

        def join(name: str) -> dict[str, NDArray[Any]]:
            parts = [getattr(sample, name) for sample in samples]
            return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

        return cls(
            images=np.concatenate([sample.images for sample in samples]),
            truth=join("truth"),
            columns=join("columns"),
            points=join("points"),
            point_values=join("point_values"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDefinition:
    """A simulated sample of images.

    Parameters
    ----------
    name : str
        What it is called on the command line.
    classes : tuple of str
        Name of each value of ``label``; one name where events have no classes.
    channels : mapping
        Name to unit of each channel, in order.
    axes : tuple of str
        Names of the axes of an image.
    truth : mapping
        Name of each pixel truth to the names of its classes, from the background; empty for values.
    columns : mapping
        Name to type, unit and meaning of each event column but ``event_id``.
    generate : callable
        ``generate(n_events, rng) -> ImageSample`` without ``event_id``: all randomness comes from
        the generator, and equal generators give equal samples.
    settings : mapping
        The numbers of the simulation with their units in the names, for the file's attributes.
    """

    name: str
    classes: tuple[str, ...]
    channels: Mapping[str, str]
    axes: tuple[str, ...]
    truth: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, ColumnType]
    generate: Callable[[int, np.random.Generator], ImageSample]
    settings: Mapping[str, Any] = field(default_factory=dict)
