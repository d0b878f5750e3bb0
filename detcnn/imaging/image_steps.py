"""The steps that change images once they are pixels, projected or ready-made, and their order.

Every step makes new images; those given stay as they are. An image without any content, and one
that a step has no direction or no number for, passes through unchanged. What is true of pixels,
and points, go where a `detcnn.imaging.geometric_steps.GeometricStep` moves their image; they are
left alone by a `detcnn.imaging.value_steps.ValueStep`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.grid import Grid
from detcnn.events.images import DenseImages, Images, SparseImages, as_dense, as_sparse, joined
from detcnn.events.truth import NO_TRUTH, Truth, joined_truth
from detcnn.imaging.geometric_steps import FlipImage, GeometricStep, RotateImage
from detcnn.imaging.image_block import Floats, ImageBlock
from detcnn.imaging.transforms import Values
from detcnn.imaging.value_steps import ValueStep

ImageStep = GeometricStep | ValueStep

_VALUES_AT_ONCE = 1 << 23
"""Bounds the scratch; results do not depend on it."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """Images after their steps, and what is true of them by then.

    Parameters
    ----------
    images : SparseImages or DenseImages
        Sparse if they were and nothing rotates them.
    truth : Truth
        Its pixels sparse on the same terms; classes also where they are rotated.
    """

    images: Images
    truth: Truth


def apply_image_steps(
    images: Images,
    steps: Sequence[ImageStep],
    *,
    grid: Grid,
    is_normalised: NDArray[np.bool_],
    subjets: Floats | None = None,
    truth: Truth = NO_TRUTH,
    classes: Collection[str] = (),
) -> Stepped:
    """Take images, and what is true of them, through steps, in the order given.

    Parameters
    ----------
    images : SparseImages or DenseImages
        Left as they are.
    steps : sequence of ImageStep
        May be empty.
    grid : Grid
        Of the images; turns are by angles in its units.
    is_normalised : numpy.ndarray
        bool, shape (channels,): those that `NormaliseImage` and `Threshold` act on. They also
        decide where an image turns and flips to, or all channels if there is none.
    subjets : numpy.ndarray, optional
        float64, shape (n_images, 3, 2): coordinates of the hardest subjets on the rows' and the
        columns' axis, NaN where there are fewer; for steps that go by subjets.
    truth : Truth
        Of the images, left as it is. Points that leave the image are lost: NaN.
    classes : collection of str
        Which pixel truths are classes: they take that of one pixel where all others are
        interpolated, or added up, as the images are.

    Returns
    -------
    Stepped

    Raises
    ------
    ConfigError
        If a step cannot be done to images of that size.
    """
    if not steps:
        return Stepped(images, truth)
    moving = [step for step in steps if isinstance(step, GeometricStep)]
    carried = truth if moving else NO_TRUTH
    fills = any(step.fills for step in moving)
    n_values = prod(images.shape) + sum(prod(plane.shape) for plane in carried.pixels.values())
    at_once = max(1, _VALUES_AT_ONCE // n_values)
    parts: list[Stepped] = []
    for start in range(0, max(images.n_images, 1), at_once):
        stop = min(start + at_once, images.n_images)
        pixels = {
            name: as_dense(plane.slice(start, stop)).values
            for name, plane in carried.pixels.items()
        }
        block = ImageBlock(
            values=as_dense(images.slice(start, stop)).values,
            grid=grid,
            is_normalised=is_normalised,
            subjets=np.full((stop - start, 3, 2), np.nan)
            if subjets is None
            else subjets[start:stop],
            classes={name: plane for name, plane in pixels.items() if name in classes},
            planes={name: plane for name, plane in pixels.items() if name not in classes},
            points={
                name: places[start:stop].astype(np.float64)
                for name, places in carried.points.items()
            },
        )
        for step in steps:
            step(block)
        moved = block.classes | block.planes
        parts.append(
            Stepped(
                _like(images, block.values, fills=fills),
                Truth(
                    pixels={
                        name: _like(plane, moved[name], fills=fills and name not in classes)
                        for name, plane in carried.pixels.items()
                    },
                    points={n: places.astype(np.float32) for n, places in block.points.items()},
                ),
            )
        )
    return Stepped(
        joined([part.images for part in parts]),
        joined_truth([part.truth for part in parts]) if moving else truth,
    )


def grid_after(grid: Grid, steps: Sequence[ImageStep]) -> Grid:
    """Return the grid that images have after the steps.

    Raises
    ------
    ConfigError
        If a step cannot be done to images of that size.
    """
    for step in steps:
        if isinstance(step, GeometricStep):
            grid = step.grid_after(grid)
    return grid


def radius_of_subjets(steps: Sequence[ImageStep]) -> float | None:
    """Return the R of the subjets that the steps go by, None if they go by none.

    Raises
    ------
    ConfigError
        If two steps differ in it.
    """
    radii = {
        step.subjet_radius
        for step in steps
        if (isinstance(step, RotateImage) and step.by == "second_subjet")
        or (isinstance(step, FlipImage) and step.towards == "third_subjet")
    }
    if len(radii) > 1:
        given = ", ".join(f"{radius:g}" for radius in sorted(radii))
        raise ConfigError(f"image_steps: subjet_radius is {given}: give all steps the same")
    return radii.pop() if radii else None


def _like(given: Images, values: Values, *, fills: bool) -> Images:
    """Return images as pixel lists if those given are, unless their pixels were filled."""
    dense = DenseImages(values)
    return as_sparse(dense) if isinstance(given, SparseImages) and not fills else dense
