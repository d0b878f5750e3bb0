import pytest
import torch

from detcnn.errors import ConfigError
from detcnn.training.device import find_device, repeatable

CPU = torch.device("cpu")


def test_a_repeatable_block_draws_from_its_seed_and_leaves_no_trace():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    with repeatable(5, CPU):
        first = torch.rand(3)
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(2)
    with repeatable(5, CPU):
        assert torch.equal(first, torch.rand(3))
    with repeatable(6, CPU):
        assert not torch.equal(first, torch.rand(3))


def test_settings_come_back_after_an_error():
    with pytest.raises(RuntimeError, match="inside"), repeatable(5, CPU):
        raise RuntimeError("inside")
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    assert find_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device("auto").type == find_device("cuda").type == "cuda"
    assert find_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == CPU
    with pytest.raises(ConfigError, match="device 'cuda': torch finds no usable GPU"):
        find_device("cuda")
