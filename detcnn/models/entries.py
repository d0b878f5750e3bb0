"""What the catalogue says about its networks."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from detcnn.errors import ConfigError
from detcnn.models.catalogue import NETWORKS, Architecture, build_network, describe_network

_AMPLE = 1024
"""Pixels along an axis that no network finds too few."""

_PAPER = re.compile(r"(?:arXiv:)?\b\d{4}\.\d{4,5}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One network of the catalogue.

    Parameters
    ----------
    name : str
        A name in `NETWORKS`.
    headline : str
        What it is, in a line.
    source : str
        Where it was published; empty if it was not.
    documentation : str
        All of it.
    options : mapping
        Name to default, as JSON-able values.
    """

    name: str
    headline: str
    source: str
    documentation: str
    options: Mapping[str, Any]


def catalogue_entry(name: str) -> Entry:
    """Return what there is to know about a network without building it.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in NETWORKS:
        raise ConfigError(f"unknown network {name!r}: expected one of {', '.join(NETWORKS)}")
    documentation = inspect.getdoc(NETWORKS[name]) or ""
    first, _, _ = documentation.partition("\n\n")
    headline = " ".join(first.split()).removeprefix("Build ").removesuffix(".")
    module = inspect.getmodule(NETWORKS[name])
    published = [headline, (inspect.getdoc(module) or "").partition("\n")[0] if module else ""]
    return Entry(
        name=name,
        headline=headline,
        source=next((text for text in published if _PAPER.search(text)), "").removesuffix("."),
        documentation=documentation,
        options=describe_network(name, shape=(1, 1, 1), n_outputs=1).options,
    )


def parameter_count(architecture: Architecture) -> int:
    """Return how many numbers a network learns; none of them is drawn for it.

    Raises
    ------
    ConfigError
        If the image is too small, or an option is out of range.
    """
    with torch.device("meta"):
        network = build_network(architecture, seed=0)
    return sum(weight.numel() for weight in network.parameters())


def smallest_side(
    name: str, *, channels: int, n_axes: int, options: Mapping[str, Any] | None = None
) -> int:
    """Return the side of the smallest image, equal along all axes, that a network takes.

    Parameters
    ----------
    name : str
        A name in `NETWORKS`.
    channels, n_axes : int
        Of the image.
    options : mapping, optional
        Options of the builder that differ from their defaults.

    Raises
    ------
    ConfigError
        If it takes no such image of any size.
    """

    def takes(side: int) -> bool:
        shape = (channels, *(side,) * n_axes)
        return _fault(name, shape, options) is None

    too_small, enough = 0, 1
    while not takes(enough):
        too_small, enough = enough, 2 * enough
        if enough > _AMPLE:
            fault = _fault(name, (channels, *(_AMPLE,) * n_axes), options)
            raise fault or ConfigError(f"{name} takes no image of {_AMPLE} pixels a side")
    while enough - too_small > 1:
        side = (too_small + enough) // 2
        too_small, enough = (too_small, side) if takes(side) else (side, enough)
    return enough


def _fault(
    name: str, shape: Sequence[int], options: Mapping[str, Any] | None
) -> ConfigError | None:
    try:
        parameter_count(describe_network(name, shape=tuple(shape), n_outputs=2, options=options))
    except ConfigError as error:
        return error
    return None
