"""Reading an image store."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.errors import ZarrUserWarning

from detcnn.errors import ConfigError, DataError
from detcnn.events.images import DenseImages, Images, SparseImages
from detcnn.events.truth import Points
from detcnn.storage.schema import SPLITS, Encoding, Schema, schema_from_attributes

_IMAGES_AT_ONCE = 1 << 14
_BYTES_AT_ONCE = 1 << 24

_DAMAGE = (
    ConfigError,
    FileNotFoundError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What failed checksums, broken frames and garbled metadata raise in zarr and in the schema."""


@dataclass(frozen=True, slots=True)
class ImageSplit:
    """One split of a store."""

    group: zarr.Group
    schema: Schema
    n_events: int
    _opened: dict[str, zarr.Array[Any]] = field(default_factory=dict, repr=False, compare=False)

    def images(self, start: int = 0, stop: int | None = None) -> Images:
        """Read images `start` to `stop` (all by default) into memory, as they are stored.

        Raises
        ------
        DataError
            If a chunk is damaged, or a pixel list is not one.
        """
        return self._read_images("images", self.schema.encoding, self.schema.shape, start, stop)

    def truth(self, name: str, start: int = 0, stop: int | None = None) -> Images:
        """Read a pixel truth of events `start` to `stop` (all by default), as it is stored.

        Raises
        ------
        ConfigError
            If there is none of that name.
        DataError
            As `images`.
        """
        info, shape = self.schema.truth_of(name), self.schema.truth_shape(name)
        return self._read_images(f"truth/{name}", info.encoding, shape, start, stop)

    def points(self, name: str, start: int = 0, stop: int | None = None) -> Points:
        """Read points of events `start` to `stop` (all by default), (n_events, n_points, 2).

        Raises
        ------
        ConfigError
            If there are none of that name.
        """
        return self._read(f"points/{self.schema.points_of(name).name}", start, stop)

    def _read_images(
        self, name: str, encoding: Encoding, shape: tuple[int, ...], start: int, stop: int | None
    ) -> Images:
        return images_of(
            self._read,
            name,
            encoding=encoding,
            shape=shape,
            start=start,
            stop=self.n_events if stop is None else stop,
            place=f"{self.group.store_path}",
        )

    @property
    def nbytes(self) -> int:
        """Memory that all images take, as they are stored; nothing is read to tell."""
        return self._nbytes("images", self.schema.encoding)

    def nbytes_of_truth(self, name: str) -> int:
        """Memory that a pixel truth takes, as it is stored."""
        return self._nbytes(f"truth/{name}", self.schema.truth_of(name).encoding)

    def _nbytes(self, name: str, encoding: Encoding) -> int:
        with damage_named(f"{self.group.store_path}/{name}"):
            if encoding == "dense":
                return int(self.group[name].nbytes)
            return sum(int(array.nbytes) for array in self.group[name].array_values())

    @property
    def images_per_chunk(self) -> int:
        """How many images are stored together; 1 for pixel lists, whose chunks count pixels."""
        with damage_named(f"{self.group.store_path}/images"):
            is_dense = self.schema.encoding == "dense"
            return int(self.group["images"].chunks[0]) if is_dense else 1

    def iter_images(self) -> Iterator[tuple[int, Images]]:
        """Yield all images in their order, in blocks that fit into memory however large they are.

        Yields
        ------
        int
            The first event of the block.
        SparseImages or DenseImages
            Its images.
        """
        per_image = max(1, self.nbytes // max(1, self.n_events))
        at_once = min(_IMAGES_AT_ONCE, max(1, _BYTES_AT_ONCE // per_image))
        if at_once > self.images_per_chunk:
            at_once -= at_once % self.images_per_chunk
        for start in range(0, self.n_events, at_once):
            yield start, self.images(start, min(start + at_once, self.n_events))

    def values(
        self,
        name: Literal["label", "weight", "training_weight"],
        start: int = 0,
        stop: int | None = None,
    ) -> NDArray[Any]:
        """Read one value of each event, `start` to `stop` (all by default)."""
        return self._read(name, start, stop)

    @property
    def label(self) -> NDArray[np.int64]:
        """Class index of each event."""
        return self._read("label")

    @property
    def weight(self) -> NDArray[np.float32]:
        """Event weight of the input."""
        return self._read("weight")

    @property
    def training_weight(self) -> NDArray[np.float32]:
        """Event weight with class balance and planing, mean 1 over the training split."""
        return self._read("training_weight")

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the event columns."""
        with damage_named(f"{self.group.store_path}/columns"):
            return tuple(sorted(self.group["columns"].array_keys()))

    def column(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return one event column, `start` to `stop` (all by default).

        Raises
        ------
        DataError
            If there is none of that name.
        """
        if name not in self.column_names:
            raise DataError(
                f"{self.group.store_path}: no column {name!r}; "
                f"there are: {', '.join(self.column_names)}"
            )
        return self._read(f"columns/{name}", start, stop)

    def _read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        with damage_named(f"{self.group.store_path}/{name}"):
            # To open an array takes as long as to read a few thousand images of it.
            if name not in self._opened:
                self._opened[name] = self.group[name]
            return np.asarray(self._opened[name][start:stop])


def images_of(
    read: Callable[[str, int, int], NDArray[Any]],
    name: str,
    *,
    encoding: Encoding,
    shape: tuple[int, ...],
    start: int,
    stop: int,
    place: str,
) -> Images:
    """Return images `start` to `stop` out of the arrays that hold them.

    Parameters
    ----------
    read : callable
        Gives rows of an array by its name.
    name : str
        Of the array, or of the group of pixel lists.
    encoding : {"sparse", "dense"}
        Which of the two it is.
    shape : tuple of int
        Of one image.
    start, stop : int
        Which images.
    place : str
        What to name where the lists are none.

    Raises
    ------
    DataError
        If the pixel lists are damaged.
    """
    if encoding == "dense":
        return DenseImages(read(name, start, stop))
    offsets = read(f"{name}/offsets", start, stop + 1)
    first, last = int(offsets[0]), int(offsets[-1])
    images = SparseImages(
        offsets=offsets - first,
        pixel=read(f"{name}/pixel", first, last),
        value=read(f"{name}/value", first, last),
        shape=shape,
    )
    n_pixels = int(np.prod(images.shape))
    if (
        np.any(np.diff(offsets) < 0)
        or len(images.pixel) != last - first
        or np.any(images.pixel >= n_pixels)
    ):
        raise DataError(f"{place}: the pixel lists are damaged: make them again")
    return images


@dataclass(frozen=True, slots=True)
class ImageStore:
    """An image store, opened for reading."""

    path: Path
    schema: Schema
    splits: Mapping[str, ImageSplit]
    statistics: Mapping[str, NDArray[np.float64]]


def open_store(path: Path) -> ImageStore:
    """Open the image store at `path`.

    Raises
    ------
    DataError
        If there is no image store, or it is damaged.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no image store")
    with damage_named(str(path)):
        group = zarr.open_group(path, mode="r", zarr_format=3)
        schema = schema_from_attributes(dict(group.attrs))
        splits = {
            name: ImageSplit(group[name], schema, group[name]["label"].shape[0]) for name in SPLITS
        }
        arrays = sorted(group["statistics"].arrays())
        statistics = {name: np.asarray(array[...]) for name, array in arrays}
    return ImageStore(path, schema, splits, statistics)


@contextmanager
def damage_named(place: str) -> Iterator[None]:
    """Turn what zarr raises on a damaged store into a `DataError` that names the place."""
    try:
        # Zarr warns of an entry that it does not recognise and goes on without it.
        with warnings.catch_warnings():
            warnings.simplefilter("error", ZarrUserWarning)
            yield
    except (*_DAMAGE, ZarrUserWarning) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{place}: cannot be read, the image store is damaged ({reason}): "
            "copy it again or make it again"
        ) from None
