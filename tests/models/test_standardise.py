import numpy as np
import pytest
import torch

from detcnn.errors import DataError
from detcnn.models.catalogue import build_network, describe_network
from detcnn.models.plain_cnn import plain_cnn
from detcnn.models.standardise import DetectorModel, Standardise


def test_by_hand():
    layer = Standardise([[[1.0, 2.0]]], [[[2.0, 0.5]]])
    images = torch.tensor([[[[5.0, 3.0]]], [[[1.0, 2.0]]]])
    assert layer(images).tolist() == [[[[2.0, 2.0]]], [[[0.0, 0.0]]]]


def test_values_far_from_zero_keep_the_precision_they_came_with():
    values = np.random.default_rng(3).normal(2000, 5, (50, 1, 4, 4)).astype(np.float32)
    mean, std = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
    layer = Standardise.from_statistics(mean, std, relative_floor=0)
    exact = (values - mean) / std
    spacing = np.spacing(np.float32(2000)) / std.min()
    np.testing.assert_allclose(layer(torch.from_numpy(values)), exact, rtol=0, atol=2 * spacing)


def test_per_channel_constants_act_on_every_pixel():
    layer = Standardise([[[1.0]], [[10.0]]], [[[1.0]], [[5.0]]])
    images = torch.full((3, 2, 4, 4), 20.0)
    assert layer(images)[:, 0].unique().tolist() == [19.0]
    assert layer(images)[:, 1].unique().tolist() == [2.0]


def test_training_images_come_out_with_mean_zero_and_spread_one():
    values = np.random.default_rng(1).gamma(2.0, size=(500, 2, 3, 3)).astype(np.float32)
    layer = Standardise.from_statistics(values.mean(0), values.std(0), relative_floor=0)
    out = layer(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(0), 1, rtol=1e-5)


