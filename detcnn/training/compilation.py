"""Compiling a network with `torch.compile`, where the machine has what that takes."""

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from detcnn.errors import ConfigError

Forward = Callable[..., Tensor]

_REMEDY = "or leave train.compile out: the result is as good"


def compile_network(network: nn.Module, device: torch.device) -> Forward:
    """Return a network's forward pass, compiled when it first runs.

    Parameters
    ----------
    network : torch.nn.Module
        Stays as it is, and keeps its weights.
    device : torch.device
        Where it runs.

    Raises
    ------
    ConfigError
        If there is no compiler, or, when the result first runs, if it fails.
    """
    if device.type == "cpu":
        names = (os.environ.get("CXX", "g++"), "g++", "clang++")
        if not any(shutil.which(name) for name in names):
            raise ConfigError(
                "train.compile: torch.compile needs a C++ compiler, and neither $CXX nor g++ nor "
                f"clang++ is here: install one, {_REMEDY}"
            )
    elif find_spec("triton") is None:
        raise ConfigError(
            f"train.compile: torch.compile needs the package 'triton': install it, {_REMEDY}"
        )
    # Takes seconds to import.
    from torch._dynamo.exc import TorchDynamoException

    program = torch.compile(network)

    def forward(*inputs: Tensor) -> Tensor:
        try:
            outputs: Tensor = program(*inputs)
        except TorchDynamoException as error:
            # The first line says who failed, the second at what.
            reason = " ".join(str(error).split("\n")[:2]).strip()
            raise ConfigError(
                f"train.compile: the network cannot be compiled ({reason}): mend that, {_REMEDY}"
            ) from error
        return outputs

    return forward
