import json

import pytest
import torch

from detcnn.errors import ConfigError
from detcnn.models.catalogue import NETWORKS, Architecture, build_network, describe_network

SHAPE = (2, 33, 35)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_runs_forward_and_backward(name):
    network = build_network(describe_network(name, shape=SHAPE, n_outputs=3), seed=1)
    logits = network(torch.rand(2, *SHAPE))
    assert logits.shape == (2, 3)
    logits.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_built_again_from_its_description_as_json(name):
    described = describe_network(name, shape=SHAPE, n_outputs=3)
    content = json.loads(json.dumps({"options": described.options}))
    again = Architecture(network=name, shape=SHAPE, n_outputs=3, **content)
    assert again == described
    assert _equal(build_network(described, seed=7), build_network(again, seed=7))


def test_the_description_has_every_option():
    described = describe_network(
        "plain_cnn", shape=SHAPE, n_outputs=2, options={"blocks": [{"filters": 8}]}
    )
    assert described.options == {
        "blocks": [{"filters": 8}],
        "dense": [128],
        "dense_dropout": 0.25,
        "activation": "relu",
    }


def test_weights_are_a_function_of_the_seed():
    described = describe_network("plain_cnn", shape=SHAPE, n_outputs=2)
    torch.manual_seed(1)
    first = build_network(described, seed=1)
    torch.manual_seed(2)
    assert _equal(first, build_network(described, seed=1))
    assert not _equal(first, build_network(described, seed=2))


def test_building_leaves_torch_random_state_alone():
    before = torch.get_rng_state()
    build_network(describe_network("plain_cnn", shape=SHAPE, n_outputs=2), seed=1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("plain-cnn", {}, "unknown network 'plain-cnn': expected one of .*, komiske2017, "),
        ("plain_cnn", {"filters": 3}, "unknown option 'filters', expected one of blocks, dense"),
        ("komiske2017", {"dense": [3]}, "unknown option 'dense', expected none: it is a preset"),
    ],
)
def test_unknown_names_are_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        describe_network(name, shape=SHAPE, n_outputs=2, options=options)


def _equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
