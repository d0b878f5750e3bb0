"""What a model says about images of which parts are emptied."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from detcnn.errors import ConfigError, DataError
from detcnn.events.images import folded_shape
from detcnn.models.standardise import DetectorModel
from detcnn.training.device import Precision, arithmetic, memory_format
from detcnn.training.splits import Extra
from detcnn.training.tasks import Task

_PATCHES_AT_ONCE = 128


def iter_occlusion(
    model: DetectorModel,
    task: Task,
    images: NDArray[np.float32],
    *,
    empty: NDArray[np.float32],
    extra: Extra | None = None,
    patch: int,
    stride: int,
    precision: Precision = "float32",
) -> Iterator[NDArray[np.float64]]:
    """Yield how the scores of each image change when a patch of it is emptied.

    A square patch is moved over the image; within it all channels are set to what they are in an
    empty image. A pixel is given the mean change over the patches that cover it. Patches that are
    empty already change nothing and are not computed, so that an image costs as many forward
    passes as it has patches with something in them.

    Parameters
    ----------
    model : DetectorModel
        Runs where its weights are, and is left in evaluation mode.
    task : Task
        Turns outputs into scores.
    images : numpy.ndarray
        Shape (n_images, channels, *axes), as they stand in a store. A patch goes through all
        layers of a volume.
    empty : numpy.ndarray
        Shape (channels, *axes): what the pixels of an empty image hold.
    extra : numpy.ndarray, optional
        float32, shape (n_images, n_extra): what the model is told of each event beside its image.
    patch : int
        Side of the patch in pixels, at least 1; no more than the image has is taken.
    stride : int
        Pixels from one patch to the next, from 1 to `patch`. The last patch of a row or column is
        moved back into the image, so that every pixel is covered.
    precision : {"float32", "bf16"}
        Of the network's arithmetic.

    Yields
    ------
    numpy.ndarray
        Shape (n_scores, rows, columns): score(emptied) − score(as it is) of one image.

    Raises
    ------
    ConfigError
        If patch or stride cannot be.
    DataError
        If a score is not finite.
    """
    if not 1 <= stride <= patch:
        raise ConfigError(
            f"occlusion: patch {patch} and stride {stride}: expected a stride from 1 to the patch"
        )
    device = next(model.parameters()).device
    model.eval()
    shape = empty.shape
    empty = empty.reshape(folded_shape(shape))
    windows = _windows(empty.shape[1:], patch=patch, stride=stride)
    covered = np.zeros(empty.shape[1:])
    for window in windows:
        covered[window] += 1
    for i, image in enumerate(images.reshape(len(images), *empty.shape)):
        is_filled = (image != empty).any(axis=0)
        filled = [window for window in windows if is_filled[window].any()]
        # The first one is the image as it is.
        emptied = [None, *filled]
        scores = []
        for start in range(0, len(emptied), _PATCHES_AT_ONCE):
            chosen = emptied[start : start + _PATCHES_AT_ONCE]
            values = np.repeat(image[np.newaxis], len(chosen), axis=0)
            for copy, hole in zip(values, chosen, strict=True):
                if hole is not None:
                    copy[:, *hole] = empty[:, *hole]
            with torch.inference_mode(), arithmetic(device, precision):
                batch = torch.from_numpy(values.reshape(-1, *shape)).to(
                    device, memory_format=memory_format(len(shape) - 1)
                )
                told = None
                if extra is not None:
                    told = torch.from_numpy(extra[[i] * len(chosen)]).to(device)
                scores.append(task.scores(model(batch, told).float()).cpu())
        found = torch.cat(scores).double().numpy()
        if not np.isfinite(found).all():
            raise DataError(f"image {i} has scores that are not finite when parts are emptied")
        change = np.zeros((found.shape[1], *covered.shape))
        for window, score in zip(filled, found[1:], strict=True):
            change[:, *window] += (score - found[0])[:, np.newaxis, np.newaxis]
        yield change / covered


def _windows(shape: tuple[int, ...], *, patch: int, stride: int) -> list[tuple[slice, slice]]:
    rows, columns = (
        [slice(start, start + side) for start in [*range(0, n - side, stride), n - side]]
        for n in shape
        for side in [min(patch, n)]
    )
    return [(row, column) for row in rows for column in columns]
