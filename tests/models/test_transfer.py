import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from detcnn.errors import ConfigError, DataError
from detcnn.models.catalogue import build_network, describe_network
from detcnn.models.network import Network
from detcnn.models.transfer import freeze, read_weights, transfer

OPTIONS = {"blocks": [{"filters": 4, "padding": 1}, {"filters": 5, "padding": 1}], "dense": [8]}


def network(channels=2, n_outputs=2, seed=1, size=9, **options):
    described = describe_network(
        "plain_cnn",
        shape=(channels, size, size),
        n_outputs=n_outputs,
        options=OPTIONS | options,
    )
    return build_network(described, seed=seed)


def test_all_but_the_head_is_taken():
    one, other = network(), network(n_outputs=5, seed=2)
    head = other.head.weight.clone()
    made = transfer(other, one.state_dict(), where="here")
    for name, tensor in one.trunk.state_dict().items():
        assert torch.equal(other.trunk.state_dict()[name], tensor)
    assert torch.equal(other.head.weight, head)
    assert made.fresh == ("head.weight", "head.bias")
    assert made.unused == ()
    assert len(made.taken) == 6
    assert made.adapted is None


def test_the_head_can_be_kept():
    one, other = network(), network(seed=2)
    made = transfer(other, one.state_dict(), where="here", keep_head=True)
    images = torch.rand(3, 2, 9, 9)
    one.eval(), other.eval()
    assert torch.equal(one(images), other(images))
    assert made.fresh == made.unused == ()
    with pytest.raises(DataError, match=r"head.weight has the shape \(2, 8\), expected \(3, 8\)"):
        transfer(network(n_outputs=3), one.state_dict(), where="here", keep_head=True)


@pytest.mark.parametrize("channels", ["mean", "repeat"])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 6])
def test_adapted_channels_keep_the_size_of_a_signal(channels, n_channels):
    one, other = network(channels=3), network(channels=n_channels, seed=2)
    made = transfer(other, one.state_dict(), where="here", channels=channels)
    assert (made.adapted is None) == (n_channels == 3)
    picture = torch.rand(4, 1, 9, 9)
    one.eval(), other.eval()
    before = one.features(picture.expand(-1, 3, -1, -1))
    after = other.features(picture.expand(-1, n_channels, -1, -1))
    if channels == "mean" or n_channels % 3 == 0:
        torch.testing.assert_close(before, after)
    else:
        weight = one.trunk.block1.convolution.weight
        expected = torch.stack([weight[:, i % 3] for i in range(n_channels)], dim=1)
        torch.testing.assert_close(other.trunk.block1.convolution.weight, expected * 3 / n_channels)


@pytest.mark.parametrize("n_channels", [1, 2, 4])
def test_channels_beyond_the_old_ones_can_be_without_effect(n_channels):
    one, other = network(), network(channels=n_channels, seed=2)
    transfer(other, one.state_dict(), where="here", channels="zero")
    images = torch.rand(3, n_channels, 9, 9)
    old = torch.zeros(3, 2, 9, 9)
    old[:, : min(2, n_channels)] = images[:, :2]
    one.eval(), other.eval()
    torch.testing.assert_close(one.features(old), other.features(images))


def test_other_shapes_are_refused_and_nothing_is_changed():
    one, other = network(size=13), network(seed=2)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(DataError, match=r"here: trunk.dense1.linear.weight has the shape"):
        transfer(other, one.state_dict(), where="here")
    assert all(torch.equal(before[n], t) for n, t in other.state_dict().items())


def test_weights_of_something_else_are_refused():
    with pytest.raises(DataError, match=r"has none .* its first are conv1, fc, those .* trunk"):
        transfer(network(), {"conv1": torch.zeros(1), "fc": torch.zeros(1)}, where="here")
    head = {k: v for k, v in network().state_dict().items() if k.startswith("head")}
    with pytest.raises(DataError, match="has none"):
        transfer(network(), head, where="here", keep_head=True)


def test_names_lose_what_wrappers_put_before_them():
    one, other = network(), network(seed=2)
    tensors = {f"module.network.{name}": tensor for name, tensor in one.state_dict().items()}
    made = transfer(other, {**tensors, "module.step": torch.zeros(1)}, where="here")
    assert torch.equal(other.trunk.block1.convolution.weight, one.trunk.block1.convolution.weight)
    assert made.unused == ("module.step",)


# Freezing


@pytest.mark.parametrize("stages", [2, "block2"])
def test_the_first_stages_are_frozen(stages):
    one = network()
    assert freeze(one, stages) == ("block1", "block2")
    frozen = {name for name, weight in one.named_parameters() if not weight.requires_grad}
    assert {name.split(".")[1] for name in frozen} == {"block1", "block2"}
    assert len(frozen) == 4


def test_nothing_is_frozen_by_default():
    one = network()
    assert freeze(one, 0) == ()
    assert all(weight.requires_grad for weight in one.parameters())


def test_stages_without_weights_do_not_count():
    trunk = OrderedDict(flatten=nn.Flatten(), one=nn.Linear(4, 3), relu=nn.ReLU())
    one = Network(nn.Sequential(trunk), nn.Linear(3, 2))
    assert freeze(one, 1) == ("one",)
    with pytest.raises(ConfigError, match="2 stages, but the network has 1: one"):
        freeze(one, 2)
    with pytest.raises(ConfigError, match="no stage 'relu', expected one of one"):
        freeze(one, "relu")


# Files


@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_files_of_weights_are_read(tmp_path, key):
    state = network().state_dict()
    torch.save(state if key is None else {key: state, "epoch": 3}, tmp_path / "weights.pt")
    save_file(state, tmp_path / "weights.safetensors")
    for name in ("weights.pt", "weights.safetensors"):
        found = read_weights(tmp_path / name)
        assert found.keys() == state.keys()
        assert all(torch.equal(found[k], state[k]) for k in state)


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no weights" * 100),
        lambda path: path.write_bytes(b"hello\n"),
        *(
            lambda path, seed=seed: path.write_bytes(np.random.default_rng(seed).bytes(60))
            for seed in range(20)
        ),
        lambda path: path.write_bytes(pickle.dumps({"weight": Evil()})),
        lambda path: torch.save([torch.zeros(1)], path),
        lambda path: torch.save({"epoch": 3}, path),
        lambda path: torch.save({1: torch.zeros(1)}, path),
    ],
)
@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_other_files_are_refused(tmp_path, write, name):
    write(tmp_path / name)
    with pytest.raises(DataError, match=name) as caught:
        read_weights(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_head_for_other_classes_is_told_from_other_images():
    tensors = network(n_outputs=3).state_dict()
    with pytest.raises(DataError, match=r"for other classes or inputs: set train.start.head=new"):
        transfer(network(n_outputs=2), tensors, where="a model", keep_head=True)
