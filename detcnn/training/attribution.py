"""What in an image an output comes from, by its gradients, and what the layers hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from detcnn.errors import ConfigError
from detcnn.models.standardise import DetectorModel
from detcnn.training.splits import Extra

_IMAGES_AT_ONCE = 64
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """The weights of the first layer, as images.

    Parameters
    ----------
    layer : str
        Name of the layer.
    weights : numpy.ndarray
        Shape (filters, channels, rows, columns); of a dense layer that sees the image, its units.
    """

    layer: str
    weights: NDArray[np.float32]


def first_kernels(model: DetectorModel, shape: tuple[int, ...]) -> Kernels | None:
    """Return the weights of the first layer that has any; None if they are no images.

    Parameters
    ----------
    model : DetectorModel
        The model.
    shape : tuple of int
        (channels, rows, columns) of an image.
    """
    for name, layer in _layers_of_images(model.network):
        if isinstance(layer, nn.Conv2d):
            return Kernels(name, layer.weight.detach().cpu().numpy())
        if isinstance(layer, nn.Linear):
            if layer.in_features != prod(shape):
                return None
            return Kernels(name, layer.weight.detach().cpu().numpy().reshape(-1, *shape))
    return None


def spatial_layers(
    model: DetectorModel, image: NDArray[np.float32], *, extra: Extra | None = None
) -> tuple[str, ...]:
    """Return the layers that make maps of an image, in the order they are done.

    Parameters
    ----------
    model : DetectorModel
        Left in evaluation mode.
    image : numpy.ndarray
        Shape (channels, rows, columns).
    extra : numpy.ndarray, optional
        float32, shape (n_extra,): what the model is told beside it.

    Returns
    -------
    tuple of str
        Names in the network of what gives (batch, channels, rows, columns) with more than one
        pixel. None of a module that says ``has_maps = False``, nor of those inside it: what has
        four axes there, as points and their neighbours do, is no image.
    """
    found: dict[str, None] = {}

    def note(name: str, output: object) -> None:
        is_map = isinstance(output, Tensor) and output.ndim == 4
        if isinstance(output, Tensor) and is_map and prod(output.shape[2:]) > 1:
            # The last time it is done counts.
            found.pop(name, None)
            found[name] = None

    handles = [
        layer.register_forward_hook(lambda _, __, output, name=name: note(name, output))
        for name, layer in _layers_of_images(model.network)
    ]
    try:
        with torch.inference_mode():
            told = None if extra is None else extra[np.newaxis]
            model.eval()(_on_device(model, image[np.newaxis]), _told(model, told))
    finally:
        for handle in handles:
            handle.remove()
    return tuple(found)


def _layers_of_images(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Give the modules of a network, with their names, but for those without maps."""
    without: tuple[str, ...] = ()
    for name, layer in network.named_modules():
        if not name or name.startswith(without):
            continue
        if not getattr(layer, "has_maps", True):
            without += (f"{name}.",)
            continue
        yield name, layer


