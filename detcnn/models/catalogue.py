"""Networks by name: what to build, and everything needed to build it again."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from detcnn.errors import ConfigError
from detcnn.models.alexnet import alexnet
from detcnn.models.cvn import cvn
from detcnn.models.dense import dense
from detcnn.models.densenet import densenet121
from detcnn.models.deoliveira2016 import deoliveira2016
from detcnn.models.deoliveira2016_maxout import deoliveira2016_maxout
from detcnn.models.googlenet import googlenet
from detcnn.models.inception_resnet_v2 import inception_resnet_v2
from detcnn.models.komiske2017 import komiske2017
from detcnn.models.lenet5 import lenet5
from detcnn.models.locally_connected import locally_connected
from detcnn.models.macaluso2018 import macaluso2018
from detcnn.models.mobilenet import mobilenet_v1, mobilenet_v2
from detcnn.models.network import Network
from detcnn.models.options import require_whole
from detcnn.models.particlenet import particlenet
from detcnn.models.plain_cnn import plain_cnn
from detcnn.models.resnet import (
    resnet18,
    resnet34,
    resnet50,
    resnext50,
    se_resnet18,
    se_resnet50,
)
from detcnn.models.timm_networks import PREFIX as TIMM
from detcnn.models.timm_networks import require_timm, timm_network
from detcnn.models.unet import residual_unet, unet
from detcnn.models.vgg import vgg11, vgg13, vgg16, vgg19
from detcnn.models.vit import vit, vit_b16
from detcnn.models.xception import xception
from detcnn.seeding import derived_seed

NETWORKS: Mapping[str, Callable[..., Network]] = {
    "alexnet": alexnet,
    "cvn": cvn,
    "dense": dense,
    "densenet121": densenet121,
    "deoliveira2016": deoliveira2016,
    "deoliveira2016_maxout": deoliveira2016_maxout,
    "googlenet": googlenet,
    "inception_resnet_v2": inception_resnet_v2,
    "komiske2017": komiske2017,
    "lenet5": lenet5,
    "locally_connected": locally_connected,
    "macaluso2018": macaluso2018,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "particlenet": particlenet,
    "plain_cnn": plain_cnn,
    "residual_unet": residual_unet,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnext50": resnext50,
    "se_resnet18": se_resnet18,
    "se_resnet50": se_resnet50,
    "unet": unet,
    "vgg11": vgg11,
    "vgg13": vgg13,
    "vgg16": vgg16,
    "vgg19": vgg19,
    "vit": vit,
    "vit_b16": vit_b16,
    "xception": xception,
}
"""Name to builder. A builder takes the image shape, the number of outputs, and keyword options; its
documentation says in the first line what it is and where it was published. Beside them, the name
``timm:NAME`` stands for a network of timm."""

PER_PIXEL = frozenset({"residual_unet", "unet"})
"""Networks with outputs for each pixel; all others have outputs for each image."""

READS_FILLED_PIXELS = frozenset({"particlenet"})
"""Networks that have to see which pixels are filled, which standardised images do not tell."""

EQUAL_IN_BF16 = frozenset({"komiske2017", "plain_cnn"})
"""Networks that are trained in bf16 by default where it is faster: those whose area under the ROC
curve ``tests/training/test_precision.py`` shows to be the same as in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network without its weights.

    Parameters
    ----------
    network : str
        A name in `NETWORKS`, or ``timm:NAME``.
    options : mapping
        Every option of its builder, as JSON-able values.
    shape : tuple of int
        (channels, *axes) of an image, with one to three axes.
    n_outputs : int
        Number of outputs, for a classifier the number of classes.
    n_extra : int
        Values of an event that are joined to the features of its image before the head.
    """

    network: str
    options: Mapping[str, Any]
    shape: tuple[int, ...]
    n_outputs: int
    n_extra: int = 0


def describe_network(
    network: str,
    *,
    shape: tuple[int, ...],
    n_outputs: int,
    options: Mapping[str, Any] | None = None,
    n_extra: int = 0,
) -> Architecture:
    """Return the architecture with all options of the network filled in.

    Defaults are written out, so that a description on disk stays true when they change.

    Parameters
    ----------
    network : str
        A name in `NETWORKS`, or ``timm:NAME``.
    shape : tuple of int
        (channels, *axes) of an image, with one to three axes.
    n_outputs : int
        Number of outputs.
    options : mapping, optional
        Options of the builder that differ from their defaults.
    n_extra : int
        Values of an event that are joined to the features of its image before the head.

    Returns
    -------
    Architecture

    Raises
    ------
    ConfigError
        If the network or one of the options is unknown.
    """
    if not 2 <= len(shape) <= 4:
        raise ConfigError(f"images have {len(shape) - 1} axes, expected one, two or three")
    require_whole("the number of extra values", n_extra, least=0)
    plain = json.loads(json.dumps(_all_options(network, dict(options or {})), default=asdict))
    return Architecture(
        network=network, options=plain, shape=shape, n_outputs=n_outputs, n_extra=n_extra
    )


def _all_options(network: str, given: dict[str, Any]) -> dict[str, Any]:
    if network.startswith(TIMM):
        require_timm(network.removeprefix(TIMM))
        return given
    if network not in NETWORKS:
        raise ConfigError(f"unknown network {network!r}: expected one of {', '.join(NETWORKS)}")
    parameters = inspect.signature(NETWORKS[network]).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    for name in given:
        if name not in defaults:
            known = f"one of {', '.join(defaults)}" if defaults else "none: it is a preset"
            raise ConfigError(f"network {network!r}: unknown option {name!r}, expected {known}")
    return defaults | given


def require_outputs(network: str, *, per_pixel: bool) -> None:
    """Raise ConfigError if a network has outputs for each pixel and not for images, or reversed."""
    if network in PER_PIXEL and not per_pixel:
        raise ConfigError(
            f"network {network!r} has outputs for each pixel, and the targets are of whole images: "
            "take another network, or set train.task to segmentation, pixel-regression or "
            "localisation"
        )
    if network not in PER_PIXEL and per_pixel:
        raise ConfigError(
            f"network {network!r} has outputs for each image, and the targets are of pixels or "
            f"points: take one of {', '.join(sorted(PER_PIXEL))}"
        )


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
        name, options = architecture.network, architecture.options
        shape, n_outputs = architecture.shape, architecture.n_outputs
        if name.startswith(TIMM):
            network = timm_network(name.removeprefix(TIMM), shape, n_outputs, options)
        else:
            network = NETWORKS[name](shape, n_outputs, **options)
        if architecture.n_extra:
            network.join_extra(architecture.n_extra)
        return network
