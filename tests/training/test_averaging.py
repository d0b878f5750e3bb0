import copy

import numpy as np
import pytest
import torch
from torch import nn

from detcnn.models.network import Network
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.training.averaging import start_average, update_average


@pytest.fixture
def model():
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten())
    layer = Standardise(np.full((1, 1, 1), 0.3), np.full((1, 1, 1), 0.7))
    return DetectorModel(layer, Network(trunk, nn.Linear(18, 2)))


def test_an_average_by_hand(model):
    average = start_average(model)
    weight = model.network.head.weight
    values = [2.0, 5.0, -1.0, 4.0]
    expected = weight.detach().clone()
    for n_steps, value in enumerate(values, start=1):
        with torch.no_grad():
            weight.fill_(value)
        update_average(average, model, decay=0.3, n_steps=n_steps)
        # 2/11 and 3/12 are less than the decay.
        kept = {1: 2 / 11, 2: 3 / 12}.get(n_steps, 0.3)
        expected = kept * expected + (1 - kept) * value
    torch.testing.assert_close(average.network.head.weight, expected)
    assert torch.all(weight == 4.0)


def test_what_normalisation_counted_up_is_averaged_like_its_weights(model):
    average = start_average(model)
    norm, averaged = model.network.trunk[1], average.network.trunk[1]
    before = copy.deepcopy(averaged.state_dict())
    model.train()(torch.randn(8, 1, 5, 5) + 3)
    assert not torch.equal(norm.running_mean, before["running_mean"])
    update_average(average, model, decay=0.9, n_steps=10**6)
    for name in ("running_mean", "running_var"):
        expected = 0.9 * before[name] + 0.1 * getattr(norm, name)
        torch.testing.assert_close(getattr(averaged, name), expected)
    assert averaged.num_batches_tracked == norm.num_batches_tracked == 1


def test_an_average_of_equal_weights_keeps_their_bits(model):
    average = start_average(model)
    for n_steps in (1, 2, 10, 1000):
        update_average(average, model, decay=0.999, n_steps=n_steps)
    for name, tensor in model.state_dict().items():
        assert torch.equal(average.state_dict()[name], tensor), name


def test_an_average_is_its_own_and_judges_only(model):
    average = start_average(model)
    assert not average.training
    assert not any(weight.requires_grad for weight in average.parameters())
    with torch.no_grad():
        model.network.head.weight.zero_()
    assert average.network.head.weight.abs().sum() > 0
    assert model.network.head.weight.requires_grad
