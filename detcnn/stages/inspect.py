"""Stage ``inspect``: what a file or an artifact is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detcnn.artifacts.kinds import IMAGES
from detcnn.artifacts.opening import Artifact, is_artifact, iter_damaged, open_artifact
from detcnn.config.preprocess import ImageConfig
from detcnn.config.presets import IMAGE_PRESETS
from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import Images, as_dense
from detcnn.events.table import Column, EventTable
from detcnn.imaging.projection import project
from detcnn.plotting.images import images_figure
from detcnn.plotting.style import write_figure
from detcnn.sources.base import Source
from detcnn.sources.opening import open_source
from detcnn.stages.preprocess import STORE
from detcnn.stages.recipes import build_recipe, describe_channel
from detcnn.storage.reader import open_store
from detcnn.storage.schema import ChannelInfo

_LOOKED_AT = 10_000
_SINGLE_EVENTS = 2


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found.

    Parameters
    ----------
    kind : str
        What it is, in a few words.
    facts : mapping
        What there is to know, as JSON-able values.
    columns : tuple of mapping
        For input files, one entry a column: part, dataset, unit, smallest and largest value.
    """

    kind: str
    facts: Mapping[str, Any]
    columns: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class _Gallery:
    """Images of each class, and what their axes and channels mean."""

    images: Mapping[str, Images]
    grid: Grid
    channels: tuple[ChannelInfo, ...]


def run(path: Path, *, verify: bool = False) -> Inspection:
    """Describe an input file or an artifact.

    Parameters
    ----------
    path : Path
        The file or folder.
    verify : bool
        Also compare every file of an artifact with its checksum.

    Returns
    -------
    Inspection

    Raises
    ------
    DataError
        If it is not there, not something detcnn reads, or damaged.
    ConfigError
        If a file's parts cannot be told apart without being named.
    """
    if path.is_dir() or not path.exists():
        return _inspect_artifact(open_artifact(path), verify=verify)
    return _inspect_source(open_source(path))


def draw(path: Path, *, folder: Path, preset: str | None = None) -> list[Path]:
    """Draw the average image and single events of each class.

    Parameters
    ----------
    path : Path
        An images artifact, or an input file.
    folder : Path
        Where the figures go.
    preset : str, optional
        The image to make of constituents; an average of their pT if left out.

    Returns
    -------
    list of Path
        The figures as PNG; a PDF stands beside each.

    Raises
    ------
    DataError, ConfigError
        As in `run`, and if there are no images to draw.
    """
    gallery = _stored_gallery(path) if is_artifact(path) else _source_gallery(path, preset)
    channels = [channel.name for channel in gallery.channels]
    units = [channel.unit for channel in gallery.channels]
    averages = {
        name: as_dense(images).values.mean(axis=0, dtype=np.float64)
        for name, images in gallery.images.items()
    }
    singles = {
        f"{name}, event {i + 1}": as_dense(images.slice(i, i + 1)).values[0]
        for name, images in gallery.images.items()
        for i in range(min(_SINGLE_EVENTS, images.n_images))
    }
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_figure(
            images_figure(pictures, grid=gallery.grid, channels=channels, units=units), folder, name
        ).png
        for name, pictures in (("averages", averages), ("events", singles))
    ]


def _inspect_artifact(artifact: Artifact, *, verify: bool) -> Inspection:
    manifest = artifact.manifest
    facts: dict[str, Any] = {
        "stage": manifest.stage,
        "format": manifest.format_version,
        "digest": manifest.digest,
        "size": f"{sum(file.size for file in manifest.payload) / 1e6:.2f} MB "
        f"in {len(manifest.payload)} files",
        "written": manifest.environment.get("written"),
        "made from": {entry.role: entry.name for entry in manifest.inputs},
    }
    if verify:
        damaged = list(iter_damaged(artifact))
        if damaged:
            raise DataError(
                f"{artifact.path}: {len(damaged)} of {len(manifest.payload)} files differ from "
                f"their checksums, the first is {damaged[0]}: copy or make the artifact again"
            )
        facts["verified"] = "every file equals its checksum"
    skipped = ("axes", "identity")
    facts |= {key: value for key, value in manifest.contents.items() if key not in skipped}
    if "channels" in facts:
        facts["channels"] = [
            f"{channel['name']} [{channel['unit']}]: {channel['meaning']}"
            for channel in facts["channels"]
        ]
        facts["axes"] = [
            f"{axis['name']}: {axis['n_pixels']} pixels, {axis['low']:g} to {axis['high']:g} "
            f"{axis['unit']}"
            for axis in manifest.contents["axes"]
        ]
    return Inspection(kind=f"detcnn {manifest.kind}", facts=facts)


