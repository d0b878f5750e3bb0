"""What models say of images: made batch by batch, and written as it comes.

::

    scores.parquet     one row an event, or a tile of one: label, if the images have several
                       classes, and -1 where it is not known; weight, 1 where the input has none;
                       scores of the image; of localisations n_points, how many points of the event
                       have the confidence that the manifest's config tells, or more; column_NAME
    maps.zarr          of tasks about pixels; attributes: what its planes are
      maps             as the images of an image store: float32 (event, plane, *axes), or lists of
                       the pixels that count; the planes of a segmentation are those of the truth
                       for class 0, then for class 1, and so on
    points.parquet     of localisations, one row a point: event (its number in the split), event_id,
                       row and column in pixels of the whole frame, confidence; all that were found
"""

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detcnn.events.images import DenseImages, Images, SparseImages, filled_planes, pixel_dtype
from detcnn.stages.frames import Frames
from detcnn.storage.maps import MapWriter
from detcnn.storage.tables import write_parquet

if TYPE_CHECKING:
    from detcnn.training.export import TrainedModel
    from detcnn.training.tasks import Task
    from detcnn.training.variations import Variations

POINTS = "points.parquet"

_VALUES_AT_ONCE = 1 << 25


class Scorer:
    """Models whose scores are averaged.

    Parameters
    ----------
    models : sequence of TrainedModel
        At least one, all of one task.
    task : Task
        That task.
    variations : Variations
        How often, and how changed, an image is looked at.
    """

    def __init__(
        self, models: Sequence["TrainedModel"], task: "Task", variations: "Variations"
    ) -> None:
        self._models = models
        self._task = task
        self._variations = variations

    def iter_scores(
        self, images: Images, *, extras: Sequence[NDArray[np.float32]], first_row: int
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the scores of images in their order, some at a time.

        Parameters
        ----------
        images : SparseImages or DenseImages
            At least one.
        extras : sequence of numpy.ndarray
            For each model what it is told beside the images, shape (n_images, n_extra).
        first_row : int
            Which image of its split the first one is.

        Yields
        ------
        slice
            Which images.
        numpy.ndarray
            Their scores, as the task gives them.

        Raises
        ------
        DataError
            If a score is not finite.
        """
        from detcnn.training.prediction import predict

        at_once = images.n_images
        if self._task.is_per_pixel:
            n_values = self._task.n_outputs * prod(images.shape[1:])
            at_once = max(1, _VALUES_AT_ONCE // n_values)
        for start in range(0, images.n_images, at_once):
            part = slice(start, min(start + at_once, images.n_images))
            scores = [
                predict(
                    one.model,
                    self._task,
                    images.slice(part.start, part.stop),
                    extra=extra[part],
                    variations=self._variations,
                    first_row=first_row + start,
                )
                for one, extra in zip(self._models, extras, strict=True)
            ]
            yield part, self._task.mean_scores(scores)


class ScoreWriter(Protocol):
    """Takes scores as they come."""

    def append(self, images: Images, scores: NDArray[np.float32]) -> None:
        """Take the scores of some images, and the images."""
        ...

    def close(self) -> dict[str, NDArray[Any]]:
        """Write what was held back, and return the columns of the table of events."""
        ...


class _Table:
    """Of tasks about whole images."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._parts: list[NDArray[np.float32]] = []

    def append(self, images: Images, scores: NDArray[np.float32]) -> None:
        self._parts.append(scores)

    def close(self) -> dict[str, NDArray[Any]]:
        columns = np.ascontiguousarray(np.concatenate(self._parts).T)
        return dict(zip(self._names, columns, strict=True))


class _Maps:
    """Of tasks about pixels."""

    def __init__(
        self, writer: MapWriter, *, only_filled: bool, planes: int, of_channels: bool
    ) -> None:
        self._writer = writer
        self._only_filled = only_filled
        self._planes = planes
        self._of_channels = of_channels

    def append(self, images: Images, scores: NDArray[np.float32]) -> None:
        if self._only_filled:
            filled = filled_planes(images, self._planes, of_channels=self._of_channels)
            self._writer.append(_at_filled(scores, filled))
        else:
            self._writer.append(DenseImages(scores))

    def close(self) -> dict[str, NDArray[Any]]:
        self._writer.close()
        return {}


class _Points:
    """Of localisations."""

    def __init__(self, path: Path, frames: Frames, *, confidence: float) -> None:
        self._path = path
        self._frames = frames
        self._confidence = confidence
        self._parts: list[NDArray[np.float32]] = []

    def append(self, images: Images, scores: NDArray[np.float32]) -> None:
        self._parts.append(scores)

    def close(self) -> dict[str, NDArray[Any]]:
        frames = self._frames
        event_id = frames.split.column("event_id")
        points = frames.whole_points(np.concatenate(self._parts))
        is_there = np.isfinite(points[..., 0])
        event, number = np.nonzero(is_there)
        write_parquet(
            self._path,
            {
                "event": event,
                "event_id": event_id[frames.first_rows(event_id)][event],
                **dict(zip(("row", "column", "confidence"), points[event, number].T, strict=True)),
            },
        )
        n_points = (is_there & (points[..., 2] >= self._confidence)).sum(axis=1)
        return {"n_points": np.repeat(n_points, frames.n_tiles)}


def score_writer(
    task: "Task", folder: Path, *, frames: Frames, n_filled: int, confidence: float
) -> ScoreWriter:
    """Return what writes the scores of a task.

    Parameters
    ----------
    task : Task
        Whose scores.
    folder : Path
        Where to.
    frames : Frames
        What the images are, all of which will come.
    n_filled : int
        How many pixels of their planes count, where only filled ones do.
    confidence : float
        Of the points that are counted, at least; all are written.
    """
    if task.wanted.points is not None:
        return _Points(folder / POINTS, frames, confidence=confidence)
    if not task.is_per_pixel:
        return _Table(task.score_names)
    description = task.description
    planes, classes = int(description["planes"]), tuple(description.get("classes", ()))
    only_filled, schema = task.wanted.only_filled, frames.split.schema
    writer = MapWriter(
        folder,
        (task.n_outputs, *schema.grid.shape),
        encoding="sparse" if only_filled else "dense",
        dimensions=("plane", *schema.dimension_names[1:]),
        attributes={"planes": planes, "classes": list(classes)},
        n_events=frames.split.n_events,
        n_filled=n_filled * (task.n_outputs // planes),
    )
    return _Maps(
        writer,
        only_filled=only_filled,
        planes=planes,
        of_channels=task.wanted.of_channels,
    )


def _at_filled(scores: NDArray[np.float32], filled: SparseImages) -> SparseImages:
    """Return the scores of filled pixels as pixel lists, those of class after class."""
    n_images, n_planes = scores.shape[:2]
    step = prod(filled.shape)
    n_classes = n_planes // filled.shape[0]
    lengths = np.diff(filled.offsets)
    row = np.tile(np.repeat(np.arange(n_images), lengths), n_classes)
    pixel = (filled.pixel.astype(np.int64) + step * np.arange(n_classes)[:, np.newaxis]).reshape(-1)
    order = np.argsort(row, kind="stable")
    row, pixel = row[order], pixel[order]
    shape = scores.shape[1:]
    return SparseImages(
        offsets=np.concatenate([[0], np.cumsum(lengths * n_classes)]).astype(np.int64),
        pixel=pixel.astype(pixel_dtype(shape)),
        value=scores.reshape(n_images, -1)[row, pixel],
        shape=shape,
    )