def check_layer(name: str, layers: tuple[str, ...]) -> str:
    """Return the name of a layer that makes maps.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in layers:
        known = ", ".join(layers[-_MOST_NAMED:]) or "none, for this network makes no maps"
        if len(layers) > _MOST_NAMED:
            known = f"one of {len(layers)}, of which the last {_MOST_NAMED} are {known}"
        raise ConfigError(f"--layer {name}: expected a layer that makes maps: {known}")
    return name


def layer_maps(
    model: DetectorModel, images: NDArray[np.float32], layer: str, *, extra: Extra | None = None
) -> NDArray[np.float32]:
    """Return what a layer makes of images, shape (n_images, channels, rows, columns)."""
    found = []
    for rows in _batches(images):
        batch = _on_device(model, images[rows])
        with _output_of(model, layer) as outputs, torch.inference_mode():
            model.eval()(batch, _told(model, extra, rows))
        found.append(outputs[-1].float().cpu().numpy())
    return np.concatenate(found)


def saliency(
    model: DetectorModel, images: NDArray[np.float32], *, extra: Extra | None = None
) -> NDArray[np.float32]:
    """Return how strongly each output depends on each pixel.

    The absolute gradient of the logit, the largest over the channels (Simonyan, Vedaldi &
    Zisserman, arXiv:1312.6034, section 3.1), with respect to the standardised pixel, so that a
    change is one in units of what is usual in training.

    Parameters
    ----------
    model : DetectorModel
        Left in evaluation mode.
    images : numpy.ndarray
        Shape (n_images, channels, rows, columns), as they stand in a store.
    extra : numpy.ndarray, optional
        float32, shape (n_images, n_extra): what the model is told of each event beside its image.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_images, n_outputs, rows, columns), not negative.
    """
    found = []
    for rows in _batches(images):
        batch = _on_device(model.eval(), images[rows])
        standardised = model.standardise(batch).detach().requires_grad_()
        logits = model.network(standardised, model.standardised_extra(_told(model, extra, rows)))
        gradients = _gradients(logits, standardised)
        found.append(gradients.abs().amax(dim=2).cpu().numpy())
    return np.concatenate(found)


def grad_cam(
    model: DetectorModel, images: NDArray[np.float32], layer: str, *, extra: Extra | None = None
) -> NDArray[np.float32]:
    """Return where in the image a layer holds what speaks for each output.

    Gradient-weighted class activation maps (Selvaraju et al., arXiv:1610.02391, eqs. 1 and 2): the
    maps A of the layer are added up with weights α, the mean over the map of the gradient of the
    logit with respect to A, and what is below zero is set to zero. Then brought to the size of the
    image by bilinear interpolation.

    Parameters
    ----------
    model : DetectorModel
        Left in evaluation mode.
    images : numpy.ndarray
        Shape (n_images, channels, rows, columns), as they stand in a store.
    layer : str
        Name of one of `spatial_layers`.
    extra : numpy.ndarray, optional
        float32, shape (n_images, n_extra): what the model is told of each event beside its image.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_images, n_outputs, rows, columns), not negative.
    """
    found = []
    for rows in _batches(images):
        batch = _on_device(model.eval(), images[rows])
        standardised = model.standardise(batch).detach().requires_grad_()
        told = model.standardised_extra(_told(model, extra, rows))
        with _output_of(model, layer) as outputs:
            logits = model.network(standardised, told)
        maps = outputs[-1]
        weights = _gradients(logits, maps).mean(dim=(3, 4), keepdim=True)
        cam = (weights * maps.detach().unsqueeze(1)).sum(dim=2).relu()
        sized = nn.functional.interpolate(
            cam, size=batch.shape[2:], mode="bilinear", align_corners=False
        )
        found.append(sized.cpu().numpy())
    return np.concatenate(found)


def _gradients(logits: Tensor, values: Tensor) -> Tensor:
    """Return the gradient of each output of each image, with the outputs as second axis."""
    return torch.stack(
        [
            torch.autograd.grad(logits[:, i].sum(), values, retain_graph=True)[0]
            for i in range(logits.shape[1])
        ],
        dim=1,
    )


def _on_device(model: DetectorModel, images: NDArray[np.float32]) -> Tensor:
    device = next(model.parameters()).device
    return torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)).to(device)


def _told(model: DetectorModel, extra: Extra | None, rows: slice = slice(None)) -> Tensor | None:
    return None if extra is None else _on_device(model, extra[rows])


def _batches(images: NDArray[np.float32]) -> Iterator[slice]:
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        yield slice(start, start + _IMAGES_AT_ONCE)


@contextmanager
def _output_of(model: DetectorModel, layer: str) -> Iterator[list[Tensor]]:
    """Collect what a layer gives while the block runs."""
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        outputs.append(output)

    handle = model.network.get_submodule(layer).register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()
