"""Where the network runs, and making what it does there repeatable."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch

from detcnn.errors import ConfigError
from detcnn.processors import processor_vendor

_AMD = "AuthenticAMD"

# Its one setting is made at run time, out of sight of type checkers.
_DETERMINISTIC: Any = torch.utils.deterministic

DeviceName = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bf16"]
PrecisionName = Literal["auto", "float32", "bf16"]


def find_device(name: DeviceName = "auto") -> torch.device:
    """Return the device of that name; ``"auto"`` is a GPU if there is one.

    Raises
    ------
    ConfigError
        If a GPU is asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise ConfigError(
            "device 'cuda': torch finds no usable GPU here: use device 'cpu' or 'auto', "
            "or install a build of torch with CUDA"
        )
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def has_native_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies matrices of bf16 numbers faster than those of float32.

    Other devices can compute in bf16, too, but convert every number to and fro. Of processors,
    those with AMX do, and AMD's with AVX-512 BF16: training a network of Komiske et al. was 1.9 and
    2.3 times as fast as in float32. Intel's with AVX-512 BF16 but without AMX, as some virtual
    machines show them, were at 0.66 of it. Others have not been measured.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Younger than the oldest torch that detcnn works with; what does not tell gets float32.
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities.get("amx_bf16", False):
        return True
    return bool(capabilities.get("avx512_bf16", False)) and processor_vendor() == _AMD


def find_precision(
    name: PrecisionName, device: torch.device, *, is_as_good_in_bf16: bool
) -> Precision:
    """Return the precision of that name.

    Parameters
    ----------
    name : {"auto", "float32", "bf16"}
        ``"auto"`` is bf16 where it is both faster and as good, float32 elsewhere.
    device : torch.device
        Where the network is trained.
    is_as_good_in_bf16 : bool
        Whether the network is known to learn as much in bf16.
    """
    if name != "auto":
        return name
    return "bf16" if is_as_good_in_bf16 and has_native_bf16(device) else "float32"


def memory_format(n_axes: int) -> torch.memory_format:
    """Return how weights, and images of so many axes, lie in memory: as is fastest for both."""
    return torch.channels_last if n_axes == 2 else torch.contiguous_format


def arithmetic(device: torch.device, precision: Precision) -> torch.autocast:
    """Return a context in which the network computes in that precision; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def repeatable(seed: int, device: torch.device) -> Iterator[None]:
    """Run a block with deterministic algorithms and torch's random numbers from `seed`.

    What torch draws inside is a function of the seed; its random state and its settings are as
    before when the block ends.
    """
    was_on = torch.are_deterministic_algorithms_enabled()
    did_fill = _DETERMINISTIC.fill_uninitialized_memory
    has_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if has_gpu else []):
        # torch.manual_seed looks for every kind of accelerator, 0.3 ms each time.
        torch.default_generator.manual_seed(seed)
        if has_gpu:
            torch.cuda.manual_seed(seed)
        try:
            torch.use_deterministic_algorithms(True)
            # It would write NaN into every new tensor, to find reads of unset memory.
            _DETERMINISTIC.fill_uninitialized_memory = False
            yield
        finally:
            torch.use_deterministic_algorithms(was_on)
            _DETERMINISTIC.fill_uninitialized_memory = did_fill
