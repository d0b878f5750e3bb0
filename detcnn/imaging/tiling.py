"""Large frames cut into tiles that overlap, and what was said of tiles put together again.

Along an axis of n pixels, tiles of t pixels that share o pixels at least begin at equal distances,
to within a pixel, the first at 0 and the last at n − t. Every pixel of a frame is *owned* by one
tile alone: between two neighbours the border lies in the middle of what they share. What is
predicted of a frame is what each tile says of the pixels that it owns, so nothing is counted twice
and no pixel is nearer to a cut edge than half the overlap. A point is owned as the pixel that it
lies in, and one beyond the edge of the frame by the tile at that edge.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import DenseImages, Images, as_dense
from detcnn.events.truth import Points, Truth, gathered

TILE_COLUMNS = ("tile_row", "tile_column")
"""Event columns: the pixel of the frame that is the first one of the tile."""


@dataclass(frozen=True)
class Tiling:
    """How frames are cut.

    Parameters
    ----------
    frame : tuple of int
        Rows and columns of a frame.
    pixels : tuple of int
        Rows and columns of a tile, no more than those of the frame.
    overlap : int
        Pixels that neighbours share at least, from 0 to less than a tile has.

    Raises
    ------
    ConfigError
        If a tile is larger than the frame.
    """

    frame: tuple[int, int]
    pixels: tuple[int, int]
    overlap: int

    def __post_init__(self) -> None:
        if any(t > n for t, n in zip(self.pixels, self.frame, strict=True)):
            raise ConfigError(
                f"tiles of {self.pixels[0]}x{self.pixels[1]} pixels, but the images have "
                f"{self.frame[0]}x{self.frame[1]}: make the tiles smaller"
            )

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """First row and column of each tile of a frame, int64, shape (n_tiles, 2)."""
        rows, columns = (
            _starts(n, t, self.overlap) for n, t in zip(self.frame, self.pixels, strict=True)
        )
        return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)

    @property
    def n_tiles(self) -> int:
        """Tiles of one frame."""
        return len(self.starts)

    @cached_property
    def owned(self) -> NDArray[np.int64]:
        """Of each tile, the pixels that it owns, in the tile: first and last + 1 of rows, columns.

        int64, shape (n_tiles, 2, 2): [tile, axis, (first, beyond)].
        """
        edges = []
        for axis, (n, t) in enumerate(zip(self.frame, self.pixels, strict=True)):
            starts = np.unique(self.starts[:, axis])
            borders = (starts[1:] + starts[:-1] + t) // 2
            first = np.concatenate([[0], borders])
            beyond = np.concatenate([borders, [n]])
            which = np.searchsorted(starts, self.starts[:, axis])
            edges.append(np.stack([first[which], beyond[which]], axis=-1))
        return np.stack(edges, axis=1) - self.starts[:, :, np.newaxis]

    def grid(self, frame: Grid) -> Grid:
        """Return the grid of a tile, which only knows its pixels."""
        axes = zip(frame.axes, self.pixels, strict=True)
        return Grid(*(Axis(axis.name, t, 0.0, float(t), unit="pixel") for axis, t in axes))

    def frame_grid(self, tile: Grid) -> Grid:
        """Return the grid of a frame, of the axes of a tile, which only knows its pixels."""
        axes = zip(tile.axes, self.frame, strict=True)
        return Grid(*(Axis(axis.name, n, 0.0, float(n), unit="pixel") for axis, n in axes))

    def cut(self, images: Images) -> DenseImages:
        """Return the tiles of frames, those of one frame one after the other."""
        values = as_dense(images).values
        rows, columns = self.pixels
        tiles = [values[:, :, r : r + rows, c : c + columns] for r, c in self.starts.tolist()]
        return DenseImages(np.stack(tiles, axis=1).reshape(-1, values.shape[1], rows, columns))

    def cut_truth(self, truth: Truth) -> Truth:
        """Return what is true of the tiles; a point is in each tile that it lies in."""
        return Truth(
            pixels={name: self.cut(images) for name, images in truth.pixels.items()},
            points={name: self._cut_points(points) for name, points in truth.points.items()},
        )

    def events(self, n_frames: int) -> NDArray[np.int64]:
        """Return the frame that each tile is of, int64, shape (n_frames * n_tiles,)."""
        return np.repeat(np.arange(n_frames), self.n_tiles)

    def columns(self, n_frames: int) -> dict[str, NDArray[np.int64]]:
        """Return `TILE_COLUMNS` of all tiles of some frames."""
        starts = np.tile(self.starts, (n_frames, 1))
        return dict(zip(TILE_COLUMNS, starts.T, strict=True))

    def owns(self, points: Points) -> NDArray[np.bool_]:
        """Return which points are owned by the tile that they are given in.

        Parameters
        ----------
        points : numpy.ndarray
            Shape (n_frames * n_tiles, n_points, 2): row and column in the tile, NaN where there is
            none; all tiles of the frames, in the order of `cut`.

        Returns
        -------
        numpy.ndarray
            bool, shape (n_frames * n_tiles, n_points); false where there is none.
        """
        is_mine = self._holds(self._of_frames(points), self.owned)
        return is_mine.reshape(points.shape[:2])

    def stitch(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put frames together of all their tiles, in the order of `cut`.

        Parameters
        ----------
        tiles : numpy.ndarray
            Shape (n_frames * n_tiles, planes, rows, columns) of tiles.

        Returns
        -------
        numpy.ndarray
            Shape (n_frames, planes, rows, columns) of frames.
        """
        of_frame = self._of_frames(tiles)
        frames = np.empty((len(of_frame), tiles.shape[1], *self.frame), dtype=tiles.dtype)
        for k, ((row, column), (rows, columns)) in enumerate(
            zip(self.starts.tolist(), self.owned.tolist(), strict=True)
        ):
            frames[
                ..., row + rows[0] : row + rows[1], column + columns[0] : column + columns[1]
            ] = of_frame[:, k, :, rows[0] : rows[1], columns[0] : columns[1]]
        return frames

    def merge_points(self, points: Points) -> Points:
        """Put the points of frames together of those of all their tiles, in the order of `cut`.

        Of what several tiles say, that of the owner of the place counts.

        Parameters
        ----------
        points : numpy.ndarray
            Shape (n_frames * n_tiles, n_points, n_values): row and column in the tile, NaN where
            there is none, and what else is said of a point.

        Returns
        -------
        numpy.ndarray
            Shape (n_frames, n, n_values): row and column in the frame, n those of the fullest one.
        """
        starts = self.starts[:, np.newaxis].astype(points.dtype)
        merged = np.where(self.owns(points[..., :2])[..., np.newaxis], points, np.nan)
        of_frame = self._of_frames(merged)
        of_frame[..., :2] += starts
        return gathered(of_frame.reshape(len(of_frame), -1, points.shape[2]))

    def _cut_points(self, points: Points) -> Points:
        places = points[:, np.newaxis] - self.starts[:, np.newaxis].astype(points.dtype)
        whole = np.broadcast_to([[0, t] for t in self.pixels], self.owned.shape)
        is_in = self._holds(places, whole)
        places = np.where(is_in[..., np.newaxis], places, np.nan)
        return gathered(places.reshape(-1, *points.shape[1:]))

    def _holds(self, places: Points, pixels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which places, (n_frames, n_tiles, n_points, 2), lie in these pixels of the tile.

        Those at the edge of the frame reach beyond it.
        """
        first, beyond = np.moveaxis(pixels - 0.5, -1, 0)
        first = np.where(self.starts == 0, -np.inf, first)
        beyond = np.where(self.starts + self.pixels == self.frame, np.inf, beyond)
        is_in = (places >= first[:, np.newaxis]) & (places < beyond[:, np.newaxis])
        return np.asarray(is_in.all(axis=-1))

    def _of_frames(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        return tiles.reshape(-1, self.n_tiles, *tiles.shape[1:])


def _starts(n: int, t: int, overlap: int) -> NDArray[np.int64]:
    n_tiles = 1 if n == t else 1 + -(-(n - t) // (t - overlap))
    return np.round(np.linspace(0, n - t, n_tiles)).astype(np.int64)
