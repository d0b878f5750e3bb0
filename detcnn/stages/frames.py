"""What was said of pixels and points beside the images: frames cut into tiles are whole again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.opening import Artifact
from detcnn.errors import DataError
from detcnn.events.grid import Grid
from detcnn.events.images import DenseImages, Images, as_dense, filled_planes
from detcnn.events.truth import Points
from detcnn.imaging.tiling import Tiling
from detcnn.storage.maps import open_maps
from detcnn.storage.reader import ImageSplit, open_store
from detcnn.storage.schema import STORE

_VALUES_AT_ONCE = 1 << 25


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of a split.

    Parameters
    ----------
    path : Path
        The image store.
    split : ImageSplit
        Its rows are frames, or tiles of frames.
    tiling : Tiling or None
        How frames were cut.
    """

    path: Path
    split: ImageSplit
    tiling: Tiling | None

    @property
    def n_tiles(self) -> int:
        """Rows of the split that are one frame."""
        return 1 if self.tiling is None else self.tiling.n_tiles

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return self.split.n_events // self.n_tiles

    @property
    def grid(self) -> Grid:
        """Of a frame."""
        grid = self.split.schema.grid
        return grid if self.tiling is None else self.tiling.frame_grid(grid)

    def first_rows(self, event_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row that stands for each frame, and see that its tiles follow it.

        Parameters
        ----------
        event_id : numpy.ndarray
            int64, shape (n_rows,).

        Raises
        ------
        DataError
            If the tiles of a frame do not stand together.
        """
        of_frame = event_id.reshape(self.n_frames, self.n_tiles)
        if not (of_frame == of_frame[:, :1]).all():
            raise DataError(
                f"{self.path}: the tiles of a frame do not stand together: make the image store "
                "again"
            )
        return np.arange(self.n_frames) * self.n_tiles

    def stored(self, start: int, stop: int) -> Images:
        """Return the images of frames, those that were not cut as they are stored."""
        images = self.split.images(*self.rows(start, stop))
        if self.tiling is None:
            return images
        return DenseImages(self.tiling.stitch(as_dense(images).values))

    def images(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the images of frames `start` to `stop`, (n_frames, channels, *axes)."""
        return as_dense(self.stored(start, stop)).values

    def truth(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """Return what is true of the pixels of frames, (n_frames, planes, *axes)."""
        return self._whole(as_dense(self.split.truth(name, *self.rows(start, stop))).values)

    def filled(self, planes: int, start: int, stop: int, *, of_channels: bool) -> NDArray[np.bool_]:
        """Return which pixels of frames hold anything, (n_frames, planes, *axes)."""
        images = self.split.images(*self.rows(start, stop))
        return (
            self._whole(as_dense(filled_planes(images, planes, of_channels=of_channels)).values) > 0
        )

    def points(self, name: str) -> Points:
        """Return the true points of all frames, each once, (n_frames, n_points, 2)."""
        return self.whole_points(self.split.points(name))

    def whole_points(self, points: Points) -> Points:
        """Return what is said of points in all rows of the split as points in frames.

        Parameters
        ----------
        points : numpy.ndarray
            Shape (n_rows, n_points, n_values): row, column, and what else is said of a point.

        Returns
        -------
        numpy.ndarray
            Shape (n_frames, n, n_values).
        """
        return points if self.tiling is None else self.tiling.merge_points(points)

    def rows(self, start: int, stop: int) -> tuple[int, int]:
        """Return the rows of the split that are frames `start` to `stop`."""
        return start * self.n_tiles, stop * self.n_tiles

    def _whole(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return rows if self.tiling is None else self.tiling.stitch(rows)


class FrameMaps:
    """Maps of the pixels of frames.

    Parameters
    ----------
    frames : Frames
        Whose pixels.
    folder : Path
        The scores.
    task : mapping
        That of the scores.

    Raises
    ------
    DataError
        If there are none, or they are damaged.
    """

    def __init__(self, frames: Frames, folder: Path, task: Mapping[str, Any]) -> None:
        self._frames = frames
        self._maps = open_maps(folder)
        self._planes = int(task["planes"])
        self._only_filled = bool(task["only_filled"])
        self._of_channels = are_of_channels(task, len(frames.split.schema.channels))
        self._n_classes = len(task.get("classes", ()))

    def iter_ranges(self) -> Iterator[tuple[int, int]]:
        """Yield which frames are held in memory at once."""
        per_frame = prod(self._maps.attributes["shape"]) * self._frames.n_tiles
        at_once = max(1, _VALUES_AT_ONCE // per_frame)
        for start in range(0, self._frames.n_frames, at_once):
            yield start, min(start + at_once, self._frames.n_frames)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the maps of frames `start` to `stop`, (n_frames, planes, *axes)."""
        maps = as_dense(self._maps.read(*self._frames.rows(start, stop))).values
        tiling = self._frames.tiling
        return maps if tiling is None else tiling.stitch(maps)

    def classes(self, maps: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the most probable class of each pixel of a segmentation's maps."""
        shape = (len(maps), self._n_classes, self._planes, *maps.shape[2:])
        return np.asarray(maps.reshape(shape).argmax(axis=1), dtype=np.int64)

    def valid(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return of which pixels something was said, (n_frames, planes, *axes)."""
        if self._only_filled:
            return self._frames.filled(self._planes, start, stop, of_channels=self._of_channels)
        shape = self._frames.grid.shape
        return np.ones((stop - start, self._planes, *shape), dtype=np.bool_)


def are_of_channels(task: Mapping[str, Any], n_channels: int) -> bool:
    """Tell whether each plane of a task about pixels is of the channel of its place."""
    # Scores of before it was said are of the channels where there are as many.
    return bool(task.get("of_channels", int(task["planes"]) == n_channels))


def open_frames(images: Artifact, split: str) -> Frames:
    """Open the frames of a split of an image store.

    Raises
    ------
    DataError
        If it is damaged.
    """
    tiling = images.manifest.contents.get("tiling")
    return Frames(
        path=images.path,
        split=open_store(images.path / STORE).splits[split],
        tiling=None
        if tiling is None
        else Tiling(tuple(tiling["frame"]), tuple(tiling["pixels"]), tiling["overlap"]),
    )
