"""Classes of the pixels of frames, for whatever reads HDF5."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

MASKS = "masks.h5"


def write_masks(
    path: Path,
    masks: Iterable[NDArray[np.int64]],
    *,
    shape: tuple[int, ...],
    classes: Sequence[str],
    event_id: NDArray[np.int64],
) -> None:
    """Write masks, block by block.

    ``mask``, uint8 (frame, plane, *axes), is the class of each pixel, of which the attribute
    ``classes`` of the file tells the names; ``event_id`` says which frame is which.

    Parameters
    ----------
    path : Path
        The file, replaced if it is there.
    masks : iterable of numpy.ndarray
        The blocks, of the frames in order.
    shape : tuple of int
        (planes, *axes) of the mask of one frame.
    classes : sequence of str
        Names.
    event_id : numpy.ndarray
        int64, shape (n_frames,).
    """
    with h5py.File(path, "w") as file:
        file.attrs["classes"] = list(classes)
        file["event_id"] = event_id
        mask = file.create_dataset(
            "mask",
            (len(event_id), *shape),
            dtype=np.uint8,
            chunks=(1, *shape),
            compression="gzip",
            compression_opts=1,
        )
        start = 0
        for block in masks:
            mask[start : start + len(block)] = block
            start += len(block)
