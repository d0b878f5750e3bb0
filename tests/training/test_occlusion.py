import numpy as np
import pytest
import torch
from torch import nn

from detcnn.errors import ConfigError, DataError
from detcnn.models.network import Network
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.training.occlusion import iter_occlusion
from detcnn.training.tasks import Classification

SHAPE = (2, 5, 7)
EMPTY = np.zeros(SHAPE, np.float32)


class Plain(Classification):
    """Scores that are the outputs themselves."""

    def scores(self, outputs):
        return outputs


class Counting(nn.Module):
    """A module in front of another that counts the images it sees."""

    def __init__(self):
        super().__init__()
        self.n_images = 0

    def forward(self, images):
        self.n_images += len(images)
        return images


@pytest.fixture
def weight():
    return np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)


@pytest.fixture
def counter():
    return Counting()


@pytest.fixture
def linear(weight, counter):
    """A model with three outputs Σ w·x + b."""
    layer = nn.Linear(int(np.prod(SHAPE)), 3)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.reshape(3, -1)))
    one = np.ones((2, 1, 1))
    trunk = nn.Sequential(counter, nn.Flatten())
    return DetectorModel(Standardise(0 * one, one), Network(trunk, layer))


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    values = rng.random((4, *SHAPE), dtype=np.float32)
    values[rng.random(values.shape) < 0.6] = 0
    return values


def changes(model, images, **options):
    options = {"empty": EMPTY, "patch": 1, "stride": 1, **options}
    return list(iter_occlusion(model, Plain(3), images, **options))


def test_a_linear_model_gives_its_weights_times_the_pixels(linear, images, weight):
    found = changes(linear, images)
    assert len(found) == 4
    for change, image in zip(found, images, strict=True):
        np.testing.assert_allclose(change, -(weight * image).sum(axis=1), atol=1e-5)


def test_what_is_empty_need_not_be_zero(linear, images, weight):
    empty = np.random.default_rng(2).random(SHAPE, dtype=np.float32)
    for change, image in zip(changes(linear, images, empty=empty), images, strict=True):
        np.testing.assert_allclose(change, (weight * (empty - image)).sum(axis=1), atol=1e-5)


@pytest.mark.parametrize(("patch", "stride"), [(2, 1), (2, 2), (3, 2), (4, 4), (99, 1)])
def test_patches_are_averaged_over_each_pixel_they_cover(linear, images, weight, patch, stride):
    """Go through the pixels and ask which patches hold them."""
    height, width = min(patch, 5), min(patch, 7)
    tops = sorted({*range(0, 5 - height, stride), 5 - height})
    lefts = sorted({*range(0, 7 - width, stride), 7 - width})
    found = changes(linear, images, patch=patch, stride=stride)
    for change, image in zip(found, images, strict=True):
        of_pixel = -(weight * image).sum(axis=1)
        expected = np.zeros((3, 5, 7))
        for row, column in np.ndindex(5, 7):
            holding = [
                of_pixel[:, top : top + height, left : left + width].sum(axis=(1, 2))
                for top in tops
                for left in lefts
                if top <= row < top + height and left <= column < left + width
            ]
            expected[:, row, column] = np.mean(holding, axis=0)
        np.testing.assert_allclose(change, expected, atol=1e-5)


def test_only_patches_with_something_in_them_cost_anything(linear, counter):
    image = np.zeros((1, *SHAPE), np.float32)
    image[0, 1, 2, 3] = image[0, 0, 4, 6] = 1
    (change,) = changes(linear, image)
    assert counter.n_images == 3
    assert np.count_nonzero(change[0]) == 2
    changes(linear, 0 * image)
    assert counter.n_images == 4


def test_more_patches_than_a_batch_holds(linear, images, monkeypatch):
    whole = changes(linear, images)
    monkeypatch.setattr("detcnn.training.occlusion._PATCHES_AT_ONCE", 3)
    np.testing.assert_allclose(changes(linear, images), whole, atol=1e-5)


def test_images_and_random_state_are_left_alone(linear, images):
    before, state = images.copy(), torch.get_rng_state()
    changes(linear, images, patch=2)
    np.testing.assert_array_equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_changes_of_probabilities_sum_to_zero(new_model, values):
    found = iter_occlusion(
        new_model(),
        Classification(2),
        values[:3],
        empty=np.zeros_like(values[0]),
        patch=3,
        stride=3,
    )
    for change in found:
        assert change.shape == (2, 9, 9)
        np.testing.assert_allclose(change.sum(axis=0), 0, atol=1e-6)
        assert np.abs(change).max() > 1e-4


@pytest.mark.parametrize(("patch", "stride"), [(2, 3), (0, 0), (1, 0)])
def test_pixels_that_would_be_left_out_are_refused(linear, images, patch, stride):
    with pytest.raises(ConfigError, match=f"patch {patch} and stride {stride}"):
        changes(linear, images, patch=patch, stride=stride)


def test_scores_that_are_not_numbers_are_an_error(linear, images):
    with torch.no_grad():
        linear.network.head.bias.fill_(np.nan)
    with pytest.raises(DataError, match="image 0 has scores that are not finite"):
        changes(linear, images)
