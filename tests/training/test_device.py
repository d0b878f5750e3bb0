import pytest
import torch

from detcnn.errors import ConfigError
from detcnn.training import device
from detcnn.training.device import find_device, find_precision, has_native_bf16, repeatable

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


@pytest.mark.parametrize(
    ("capabilities", "vendor", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, "AuthenticAMD", True),
        ({"avx512_bf16": True, "amx_bf16": False}, "GenuineIntel", False),
        ({"avx512_bf16": False, "amx_bf16": True}, "GenuineIntel", True),
        ({"avx512_bf16": False, "amx_bf16": False, "avx512_f": True}, "AuthenticAMD", False),
        ({"bf16": True, "neon": True}, "", False),
    ],
)
def test_auto_is_bf16_where_it_is_faster_and_as_good(monkeypatch, capabilities, vendor, expected):
    monkeypatch.setattr(device, "processor_vendor", lambda: vendor)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert has_native_bf16(CPU) == expected
    fast = "bf16" if expected else "float32"
    assert find_precision("auto", CPU, is_as_good_in_bf16=True) == fast
    assert find_precision("auto", CPU, is_as_good_in_bf16=False) == "float32"
    for name in ("float32", "bf16"):
        assert find_precision(name, CPU, is_as_good_in_bf16=False) == name


def test_a_torch_that_does_not_tell_gets_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_native_bf16(CPU)


@pytest.mark.parametrize("is_native", [True, False])
def test_a_gpu_is_asked_for_bf16_of_its_own(monkeypatch, is_native):
    def supported(*, including_emulation):
        return is_native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert has_native_bf16(torch.device("cuda")) == is_native
