"""Stage ``filter``: filters made by hand on images, with every number on the way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.digests import file_digest, value_digest
from detcnn.artifacts.kinds import FEATURE_MAPS, IMAGES
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import Artifact, open_artifact
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.config.loading import read_yaml
from detcnn.errors import ConfigError
from detcnn.imaging.filters import (
    FILTERS,
    Kernel,
    filtered,
    named_filters,
    parse_matrix,
    pooled,
    rectified,
)
from detcnn.plotting.filters import kernels_figure, steps_figure
from detcnn.plotting.style import write_figure
from detcnn.sources.chain import expand_paths
from detcnn.stages.gallery import DEFAULT_SPLIT, Gallery, open_gallery

NUMBERS = "numbers.npz"

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOptions:
    """What is done to each image, in this order.

    Parameters
    ----------
    stride, padding, bias
        Of the filter, as in `detcnn.imaging.filters.filtered`.
    rectify : bool
        Set what is below zero to zero.
    pool : int or None
        Side of the windows of which the largest number is taken; None for no pooling.
    dense : str or None
        A matrix with a row for each output and a column for each number that is left of an image,
        over all filters, channels, rows and columns; None for no dense layer.
    dense_bias : str or None
        One number for each output, zero by default.
    """

    stride: int = 1
    padding: int = 0
    bias: float = 0.0
    rectify: bool = False
    pool: int | None = None
    dense: str | None = None
    dense_bias: str | None = None


@dataclass(frozen=True, slots=True)
class FilterResult:
    """What was made.

    Parameters
    ----------
    artifact : Artifact
        The folder of figures and numbers.
    events : tuple of str
        What each event is called.
    steps : mapping
        Name of each filter to name of each step to the maps, shape (events, channels, rows,
        columns).
    outputs : mapping
        ``flatten`` and ``dense`` to shape (events, numbers); empty without a dense layer.
    """

    artifact: Artifact
    events: tuple[str, ...]
    steps: Mapping[str, Mapping[str, NDArray[np.float64]]]
    outputs: Mapping[str, NDArray[np.float64]]


def run(
    path: Path,
    *,
    filters: Sequence[str],
    output: Path,
    events: Sequence[int] | None = None,
    options: FilterOptions | None = None,
    split: str | None = None,
    preset: str | None = None,
    overwrite: bool = False,
) -> FilterResult:
    """Move filters over images and write pictures and numbers of every step.

    Parameters
    ----------
    path : Path
        An images artifact, or an input file.
    filters : sequence of str
        Each a name in `detcnn.imaging.filters.FILTERS`, ``all`` of them, a matrix as text (with a
        name and ``=`` in front if it is to have one), or a YAML file of names and rows of numbers.
    output : Path
        Where figures and numbers go.
    events : sequence of int, optional
        Which events, counted from 0 in the order of the split or of the file's samples; the first
        one of each class by default. Of the first 10,000.
    options : FilterOptions, optional
        What is done.
    split : str, optional
        Of an images artifact, ``"train"`` by default.
    preset : str, optional
        The image to make of an input file's constituents.
    overwrite : bool
        Replace what is there.

    Returns
    -------
    FilterResult

    Raises
    ------
    ConfigError
        If a filter is none, does not fit, or gives numbers that are too large, there is no such
        event, or an artifact is given a preset or a file a split.
    DataError
        If the images are not there, or damaged.
    OutputExistsError
        If the output exists.
    """
    options = options or FilterOptions()
    if not np.isfinite(options.bias):
        raise ConfigError(f"--bias {options.bias:g}: expected a finite number")
    kernels = find_filters(filters)
    gallery = open_gallery(path, preset=preset, split=split)
    refuse_existing(output, overwrite=overwrite)
    chosen = gallery.chosen(events)
    images = gallery.take(chosen)
    steps = {name: _steps(images, kernel, options) for name, kernel in kernels.items()}
    outputs = _outputs(steps, options)
    _require_finite(kernels, steps, outputs)
    titles = tuple(gallery.title(event) for event in chosen)
    source = _input(path)
    config = {
        "filters": {name: kernel.tolist() for name, kernel in kernels.items()},
        "options": {name: getattr(options, name) for name in FilterOptions.__slots__},
        "events": list(chosen),
        "split": (split or DEFAULT_SPLIT) if path.is_dir() else None,
        "preset": preset,
    }
    identity = value_digest(
        {"format": FEATURE_MAPS.version, "input": source.digest, "config": config}
    )
    with build_artifact(
        output, kind=FEATURE_MAPS, identity=identity, overwrite=overwrite
    ) as builder:
        folder = builder.folder
        arrays: dict[str, NDArray[Any]] = {"images": images}
        arrays |= {f"filter/{name}": kernel for name, kernel in kernels.items()}
        arrays |= {f"{step}/{name}": m for name, own in steps.items() for step, m in own.items()}
        np.savez(folder / NUMBERS, **{**arrays, **outputs})  # type: ignore[arg-type]
        told = _told(titles, gallery, steps, outputs)
        text = json.dumps({**config, **told}, indent=1, allow_nan=False)
        (folder / "numbers.json").write_text(text + "\n", encoding="utf-8")
        _draw(folder, gallery, kernels, titles, images, steps)
        artifact = builder.publish(
            stage="filter",
            config=config,
            inputs=[source],
            contents=told,
            circumstances={"images": str(path)},
        )
    return FilterResult(artifact, titles, steps, outputs)


def find_filters(entries: Sequence[str]) -> dict[str, Kernel]:
    """Return the filters that texts name, see `run`.

    Raises
    ------
    ConfigError
        If one is none, or two have the same name.
    """
    found: dict[str, Kernel] = {}
    for entry in entries or ["all"]:
        for name, kernel in _filters_of(entry.strip(), len(found) + 1).items():
            if name in found:
                raise ConfigError(f"--filters {entry}: there is a filter {name} already")
            if "/" in name:
                raise ConfigError(f"--filters {entry}: expected a name without '/', got {name!r}")
            found[name] = kernel
    return found


def _filters_of(entry: str, number: int) -> dict[str, Kernel]:
    if entry == "all":
        return {name: np.array(rows, dtype=np.float64) for name, rows in FILTERS.items()}
    if entry in FILTERS:
        return {entry: np.array(FILTERS[entry], dtype=np.float64)}
    if entry.endswith((".yaml", ".yml")):
        return named_filters(read_yaml(Path(entry)), path=Path(entry))
    name, equals, text = entry.partition("=")
    if not equals:
        name, text = f"filter_{number}", entry
    if not any(character.isdigit() for character in text):
        raise ConfigError(
            f"--filters {entry}: expected all, {', '.join(FILTERS)}, a YAML file of filters, or "
            "a matrix as in '0 0 1 / 0 1 0 / 1 0 0'"
        )
    return {name.strip(): parse_matrix(text)}


def _steps(
    images: NDArray[np.float32], kernel: Kernel, options: FilterOptions
) -> dict[str, NDArray[np.float64]]:
    maps = filtered(
        images, kernel, stride=options.stride, padding=options.padding, bias=options.bias
    )
    steps = {"map": maps}
    if options.rectify:
        steps["rectified"] = maps = rectified(maps)
    if options.pool is not None:
        steps["pooled"] = maps = pooled(maps, options.pool)
    return steps


def _outputs(
    steps: Mapping[str, Mapping[str, NDArray[np.float64]]], options: FilterOptions
) -> dict[str, NDArray[np.float64]]:
    if options.dense is None:
        if options.dense_bias is not None:
            raise ConfigError("--dense-bias: there is no --dense layer to add it to")
        return {}
    last = np.stack([list(own.values())[-1] for own in steps.values()], axis=1)
    flat = last.reshape(len(last), -1)
    weights = parse_matrix(options.dense)
    if weights.shape[1] != flat.shape[1]:
        raise ConfigError(
            f"--dense: rows of {weights.shape[1]} numbers for {flat.shape[1]} that are left of "
            f"an image: expected a row of {flat.shape[1]} for each output"
        )
    bias = parse_matrix(options.dense_bias or " ".join(["0"] * len(weights))).ravel()
    if len(bias) != len(weights):
        raise ConfigError(
            f"--dense-bias: {len(bias)} numbers for {len(weights)} outputs: expected one for each"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        return {"flatten": flat, "dense": flat @ weights.T + bias}


def _require_finite(
    kernels: Mapping[str, Kernel],
    steps: Mapping[str, Mapping[str, NDArray[np.float64]]],
    outputs: Mapping[str, NDArray[np.float64]],
) -> None:
    """Raise if there is a number that a network, which counts in float32, could not hold."""
    numbers = {
        f"filter {name}": (kernel, *steps[name].values()) for name, kernel in kernels.items()
    }
    numbers |= {f"--{name}": (values,) for name, values in outputs.items() if name == "dense"}
    for name, arrays in numbers.items():
        # What is not a number is not below, either.
        if not all(np.abs(values).max(initial=0.0) <= _LARGEST for values in arrays):
            raise ConfigError(
                f"{name}: with these images it gives numbers beyond {_LARGEST:.2g} or none at all: "
                "take smaller numbers"
            )


def _input(path: Path) -> Input:
    if path.is_dir():
        return open_artifact(path, expected=IMAGES).as_input("images")
    files = expand_paths(str(path), base=Path())
    digests = [file_digest(file) for file in files]
    return Input("images", path.name, digests[0] if len(digests) == 1 else value_digest(digests))


def _told(
    titles: Sequence[str],
    gallery: Gallery,
    steps: Mapping[str, Mapping[str, NDArray[np.float64]]],
    outputs: Mapping[str, NDArray[np.float64]],
) -> dict[str, Any]:
    return {
        "titles": list(titles),
        "channel_names": [channel.name for channel in gallery.channels],
        "steps": {
            name: {
                step: {
                    "shape": list(maps.shape),
                    "min": float(maps.min()),
                    "max": float(maps.max()),
                }
                for step, maps in own.items()
            }
            for name, own in steps.items()
        },
        "outputs": {name: values.tolist() for name, values in outputs.items()},
    }


def _draw(
    folder: Path,
    gallery: Gallery,
    kernels: Mapping[str, Kernel],
    titles: Sequence[str],
    images: NDArray[np.float32],
    steps: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> None:
    write_figure(kernels_figure(kernels), folder, "filters")
    for i, title in enumerate(titles):
        for j, channel in enumerate(gallery.channels):
            figure = steps_figure(
                images[i, j],
                {name: {step: m[i, j] for step, m in own.items()} for name, own in steps.items()},
                grid=gallery.grid,
                title=f"{title}, {channel.name}",
            )
            write_figure(figure, folder, f"maps-{i + 1}-{channel.name}")
