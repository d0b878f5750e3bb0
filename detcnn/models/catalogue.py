"""Networks by name: what to build, and everything needed to build it again."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from detcnn.errors import ConfigError
from detcnn.models.deoliveira2016 import deoliveira2016
from detcnn.models.deoliveira2016_maxout import deoliveira2016_maxout
from detcnn.models.komiske2017 import komiske2017
from detcnn.models.macaluso2018 import macaluso2018
from detcnn.models.network import Network
from detcnn.models.plain_cnn import plain_cnn
from detcnn.seeding import derived_seed

NETWORKS: Mapping[str, Callable[..., Network]] = {
    "deoliveira2016": deoliveira2016,
    "deoliveira2016_maxout": deoliveira2016_maxout,
    "komiske2017": komiske2017,
    "macaluso2018": macaluso2018,
    "plain_cnn": plain_cnn,
}
"""Name to builder. A builder takes the image shape, the number of outputs, and keyword options."""

EQUAL_IN_BF16 = frozenset({"komiske2017", "plain_cnn"})
"""Networks that are trained in bf16 by default where it is faster: those whose area under the ROC
curve ``tests/training/test_precision.py`` shows to be the same as in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network without its weights.

    Parameters
    ----------
    network : str
        A name in `NETWORKS`.
    options : mapping
        Every option of its builder, as JSON-able values.
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    """

    network: str
    options: Mapping[str, Any]
    shape: tuple[int, int, int]
    n_outputs: int


def describe_network(
    network: str,
    *,
    shape: tuple[int, int, int],
    n_outputs: int,
    options: Mapping[str, Any] | None = None,
) -> Architecture:
    """Return the architecture with all options of the network filled in.

    Defaults are written out, so that a description on disk stays true when they change.

    Parameters
    ----------
    network : str
        A name in `NETWORKS`.
    shape : tuple of int
        (channels, rows, columns) of an image.
    n_outputs : int
        Number of outputs.
    options : mapping, optional
        Options of the builder that differ from their defaults.

    Returns
    -------
    Architecture

    Raises
    ------
    ConfigError
        If the network or one of the options is unknown.
    """
    if network not in NETWORKS:
        raise ConfigError(f"unknown network {network!r}: expected one of {', '.join(NETWORKS)}")
    parameters = inspect.signature(NETWORKS[network]).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    given = dict(options or {})
    for name in given:
        if name not in defaults:
            known = f"one of {', '.join(defaults)}" if defaults else "none: it is a preset"
            raise ConfigError(f"network {network!r}: unknown option {name!r}, expected {known}")
    plain = json.loads(json.dumps(defaults | given, default=asdict))
    return Architecture(network=network, options=plain, shape=shape, n_outputs=n_outputs)


def build_network(architecture: Architecture, *, seed: int) -> Network:
    """Build a network with freshly drawn weights.

    Parameters
    ----------
    architecture : Architecture
        What to build.
    seed : int
        The weights are a function of it and of the architecture; torch's own random state is left
        as it was.

    Returns
    -------
    Network
        On the CPU, in training mode.

    Raises
    ------
    ConfigError
        If the image is too small, or an option is out of range.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights"))
        builder = NETWORKS[architecture.network]
        return builder(architecture.shape, architecture.n_outputs, **architecture.options)
