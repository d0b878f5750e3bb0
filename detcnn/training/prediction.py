"""What a trained model says about images."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detcnn.errors import DataError
from detcnn.events.images import Images
from detcnn.models.standardise import DetectorModel
from detcnn.training.batches import statistics_of
from detcnn.training.device import Precision, arithmetic
from detcnn.training.splits import Extra
from detcnn.training.tasks import Task
from detcnn.training.variations import AS_IT_IS, Variations


def iter_outputs(
    model: DetectorModel,
    images: Images,
    *,
    extra: Extra | None = None,
    batch_size: int,
    precision: Precision = "float32",
    variations: Variations = AS_IT_IS,
    number: int = 0,
    first_row: int = 0,
) -> Iterator[tuple[slice, Tensor]]:
    """Yield the model's outputs for images in their order, batch by batch.

    Parameters
    ----------
    model : DetectorModel
        Runs where its weights are, and is left in evaluation mode.
    images : SparseImages or DenseImages
        May be none.
    extra : numpy.ndarray, optional
        float32, shape (n_images, n_extra): what the model is told of each event beside its image.
    batch_size : int
        Images at a time; without meaning for the result beyond rounding.
    precision : {"float32", "bf16"}
        Of the network's arithmetic.
    variations : Variations
        How images may be changed first.
    number : int
        Which of the variations to look at; 0 is the images as they are.
    first_row : int
        Which image of its split the first one is.

    Yields
    ------
    slice
        Which images.
    torch.Tensor
        float32, first axis these images, on the model's device.
    """
    device = next(model.parameters()).device
    model.eval()
    statistics = statistics_of(model.standardise, images.shape)
    for start in range(0, images.n_images, batch_size):
        rows = np.arange(start, min(start + batch_size, images.n_images))
        # They have passed the model's first layer.
        standardised = variations.images(
            images, rows, number=number, first_row=first_row + start, statistics=statistics
        ).to(device)
        with torch.inference_mode(), arithmetic(device, precision):
            told = None if extra is None else torch.from_numpy(extra[rows]).to(device)
            outputs = model.network(standardised, model.standardised_extra(told))
        yield slice(start, start + len(rows)), outputs.float()


def predict(
    model: DetectorModel,
    task: Task,
    images: Images,
    *,
    extra: Extra | None = None,
    batch_size: int = 512,
    precision: Precision = "float32",
    variations: Variations = AS_IT_IS,
    first_row: int = 0,
) -> NDArray[np.float32]:
    """Return the scores of images.

    Parameters
    ----------
    model : DetectorModel
        Runs where its weights are, and is left in evaluation mode.
    task : Task
        Turns outputs into scores.
    images : SparseImages or DenseImages
        At least one.
    extra : numpy.ndarray, optional
        float32, shape (n_images, n_extra): what the model is told of each event beside its image.
    batch_size : int
        Images at a time; without meaning for the result beyond rounding, but for what is drawn.
    precision : {"float32", "bf16"}
        Of the network's arithmetic.
    variations : Variations
        Score each image in all of these variations, and take the task's mean of the scores.
    first_row : int
        Which image of its split the first one is; what is drawn depends on it.

    Returns
    -------
    numpy.ndarray
        float32, one row for each image in the order given; for a classifier the softmax
        probabilities, shape (n_images, n_classes).

    Raises
    ------
    DataError
        If a score is not finite, which only weights or images that are not finite can bring about.
    """
    drawn: list[NDArray[np.float32]] = []
    is_finite = np.ones(images.n_images, dtype=np.bool_)
    for number in range(variations.n):
        parts = []
        for part, outputs in iter_outputs(
            model,
            images,
            extra=extra,
            batch_size=batch_size,
            precision=precision,
            variations=variations,
            number=number,
            first_row=first_row,
        ):
            scores = task.scores(outputs)
            # A score that is not a number may be one that a task has not: a point too few.
            good = outputs.isfinite().flatten(1).all(dim=1) & ~scores.isinf().flatten(1).any(dim=1)
            is_finite[part] &= good.cpu().numpy()
            parts.append(scores.cpu())
        drawn.append(torch.cat(parts).numpy())
    if not is_finite.all():
        raise DataError(
            f"{(~is_finite).sum()} images have scores that are not finite, the first is image "
            f"{np.argmin(is_finite)}: check its pixels, and train the model again if they are "
            "numbers"
        )
    return task.mean_scores(drawn)
