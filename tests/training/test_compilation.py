import shutil

import numpy as np
import pytest
import torch
from torch import nn

from detcnn.errors import ConfigError
from detcnn.training import compilation
from detcnn.training.compilation import compile_network

CPU = torch.device("cpu")


def test_without_a_compiler_it_says_so(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler.*leave train\.compile out"):
        compile_network(nn.Linear(1, 1), CPU)


def test_without_triton_a_gpu_says_so(monkeypatch):
    monkeypatch.setattr(compilation, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package 'triton'"):
        compile_network(nn.Linear(1, 1), torch.device("cuda"))


@pytest.fixture
def backend(monkeypatch):
    """What stands in for the compiler, which takes many seconds: a list of what it was given."""
    graphs = []
    original = torch.compile

    def compiler(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda network: original(network, backend=compiler))
    monkeypatch.setattr(shutil, "which", lambda name: name)
    return graphs


def test_a_compiled_network_has_the_same_outputs_and_weights(backend):
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    names = list(network.state_dict())
    forward = compile_network(network, CPU)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
    torch.testing.assert_close(forward(images), network(images))
    assert len(backend) == 1
    forward(images).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())
    assert list(network.state_dict()) == names


def test_a_compiler_that_fails_is_told_in_one_line(monkeypatch):
    original = torch.compile

    def compiler(graph, inputs):
        raise RuntimeError("no header\nand more")

    monkeypatch.setattr(torch, "compile", lambda network: original(network, backend=compiler))
    monkeypatch.setattr(shutil, "which", lambda name: name)
    forward = compile_network(nn.Linear(1, 1), CPU)
    with pytest.raises(ConfigError, match="the network cannot be compiled") as caught:
        forward(torch.zeros(1, 1))
    assert "\n" not in str(caught.value)
    assert "no header" in str(caught.value)
