"""Taking what one network has learned over into another.

The features of a network are its trunk, a chain of named stages; the head is drawn anew for the new
classes. Yosinski et al. (arXiv:1411.1792) show what is gained, and that the first stages carry over
best.
"""

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from detcnn.errors import ConfigError, DataError
from detcnn.models.network import Network

Adaptation = Literal["mean", "repeat", "zero"]

_HEAD = "head."

_DAMAGE = (
    OSError,
    RuntimeError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    pickle.UnpicklingError,
)
"""What bytes that are no state dict raise in torch."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "network.")
"""What wrappers put before the names of the network that they hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What became of the tensors of a file and of those of a network.

    Parameters
    ----------
    taken : tuple of str
        Names of the network's tensors that were taken over.
    fresh : tuple of str
        Names of those that were not, and stay as they were drawn.
    unused : tuple of str
        Names of the file's tensors that the network has no place for.
    adapted : str or None
        Name of the first convolution's weights, if its number of channels was adapted.
    """

    taken: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    adapted: str | None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a file.

    Parameters
    ----------
    path : Path
        Safetensors, or a state dict written by ``torch.save``, of which nothing but tensors is
        read; it may stand under the key ``state_dict`` or ``model``.

    Returns
    -------
    dict
        Name to tensor, on the CPU.

    Raises
    ------
    DataError
        If the file is not there, or is no such file.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            # Of pickles that it may not be able to read: then it says so.
            warnings.simplefilter("ignore")
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file: name a file of weights") from None
    except _DAMAGE as error:
        raise DataError(_unreadable(path)) from error
    except safetensors.SafetensorError as error:
        raise DataError(_unreadable(path)) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise DataError(_unreadable(path))
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise DataError(_unreadable(path))
    return tensors


def _unreadable(path: Path) -> str:
    return (
        f"{path}: holds no weights that can be read: expected safetensors, or a state dict of "
        "tensors written by torch.save"
    )


def transfer(
    network: Network,
    tensors: Mapping[str, Tensor],
    *,
    where: str,
    channels: Adaptation = "mean",
    keep_head: bool = False,
) -> Transferred:
    """Take over the tensors whose names a network knows.

    Parameters
    ----------
    network : Network
        Updated in place.
    tensors : mapping
        Name to tensor; the names of the network, or those that a wrapper has made of them.
    where : str
        Names their source in messages.
    channels : {"mean", "repeat", "zero"}
        What the first convolution takes for another number of channels. ``"mean"``: for each
        channel the mean over the old ones; ``"repeat"``: the old ones in turn; both times the
        ratio of the numbers, so that a signal keeps its size. ``"zero"``: the old ones as they
        are, as many as there is room for, and zeros for those beyond.
    keep_head : bool
        Take the head, too.

    Returns
    -------
    Transferred

    Raises
    ------
    DataError
        If no name of the trunk is known, or a shape is another one; the network is then as it was.
    """
    expected = network.state_dict()
    found = {_bare_name(name, expected): tensor for name, tensor in tensors.items()}
    wanted = [name for name in expected if keep_head or not name.startswith(_HEAD)]
    taken = {name: found[name] for name in wanted if name in found}
    if not any(not name.startswith(_HEAD) for name in taken):
        raise DataError(
            f"{where}: has none of the network's weights: its first are "
            f"{', '.join(list(tensors)[:2])}, those of the network {', '.join(wanted[:2])}: "
            "start from a model of the same network"
        )
    first, adapted = _first_convolution(network), None
    for name, tensor in taken.items():
        shape = expected[name].shape
        if name == first and _differ_in_channels(tensor, expected[name]):
            taken[name] = _adapt(tensor, shape[1], channels)
            adapted = name
        elif tensor.shape != shape:
            remedy = "start from a model of the same network for images of the same size"
            if name.startswith(_HEAD):
                remedy = "it is for other classes or inputs: set train.start.head=new"
            raise DataError(
                f"{where}: {name} has the shape {tuple(tensor.shape)}, expected {tuple(shape)}: "
                f"{remedy}"
            )
    network.load_state_dict({**expected, **taken})
    return Transferred(
        taken=tuple(taken),
        fresh=tuple(name for name in expected if name not in taken),
        unused=tuple(name for name in found if name not in expected),
        adapted=adapted,
    )


def freeze(network: Network, stages: int | str) -> tuple[str, ...]:
    """Keep the first stages of a network as they are: their weights ask for no gradient.

    Parameters
    ----------
    network : Network
        Updated in place.
    stages : int or str
        How many stages of its trunk, of those that have weights; or the name of the last one.

    Returns
    -------
    tuple of str
        Names of the stages that stay.

    Raises
    ------
    ConfigError
        If there are not so many stages, or there is none of that name.
    """
    names = [
        name
        for name, stage in network.trunk.named_children()
        if any(True for _ in stage.parameters())
    ]
    if isinstance(stages, str) and stages not in names:
        raise ConfigError(f"freeze: no stage {stages!r}, expected one of {', '.join(names)}")
    count = names.index(stages) + 1 if isinstance(stages, str) else stages
    if count > len(names):
        raise ConfigError(
            f"freeze: {count} stages, but the network has {len(names)}: {', '.join(names)}"
        )
    for name in names[:count]:
        network.trunk.get_submodule(name).requires_grad_(requires_grad=False)
    return tuple(names[:count])


def _bare_name(name: str, expected: Mapping[str, Tensor]) -> str:
    """Return the network's own name of a tensor, without what wrappers put before it."""
    bare, is_shorter = name, True
    while bare not in expected and is_shorter:
        is_shorter = False
        for prefix in _PREFIXES:
            if bare.startswith(prefix):
                bare, is_shorter = bare.removeprefix(prefix), True
    return bare if bare in expected else name


def _first_convolution(network: Network) -> str | None:
    """Return the name of the weights that see the image, if that is a convolution."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            return f"{name}.weight" if module.groups == 1 else None
        if isinstance(module, nn.Linear):
            return None
    return None


def _differ_in_channels(one: Tensor, other: Tensor) -> bool:
    without = [(*tensor.shape[:1], *tensor.shape[2:]) for tensor in (one, other)]
    return one.dim() == other.dim() and without[0] == without[1] and one.shape != other.shape


def _adapt(weight: Tensor, n_channels: int, channels: Adaptation) -> Tensor:
    n_old = weight.shape[1]
    if channels == "mean":
        mean = weight.mean(dim=1, keepdim=True) * (n_old / n_channels)
        return mean.expand(-1, n_channels, *weight.shape[2:])
    if channels == "repeat":
        return weight[:, torch.arange(n_channels) % n_old] * (n_old / n_channels)
    adapted = weight.new_zeros((weight.shape[0], n_channels, *weight.shape[2:]))
    n_both = min(n_old, n_channels)
    adapted[:, :n_both] = weight[:, :n_both]
    return adapted