def _inspect_source(source: Source) -> Inspection:
    layout = source.layout
    first = source.samples[0]
    table = source.read(0, 0, min(first.n_events, _LOOKED_AT))
    kinds = {
        "jagged": "HDF5, constituents with offsets",
        "padded": "HDF5, constituents padded with zeros",
        "images": "HDF5, ready images",
    }
    facts: dict[str, Any] = {
        "samples": {
            f"{sample.name}" + (f" ({sample.class_name})" if sample.class_name else ""): (
                f"{sample.n_events:,} events"
            )
            for sample in source.samples
        },
    }
    if source.label_names:
        facts["classes"] = {name: f"label {value}" for value, name in source.label_names.items()}
    if source.image_shape:
        facts["image"] = "{} channels, {} rows, {} columns".format(*source.image_shape)
        facts["channel axis"] = "last" if layout.channels_last else "first"
    columns = []
    if isinstance(table, EventTable):
        lengths = np.diff(table.offsets)
        if len(lengths):
            facts["constituents per event"] = (
                f"{lengths.mean():.1f} on average, {lengths.min()} to {lengths.max()}"
            )
        columns += [
            _column("constituent", role, layout.constituents[role], values)
            for role, values in table.constituents.items()
        ]
    columns += [
        _column("event", name, layout.columns.get(name, "/".join(layout.event_id)), values)
        for name, values in table.columns.items()
    ]
    if "event_id" not in table.columns:
        facts["event id"] = "none in the file: a hash of each event's content is used"
    return Inspection(kind=kinds[layout.kind or "jagged"], facts=facts, columns=tuple(columns))


def _column(of: str, role: str, dataset: str, values: Column) -> dict[str, Any]:
    units = {"pt": "GeV", "energy": "GeV", "mass": "GeV", "phi": "rad"}
    finite = values[np.isfinite(values)] if len(values) else values
    return {
        "of": of,
        "part": role,
        "dataset": dataset,
        "unit": units.get(role, ""),
        "min": float(finite.min()) if len(finite) else None,
        "max": float(finite.max()) if len(finite) else None,
        "not finite": len(values) - len(finite),
    }


def _stored_gallery(path: Path) -> _Gallery:
    artifact = open_artifact(path, expected=IMAGES)
    store = open_store(artifact.path / STORE)
    split = store.splits["train"]
    images, label = split.images(0, min(split.n_events, _LOOKED_AT)), split.label[:_LOOKED_AT]
    return _Gallery(
        images={
            name: images.take(np.flatnonzero(label == index))
            for index, name in enumerate(store.schema.classes)
        },
        grid=store.schema.grid,
        channels=store.schema.channels,
    )


def _source_gallery(path: Path, preset: str | None) -> _Gallery:
    source = open_source(path)
    by_class: dict[str, Images] = {}
    recipe = None
    if source.image_shape is None:
        name = preset or "jet_pt"
        if name not in IMAGE_PRESETS:
            raise ConfigError(f"--preset {name}: expected one of {', '.join(IMAGE_PRESETS)}")
        recipe = build_recipe(ImageConfig.model_validate_json(json.dumps(IMAGE_PRESETS[name])))
    for number, sample in enumerate(source.samples):
        table = source.read(number, 0, min(sample.n_events, _LOOKED_AT))
        if isinstance(table, EventTable):
            assert recipe is not None
            images: Images = project(table, recipe).images
        else:
            images = table.images
        if sample.class_name is not None:
            by_class[sample.class_name] = images
            continue
        label = table.columns.get("label", np.zeros(table.n_events, dtype=np.int64))
        for value, name in (source.label_names or {0: "all"}).items():
            by_class[name] = images.take(np.flatnonzero(label == value))
    filled = {name: images for name, images in by_class.items() if images.n_images}
    if not filled:
        raise DataError(f"{path}: no events to draw")
    if recipe is not None:
        channels = tuple(describe_channel(c, recipe.normalise) for c in recipe.channels)
        return _Gallery(filled, recipe.grid, channels)
    n_channels, rows, columns = next(iter(filled.values())).shape
    return _Gallery(
        filled,
        Grid(
            Axis("row", rows, 0.0, float(rows), unit="pixel"),
            Axis("column", columns, 0.0, float(columns), unit="pixel"),
        ),
        tuple(ChannelInfo(f"channel_{i}", "1", "as in the file") for i in range(n_channels)),
    )