def test_the_floors_by_hand():
    # Channel 0: spreads 3, 4, 0, 0 with the root mean square 2.5; channel 1 is always empty.
    std = np.array([[[3.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    zero = np.zeros_like(std)
    relative = Standardise.from_statistics(zero, std)
    assert relative.scale.squeeze(0).tolist()[0] == [[5.5, 6.5], [2.5, 2.5]]
    assert relative.scale.squeeze(0).tolist()[1] == [[1.0, 1.0], [1.0, 1.0]]
    published = Standardise.from_statistics(zero, std, floor=0.5, relative_floor=0)
    assert published.scale.squeeze(0).tolist()[0] == [[3.5, 4.5], [0.5, 0.5]]
    assert published.scale.squeeze(0).tolist()[1] == [[0.5, 0.5], [0.5, 0.5]]


def test_a_relative_floor_does_not_depend_on_the_units():
    rng = np.random.default_rng(2)
    mean, std = rng.random((2, 3, 3)), rng.random((2, 3, 3))
    images = torch.from_numpy(rng.random((4, 2, 3, 3), dtype=np.float32))
    in_gev, in_mev = (Standardise.from_statistics(k * mean, k * std) for k in (1.0, 1000.0))
    torch.testing.assert_close(in_gev(images), in_mev(1000 * images))


def test_pixels_are_cut_before_all_else_by_hand():
    layer = Standardise([[[1.0]], [[0.0]]], [[[2.0]], [[1.0]]], limit=[5.0, 0.5])
    images = torch.tensor([[[[9.0, -9.0, 3.0]], [[0.25, -0.75, 0.0]]]])
    assert layer(images).tolist() == [[[[2.0, -3.0, 1.0]], [[0.25, -0.5, 0.0]]]]
    assert images.max() == 9
    for axes in ((), (4,), (2, 3, 4)):
        mean = np.zeros((2, *[1] * len(axes)))
        values = torch.ones((3, 2, *axes))
        found = Standardise(mean, mean + 1, limit=[5.0, 0.5])(values)
        assert found[:, 0].unique().tolist() == [1.0]
        assert found[:, 1].unique().tolist() == [0.5]


def test_limits_are_saved_if_there_are_any():
    ones = np.ones((2, 9, 9))
    without = Standardise(ones, ones)
    layer = Standardise.from_statistics(ones, ones, limit=[2.0, 3.0])
    assert set(without.state_dict()) == {"mean", "scale"}
    assert layer.state_dict()["limit"].shape == (1, 2, 1, 1)


def test_constants_are_saved_with_the_model_and_follow_its_memory_layout():
    ones = np.ones((2, 9, 9))
    model = DetectorModel(Standardise(ones, ones), plain_cnn((2, 9, 9), 2))
    assert {"standardise.mean", "standardise.scale"} <= model.state_dict().keys()
    model.to(memory_format=torch.channels_last)
    assert model.standardise.mean.is_contiguous(memory_format=torch.channels_last)


def test_the_model_standardises_before_the_network():
    mean, scale = np.full((1, 9, 9), 2.0), np.full((1, 9, 9), 4.0)
    model = DetectorModel(Standardise(mean, scale), plain_cnn((1, 9, 9), 2)).eval()
    images = torch.rand(3, 1, 9, 9)
    assert torch.equal(model(images), model.network((images - 2) / 4))
    assert torch.equal(model.features(images), model.network.features((images - 2) / 4))


@pytest.mark.parametrize("axes", [(), (7,), (4, 5), (2, 3, 4)])
def test_events_with_any_number_of_axes(axes):
    values = np.random.default_rng(4).normal(5, 2, (300, 2, *axes)).astype(np.float32)
    layer = Standardise.from_statistics(values.mean(0), values.std(0), relative_floor=0)
    out = layer(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(0), 1, rtol=1e-5)


def test_the_relative_floor_of_a_channel_is_that_of_its_own_pixels():
    # Spreads 3 and 4 of one channel have the root mean square √12.5, however they lie.
    for shape in ((1, 2), (1, 1, 2), (1, 2, 1, 1)):
        std = np.reshape([3.0, 4.0], shape)
        layer = Standardise.from_statistics(np.zeros_like(std), std)
        np.testing.assert_allclose(layer.scale.flatten(), [3 + 12.5**0.5, 4 + 12.5**0.5])


def test_extra_values_are_standardised_before_they_are_joined():
    network = build_network(
        describe_network("dense", shape=(1, 9, 9), n_outputs=2, n_extra=2), seed=1
    )
    network.head.weight.data[:, -2:] = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    images, extra = torch.rand(3, 1, 9, 9), torch.rand(3, 2)
    as_they_are = Standardise(np.zeros((1, 1, 1)), np.ones((1, 1, 1)))
    model = DetectorModel(as_they_are, network, Standardise([1.0, 2.0], [4.0, 5.0]))
    standardised = (extra - torch.tensor([1.0, 2.0])) / torch.tensor([4.0, 5.0])
    torch.testing.assert_close(model(images, extra), network(images, standardised))
    assert {"extra_standardise.mean", "extra_standardise.scale"} <= model.state_dict().keys()
    without = DetectorModel(as_they_are, network)
    torch.testing.assert_close(without(images, extra), network(images, extra))
    assert not any(name.startswith("extra") for name in without.state_dict())


@pytest.mark.parametrize(
    ("mean", "scale", "message"),
    [
        (np.ones((1, 2, 2)), np.ones((1, 1, 1)), r"mean of shape \(1, 2, 2\) and scale of shape"),
        (np.ones(()), np.ones(()), "expected the same for both"),
        (np.ones((1, 1, 1, 1, 1)), np.ones((1, 1, 1, 1, 1)), "expected the same for both"),
        (np.ones((1, 1, 1)), np.zeros((1, 1, 1)), "positive scales"),
        (np.full((1, 1, 1), np.nan), np.ones((1, 1, 1)), "finite means"),
    ],
)
def test_unusable_constants_are_refused(mean, scale, message):
    with pytest.raises(DataError, match=message):
        Standardise(mean, scale)


@pytest.mark.parametrize("limit", [[1.0], [1.0, 0.0], [1.0, np.nan], [1.0, np.inf]])
def test_unusable_limits_are_refused(limit):
    ones = np.ones((2, 3, 3))
    with pytest.raises(DataError, match="expected a finite positive one for each of 2 channels"):
        Standardise(ones, ones, limit)
