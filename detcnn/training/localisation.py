"""The task of finding points in images: a map of peaks, and where in its pixel each point lies.

Zhou, Wang and Krähenbühl, "Objects as Points" (arXiv:1904.07850): the network learns a heat map
that is 1 in the pixel of a point and falls off around it, and in that pixel the distance of the
point from its middle. A point is found where the heat map has a maximum among its eight neighbours.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from detcnn.evaluation.localisation import match_points
from detcnn.training.losses import focal_heat_map
from detcnn.training.tasks import Wanted, mean_of

_POINTS_AT_ONCE = 32

CONFIDENT = 0.5
"""Height of a peak from which validation takes it for a point."""


class Localisation:
    """Points in each image; targets are (row, column) in pixels, NaN where there is none.

    Outputs are (B, 3, rows, columns): the logit of the heat map, and the distance along rows and
    columns from the middle of the pixel.

    Parameters
    ----------
    points : str
        The points of the store.
    width : float
        Standard deviation of a peak of the heat map, in pixels.
    offset_weight : float
        Of the mean absolute error of the distances, in pixels, in the loss.
    tolerance : float
        Largest distance of a point found from a true one, in pixels.
    most : int
        Points that are found in an image at most: the highest peaks.
    """

    metrics: Mapping[str, bool]

    def __init__(
        self,
        points: str,
        *,
        width: float = 1.0,
        offset_weight: float = 1.0,
        tolerance: float = 2.0,
        most: int = 100,
    ) -> None:
        self.points = points
        self.width = width
        self.offset_weight = offset_weight
        self.tolerance = tolerance
        self.most = most
        self.metrics = {"jaccard": True}

    @property
    def wanted(self) -> Wanted:
        """The points."""
        return Wanted(points=self.points)

    @property
    def n_outputs(self) -> int:
        """Three: the heat map and two distances."""
        return 3

    @property
    def is_per_pixel(self) -> bool:
        """True."""
        return True

    @property
    def score_names(self) -> tuple[str, ...]:
        """None: the scores are of points."""
        return ()

    @property
    def description(self) -> dict[str, Any]:
        """All that is needed to make it again, as JSON-able values."""
        return {
            "name": "localisation",
            "points": self.points,
            "width": self.width,
            "offset_weight": self.offset_weight,
            "tolerance": self.tolerance,
            "most": self.most,
        }

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the focal loss of the heat map and that of the distances, shape (B,)."""
        _, _, n_rows, n_columns = outputs.shape
        is_point = targets.isfinite().all(dim=2)
        places = torch.where(is_point[..., None], targets, 0)
        pixels = (places + 0.5).floor().long()
        limits = torch.tensor([n_rows, n_columns], device=outputs.device)
        is_point = is_point & ((pixels >= 0) & (pixels < limits)).all(dim=2)
        pixels = pixels.clamp_min(0).minimum(limits - 1)
        loss = focal_heat_map(outputs[:, :1], self._heat(pixels, is_point, n_rows, n_columns))
        flat = pixels[..., 0] * n_columns + pixels[..., 1]
        said = outputs[:, 1:].flatten(2).gather(2, flat[:, None].expand(-1, 2, -1))
        errors = (said.transpose(1, 2) - (places - pixels)).abs().sum(dim=2)
        n_points = is_point.sum(dim=1).clamp_min(1)
        return loss + self.offset_weight * torch.where(is_point, errors, 0).sum(dim=1) / n_points

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return `loss`."""
        return self.loss(outputs, targets)

    def scores(self, outputs: Tensor) -> Tensor:
        """Return the points found: row, column, and the height of the peak, shape (B, most, 3).

        In falling height; NaN where an image has fewer peaks. Of neighbours of one height, as the
        arithmetic of low precision makes them, the first along rows and then columns is the peak.
        """
        logit = outputs[:, :1]
        flat = torch.where(_is_peak(logit), logit, -torch.inf).flatten(1)
        height, place = flat.topk(min(self.most, flat.shape[1]), dim=1)
        n_columns = outputs.shape[3]
        pixel = torch.stack([place // n_columns, place % n_columns], dim=2).float()
        offset = outputs[:, 1:].flatten(2).gather(2, place[:, None].expand(-1, 2, -1))
        found = torch.cat([pixel + offset.transpose(1, 2), height.sigmoid()[..., None]], dim=2)
        found = torch.where(height[..., None] > -torch.inf, found, torch.nan)
        missing = self.most - found.shape[1]
        return nn.functional.pad(found, (0, 0, 0, missing), value=torch.nan)

    def mean_scores(self, scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the means of the scores."""
        return mean_of(scores)

    def meter(self) -> "LocalisationMeter":
        """Return a new meter for one pass over a split."""
        return LocalisationMeter(self)

    def _heat(self, pixels: Tensor, is_point: Tensor, n_rows: int, n_columns: int) -> Tensor:
        heat = torch.zeros(len(pixels), n_rows, n_columns, device=pixels.device)
        row = torch.arange(n_rows, device=pixels.device)
        column = torch.arange(n_columns, device=pixels.device)
        narrow = -1 / (2 * self.width**2)
        n_most = int(is_point.any(dim=0).nonzero().max()) + 1 if is_point.any() else 0
        for start in range(0, n_most, _POINTS_AT_ONCE):
            some = slice(start, min(start + _POINTS_AT_ONCE, n_most))
            along = (narrow * (row - pixels[:, some, :1]) ** 2).exp() * is_point[:, some, None]
            across = (narrow * (column - pixels[:, some, 1:]) ** 2).exp()
            peaks = along[..., :, None] * across[..., None, :]
            heat = heat.maximum(peaks.amax(dim=1))
        return heat[:, None]


def _is_peak(heights: Tensor) -> Tensor:
    """Return whether a pixel is above its earlier neighbours and not below its later ones."""
    n_rows, n_columns = heights.shape[2:]
    padded = nn.functional.pad(heights, (1, 1, 1, 1), value=-torch.inf)
    is_peak = torch.ones_like(heights, dtype=torch.bool)
    for row, column in product(range(3), repeat=2):
        beside = padded[..., row : row + n_rows, column : column + n_columns]
        if (row, column) < (1, 1):
            is_peak &= heights > beside
        elif (row, column) > (1, 1):
            is_peak &= heights >= beside
    return is_peak


class LocalisationMeter:
    """Jaccard index TP / (TP + FP + FN) of the points whose peak is higher than one half."""

    def __init__(self, task: Localisation) -> None:
        self._task = task
        self._hits = 0.0
        self._all = 0.0

    def update(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Take in one batch."""
        found = self._task.scores(outputs).cpu().numpy()
        found[found[..., 2] < CONFIDENT] = np.nan
        true = targets.numpy()
        pairs = match_points(true, found[..., :2], tolerance=self._task.tolerance)
        hits = np.bincount(pairs.event, minlength=len(true))
        n_points = np.isfinite(true[..., 0]).sum(axis=1) + np.isfinite(found[..., 0]).sum(axis=1)
        self._hits += float(weights.numpy() @ hits)
        self._all += float(weights.numpy() @ (n_points - hits))

    def result(self) -> dict[str, float]:
        """Return ``jaccard``; 1 if there are no points and none was found."""
        return {"jaccard": self._hits / self._all if self._all else 1.0}
