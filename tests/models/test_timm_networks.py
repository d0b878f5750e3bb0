"""Networks of timm: what is asked of the library, and what becomes of its answers."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from detcnn.errors import ConfigError
from detcnn.models.catalogue import build_network, describe_network


class Tiny(nn.Module):
    """As much of a network of timm as is used: pooled features, where there are no classes."""

    def __init__(self, in_chans: int, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_chans, width, 5)

    def forward(self, images):
        return self.convolution(images).mean((2, 3))


@pytest.fixture
def calls(monkeypatch):
    """Put a library of one network in the place of timm."""
    recorded = []

    def create_model(name, *, pretrained, num_classes, in_chans, width=7, **others):
        if others:
            raise TypeError(f"unexpected\n{others}")
        recorded.append((name, pretrained, num_classes, in_chans))
        return Tiny(in_chans, width)

    fake = ModuleType("timm")
    fake.create_model = create_model
    fake.is_model = lambda name: name == "tiny"
    monkeypatch.setitem(sys.modules, "timm", fake)
    return recorded


def described(name: str = "timm:tiny", shape=(3, 9, 8), **options):
    return describe_network(name, shape=shape, n_outputs=4, options=options, n_extra=1)


def test_features_are_theirs_and_the_head_is_ours(calls):
    network = build_network(described(width=6), seed=1)
    assert calls == [("tiny", False, 0, 3)]
    images = torch.rand(2, 3, 9, 8)
    assert network.features(images).shape == (2, 6)
    assert network(images, torch.rand(2, 1)).shape == (2, 4)
    assert network.head.weight.shape == (4, 7)
    assert {"trunk.convolution.weight", "head.weight"} <= network.state_dict().keys()


def test_weights_are_a_function_of_the_seed(calls):
    first, again, other = (build_network(described(), seed=n).state_dict() for n in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["trunk.convolution.weight"], other["trunk.convolution.weight"])


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"name": "timm:huge"}, "network 'timm:huge': timm has no 'huge': see timm.list_models"),
        ({"shape": (3, 4, 9)}, "the smallest for timm:tiny is 5x5"),
        ({"shape": (3, 9)}, "timm:tiny takes images of rows and columns, not of 1 axes"),
        ({"pretrained": True}, "network 'timm:tiny': 'pretrained' is not for you to set"),
        ({"depth": 3}, "network 'timm:tiny': timm cannot build it: unexpected {'depth': 3}"),
    ],
)
def test_what_cannot_be_is_one_line(calls, architecture, message):
    with pytest.raises(ConfigError, match=message) as error:
        build_network(described(**architecture), seed=1)
    assert "\n" not in str(error.value)


def test_without_timm_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError) as error:
        described()
    message = "network 'timm:tiny': timm is not installed: pip install timm"
    assert str(error.value) == message


def test_the_library_itself():
    pytest.importorskip("timm")
    shape = (2, 40, 33)
    network = build_network(
        describe_network("timm:resnet10t", shape=shape, n_outputs=3), seed=1
    ).eval()
    images = torch.rand(2, *shape)
    assert network(images).shape == (2, 3)
    assert torch.equal(network(images), network.head(network.features(images)))
