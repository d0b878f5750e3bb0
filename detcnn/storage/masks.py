"""Classes of the pixels of frames, for whatever reads HDF5.

Format history
--------------
1
    ``mask`` (frame, plane, *axes), the class of each pixel: uint8, or uint16 for more than 256
    classes; ``event_id`` (frame); the root's attributes ``format``, ``format_version``, and
    ``classes``, the names. Before, files had no number, and classes from 256 began at 0 again.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MASKS = "masks.h5"
FORMAT = "detcnn masks"
FORMAT_VERSION = 1


def write_masks(
    path: Path,
    masks: Iterable[NDArray[np.int64]],
    *,
    shape: tuple[int, ...],
    classes: Sequence[str],
    event_id: NDArray[np.int64],
) -> None:
    """Write masks, block by block.

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
    # Most scores have no masks, and do without.
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["format"], file.attrs["format_version"] = FORMAT, FORMAT_VERSION
        file.attrs["classes"] = list(classes)
        file["event_id"] = event_id
        mask = file.create_dataset(
            "mask",
            (len(event_id), *shape),
            dtype=np.min_scalar_type(len(classes) - 1),
            chunks=(1, *shape),
            compression="gzip",
            compression_opts=1,
        )
        start = 0
        for block in masks:
            mask[start : start + len(block)] = block
            start += len(block)
