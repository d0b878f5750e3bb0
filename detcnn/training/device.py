"""Where the network runs, and making what it does there repeatable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from detcnn.errors import ConfigError

# Its one setting is made at run time, out of sight of type checkers.
_DETERMINISTIC: Any = torch.utils.deterministic

DeviceName = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bf16"]


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
