from collections import OrderedDict

import pytest
import torch
from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.shapes import output_shape

LAYERS = nn.Sequential(
    OrderedDict(wide=nn.Conv2d(2, 3, (3, 5)), pool=nn.MaxPool2d(2), tall=nn.Conv2d(3, 4, (6, 1)))
)


def test_by_hand():
    # 15 -> 13 -> 6 -> 1 rows and 20 -> 16 -> 8 -> 8 columns.
    assert output_shape(LAYERS, (2, 15, 20), network="these") == (4, 1, 8)


def test_it_is_what_torch_makes_of_an_image():
    images = torch.rand(1, 2, 17, 30)
    assert output_shape(LAYERS, (2, 17, 30), network="these") == LAYERS(images).shape[1:]


@pytest.mark.parametrize(
    ("shape", "layer"), [((2, 13, 20), "tall"), ((2, 20, 5), "pool"), ((2, 2, 2), "wide")]
)
def test_an_image_that_is_too_small(shape, layer):
    # Rows: (14 - 2) / 2 = 6. Columns: (6 - 4) / 2 = 1.
    message = (
        f"the image is {shape[1]}x{shape[2]}, too small for '{layer}'; "
        "the smallest for these is 14x6: ask for more"
    )
    with pytest.raises(ConfigError, match=message):
        output_shape(LAYERS, shape, network="these", remedy="ask for more")


def test_other_mistakes_are_not_for_want_of_pixels():
    with pytest.raises(RuntimeError, match="channels"):
        output_shape(LAYERS, (3, 15, 20), network="these")


def test_layers_are_left_as_they_were():
    layers = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5).eval())
    before = {name: tensor.clone() for name, tensor in layers.state_dict().items()}
    assert output_shape(layers, (2, 3, 3), network="these") == (2, 3, 3)
    assert [layer.training for layer in layers.modules()] == [True, True, False]
    assert all(torch.equal(before[name], kept) for name, kept in layers.state_dict().items())
