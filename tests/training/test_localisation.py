import numpy as np
import pytest
import torch
from scipy import ndimage

from detcnn.errors import DataError
from detcnn.events.images import DenseImages
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.training.localisation import Localisation
from detcnn.training.losses import focal_heat_map
from detcnn.training.prediction import predict


def heat_map(rows):
    """Logits of a heat map, and distances of 0.25 pixels down and 0.5 to the left."""
    logits = torch.tensor(rows, dtype=torch.float32)[None]
    return torch.stack([logits, torch.full_like(logits, 0.25), torch.full_like(logits, -0.5)], 1)


def test_points_are_the_maxima_by_hand():
    outputs = heat_map([[0, 0, 0, 0, 1], [0, 2, 0, 0, 0], [0, 0, 1, 0, 0]])
    found = Localisation("places", most=3).scores(outputs)[0]
    torch.testing.assert_close(found[:2, :2], torch.tensor([[1.25, 0.5], [0.25, 3.5]]))
    torch.testing.assert_close(found[:2, 2], torch.tensor([2.0, 1.0]).sigmoid())
    # The one is beside the two.
    assert found[2].isnan().all()


def test_only_the_highest_are_kept():
    outputs = heat_map([[3, 0, 5, 0, 1]])
    found = Localisation("places", most=2).scores(outputs)[0]
    assert found[:, 1].tolist() == [1.5, -0.5]


@pytest.mark.parametrize("height", [2.0, 40.0, 90.0])
def test_of_neighbours_of_one_height_one_is_the_peak(height):
    # The logistic function of 40 is 1 in float32, and so is that of 39.
    outputs = heat_map([[0, height, height], [0, height, height], [0, 0, 0], [height - 1, 0, 0]])
    found = Localisation("places", most=4).scores(outputs)[0]
    assert found[:, :2].isfinite().all(dim=1).sum() == 2
    assert found[:2, :2].tolist() == [[0.25, 0.5], [3.25, -0.5]]


def test_peaks_are_those_of_a_filter_where_no_heights_are_equal():
    logits = np.random.default_rng(1).normal(size=(4, 9, 8)).astype(np.float32)
    outputs = torch.zeros(4, 3, 9, 8)
    outputs[:, 0] = torch.from_numpy(logits)
    found = Localisation("places", most=72).scores(outputs).numpy()
    for image, points in zip(logits, found, strict=True):
        is_peak = image == ndimage.maximum_filter(image, size=3, mode="constant", cval=-np.inf)
        points = points[np.isfinite(points[:, 0])]
        assert sorted(points[:, :2].tolist()) == np.argwhere(is_peak).tolist()
        assert (np.diff(points[:, 2]) <= 0).all()


def test_the_target_is_a_gaussian_around_each_point():
    targets = torch.tensor([[[1.2, 2.9], [np.nan, np.nan]], [[-0.4, 0.0], [3.4, 3.4]]])
    outputs = torch.randn((2, 3, 4, 5), generator=torch.Generator().manual_seed(0))
    row, column = np.mgrid[:4, :5]

    def peak(at_row, at_column):
        return np.exp(-((row - at_row) ** 2 + (column - at_column) ** 2) / (2 * 1.5**2))

    heat = np.stack([peak(1, 3), np.maximum(peak(0, 0), peak(3, 3))])
    expected = focal_heat_map(outputs[:, :1], torch.from_numpy(heat[:, None]).float())
    said = outputs[:, 1:]
    first = (said[0, :, 1, 3] - torch.tensor([0.2, -0.1])).abs().sum()
    second = (said[1, :, 0, 0] - torch.tensor([-0.4, 0.0])).abs().sum()
    third = (said[1, :, 3, 3] - torch.tensor([0.4, 0.4])).abs().sum()
    expected = expected + 2 * torch.stack([first, (second + third) / 2])
    loss = Localisation("places", width=1.5, offset_weight=2.0).loss(outputs, targets)
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("place", [[-0.6, 1.0], [1.0, 4.6], [9.0, 9.0]])
def test_a_point_outside_the_image_is_none(place):
    outputs = torch.randn((1, 3, 4, 5), generator=torch.Generator().manual_seed(0))
    task = Localisation("places")
    outside, none = torch.tensor([[place]]), torch.full((1, 1, 2), torch.nan)
    torch.testing.assert_close(task.loss(outputs, outside), task.loss(outputs, none))


class Copied(torch.nn.Module):
    """A network that says its images, times the weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, images, extra=None):
        return self.weight * images


def test_images_with_fewer_points_than_can_be_found_are_predicted():
    images = np.zeros((2, 3, 6, 6), dtype=np.float32)
    images[0, 0, 1, 1] = images[0, 0, 4, 4] = images[1, 0, 2, 3] = 5
    model = DetectorModel(Standardise(np.zeros((3, 1, 1)), np.ones((3, 1, 1))), Copied())
    scores = predict(model, Localisation("places", most=8), DenseImages(images))
    assert scores.shape == (2, 8, 3)
    is_high = scores[..., 2] > 0.9
    assert is_high.sum(axis=1).tolist() == [2, 1]
    assert scores[1, 0, :2].tolist() == [2, 3]
    images[1, 1, 0, 0] = np.inf
    with pytest.raises(DataError, match=r"1 images have scores .* the first is image 1"):
        predict(model, Localisation("places", most=8), DenseImages(images))
