"""Stage ``preprocess``: input files to an image store.

The input is cut into partitions of a fixed number of events, each with its share of every sample,
so that classes come mixed. A partition is read, aligned, projected and divided into the splits, and
becomes one piece on disk; then the pieces are written to the store in their order. Memory is set by
a partition; the result depends neither on the number of workers nor on interruptions.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.digests import file_digest, value_digest
from detcnn.artifacts.kinds import IMAGES
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import Artifact, find_current
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.config.preprocess import PreprocessConfig, SourceConfig
from detcnn.errors import ConfigError, DataError
from detcnn.events.identity import content_ids, split_indices
from detcnn.events.images import DenseImages, Images, as_sparse, concatenate
from detcnn.events.labels import DROPPED, Classes, resolve_classes
from detcnn.events.table import Column, EventTable, ImageTable
from detcnn.imaging.projection import Recipe
from detcnn.imaging.statistics import PixelSums, pixel_sums
from detcnn.imaging.weighting import Planing, class_weights, planing, spectrum
from detcnn.progress import SILENT, Progress
from detcnn.scaleout.pool import run_tasks
from detcnn.sources.base import Layout, Source
from detcnn.sources.hdf5 import read_provenance
from detcnn.sources.opening import open_source
from detcnn.stages.recipes import build_recipe, image_channels, image_grid, project_events
from detcnn.storage.pieces import Block, Piece, write_piece
from detcnn.storage.schema import MOST_SPARSE, SPLITS, STORE, Encoding, Schema
from detcnn.storage.writer import SplitWriter, create_store, write_statistics

_PIECES = "pieces"
_OWN_COLUMNS = ("event_id", "source", "row")


@dataclass(frozen=True, slots=True)
class PreprocessResult:
    """What preprocessing made.

    Parameters
    ----------
    artifact : Artifact
        The images.
    n_resumed : int
        Partitions that an earlier, interrupted run had finished.
    n_partitions : int
        Partitions in all.
    """

    artifact: Artifact
    n_resumed: int
    n_partitions: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that a worker needs to turn a partition into a piece."""

    sources: tuple[Source, ...]
    classes: Classes
    recipe: Recipe | None
    shape: tuple[int, int, int]
    columns: tuple[str, ...]
    fractions: Mapping[str, float]
    salt: int
    n_partitions: int


@dataclass(frozen=True, slots=True)
class _Partition:
    plan: _Plan
    index: int
    path: Path


def run(
    config: PreprocessConfig,
    *,
    base: Path,
    output: Path,
    workers: int = 1,
    overwrite: bool = False,
    update: bool = False,
    progress: Progress = SILENT,
) -> PreprocessResult:
    """Turn input files into an image store.

    Parameters
    ----------
    config : PreprocessConfig
        What to do.
    base : Path
        Folder that relative input paths start from.
    output : Path
        Where the artifact goes.
    workers : int
        Number of processes; the result does not depend on it.
    overwrite : bool
        Replace an existing artifact.
    update : bool
        Leave what is there as it is if this run would make the same, and replace it if not.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    PreprocessResult

    Raises
    ------
    ConfigError
        If the study does not fit the input.
    DataError
        If the input is malformed, or a class is absent from a split.
    OutputExistsError
        If the output exists or is being written.
    """
    overwrite = overwrite or update
    refuse_existing(output, overwrite=overwrite)
    paths = [base / source.path for source in config.sources]
    sources = tuple(
        open_source(path, _layout(entry)) for path, entry in zip(paths, config.sources, strict=True)
    )
    for path in paths:
        if read_provenance(path).get("complete") is False:
            progress.warn(f"{path}: its simulation was interrupted: it has fewer events than asked")
    plan = _make_plan(config, sources)
    inputs = [
        Input(role=f"source {i}", name=path.name, digest=file_digest(path))
        for i, path in enumerate(paths)
    ]
    identity = value_digest(
        {
            "format": IMAGES.version,
            "config": config.identity(),
            "inputs": [entry.digest for entry in inputs],
        }
    )
    current = find_current(output, kind=IMAGES, identity=identity) if update else None
    if current is not None:
        return PreprocessResult(current, plan.n_partitions, plan.n_partitions)
    with build_artifact(output, kind=IMAGES, identity=identity, overwrite=overwrite) as builder:
        pieces_folder = builder.folder / _PIECES
        pieces_folder.mkdir(exist_ok=True)
        paths_of_pieces = [pieces_folder / f"{i:06d}.npz" for i in range(plan.n_partitions)]
        to_do = [
            _Partition(plan, i, path) for i, path in enumerate(paths_of_pieces) if not path.exists()
        ]
        n_resumed = plan.n_partitions - len(to_do)
        if n_resumed:
            progress.info(f"going on: {n_resumed} of {plan.n_partitions} partitions are done")
        n_events = sum(sample.n_events for source in sources for sample in source.samples)
        task = progress.task("events to images", total=n_events, unit="events")
        task.advance(n_resumed * n_events / plan.n_partitions)
        run_tasks(
            _make_piece,
            to_do,
            workers=workers,
            on_result=lambda _: task.advance(n_events / plan.n_partitions),
        )
        task.finish()
        pieces = [Piece(path) for path in paths_of_pieces]
        contents = _write_store(builder.folder / STORE, config, plan, pieces, progress)
        artifact = builder.publish(
            scratch=(_PIECES,),
            stage="preprocess",
            config=config.identity(),
            inputs=inputs,
            contents=contents,
            circumstances={"inputs": [str(path) for path in paths], "workers": workers},
        )
    return PreprocessResult(artifact, n_resumed, plan.n_partitions)


def _layout(source: SourceConfig) -> Layout:
    return Layout(
        kind=source.layout,
        constituents=source.constituents,
        offsets=source.offsets,
        columns=source.columns,
        event_id=source.event_id,
        images=source.images,
        channels_last=source.channels_last,
        units=source.units,
        class_name=source.class_name,
    )


def _make_plan(config: PreprocessConfig, sources: tuple[Source, ...]) -> _Plan:
    shapes = {source.image_shape for source in sources}
    if len(shapes) > 1:
        named = ", ".join(f"{s.path.name}: {s.image_shape or 'constituents'}" for s in sources)
        raise ConfigError(f"preprocess.sources: the inputs do not go together ({named})")
    shape = shapes.pop()
    if shape is None and config.image is None:
        raise ConfigError(
            f"{sources[0].path}: holds constituents: say how they become an image under "
            "preprocess.image, for example 'preset: komiske2017'"
        )
    if shape is not None and config.image is not None:
        raise ConfigError(
            f"{sources[0].path}: holds ready images, which are taken as they are: "
            "leave out preprocess.image"
        )
    recipe = None
    if config.image is not None:
        recipe = build_recipe(config.image)
        shape = recipe.shape
    assert shape is not None
    samples = [sample for source in sources for sample in source.samples]
    empty = [f"{source.path}" for source in sources if not sum(s.n_events for s in source.samples)]
    if empty:
        raise DataError(f"{empty[0]}: holds no events")
    label_names: dict[int, str] = {}
    for source in sources:
        if not source.label_names and any(s.class_name is None for s in source.samples):
            raise ConfigError(
                f"{source.path}: nothing tells the class of its events: name a label dataset as "
                "columns.label, or give the source a class"
            )
        for value, name in source.label_names.items():
            # With label values in the study it does not matter what a file calls them.
            is_named = not isinstance(config.classes, dict)
            if label_names.setdefault(value, name) != name and is_named:
                raise ConfigError(
                    f"{source.path}: label {value} is called {name!r} here and "
                    f"{label_names[value]!r} in another source: give preprocess.classes as name to "
                    "label value"
                )
    classes = resolve_classes(
        config.classes,
        label_names=label_names,
        sample_classes=[sample.class_name for sample in samples if sample.class_name],
    )
    fractions = {name: float(getattr(config.split, name)) for name in SPLITS}
    # Refuses bad shares before any work starts.
    split_indices(np.zeros(1, dtype=np.int64), fractions)
    n_events = sum(sample.n_events for sample in samples)
    columns = _common_columns(sources)
    if config.planing is not None and config.planing.column not in columns:
        raise ConfigError(
            f"preprocess.planing.column: no column {config.planing.column!r} in the input; "
            f"there are: {', '.join(columns)}"
        )
    return _Plan(
        sources=sources,
        classes=classes,
        recipe=recipe,
        shape=shape,
        columns=columns,
        fractions=fractions,
        salt=config.split.salt,
        # No more than the largest sample has events, so that no partition is empty.
        n_partitions=min(
            -(-n_events // config.events_per_partition), max(s.n_events for s in samples)
        ),
    )


def _common_columns(sources: tuple[Source, ...]) -> tuple[str, ...]:
    # Reading one event also finds an unreadable file before hours are spent on the others.
    found = [
        set(_event_columns(source, i, source.read(i, 0, min(1, sample.n_events)), 0))
        for source in sources
        for i, sample in enumerate(source.samples)
    ]
    return tuple(sorted(set.intersection(*found) | set(_OWN_COLUMNS)))


def _event_columns(
    source: Source, sample: int, table: EventTable | ImageTable, start: int
) -> dict[str, Column]:
    columns = {
        name: values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
        for name, values in table.columns.items()
        if name not in ("label", "weight")
    }
    columns.setdefault("event_id", content_ids(table))
    if isinstance(table, EventTable):
        columns["n_constituents"] = np.diff(table.offsets)
    else:
        columns["pixel_sum"] = table.images.values.sum(axis=(1, 2, 3), dtype=np.float64).astype(
            np.float32
        )
    first = sum(entry.n_events for entry in source.samples[:sample])
    columns["row"] = np.arange(first + start, first + start + table.n_events)
    return columns


def _make_piece(partition: _Partition) -> None:
    plan = partition.plan
    n_classes = len(plan.classes.names)
    collected: dict[str, list[Block]] = {split: [] for split in SPLITS}
    totals = {name: np.zeros(1) for name in ("n_read", "n_no_class", "n_outside", "n_empty")}
    totals |= {name: np.zeros(1) for name in ("pt_outside", "pt")}
    for number, source in enumerate(plan.sources):
        for i, sample in enumerate(source.samples):
            start = sample.n_events * partition.index // plan.n_partitions
            stop = sample.n_events * (partition.index + 1) // plan.n_partitions
            if start == stop:
                continue
            table = source.read(i, start, stop)
            columns = _event_columns(source, i, table, start)
            columns["source"] = np.full(table.n_events, number)
            images = _images(source, table, columns, plan, totals)
            if sample.class_name is not None:
                index = plan.classes.index_of(sample.class_name)
                label = np.full(table.n_events, index, dtype=np.int64)
            else:
                label = plan.classes.indices(table.columns["label"])
            weight = table.columns.get("weight", np.ones(table.n_events, dtype=np.float32))
            totals["n_read"] += table.n_events
            totals["n_no_class"] += np.count_nonzero(label == DROPPED)
            split = split_indices(columns["event_id"], plan.fractions, salt=plan.salt)
            for k, name in enumerate(SPLITS):
                rows = np.flatnonzero((split == k) & (label != DROPPED))
                collected[name].append(
                    Block(
                        images=images.take(rows),
                        label=label[rows],
                        weight=np.asarray(weight[rows], dtype=np.float32),
                        columns={c: columns[c][rows] for c in plan.columns},
                    )
                )
    blocks = {split: _join(parts, plan) for split, parts in collected.items()}
    training = blocks["train"]
    sums = pixel_sums(training.images, training.label, n_classes=n_classes)
    write_piece(
        partition.path,
        blocks,
        {
            **totals,
            "sums.n_images": sums.n_images,
            "sums.total": sums.total,
            "sums.squares": sums.squares,
            **{
                f"n_events.{split}": np.bincount(block.label, minlength=n_classes)
                for split, block in blocks.items()
            },
            **{
                f"n_filled.{split}": np.array([len(as_sparse(block.images).pixel)])
                for split, block in blocks.items()
            },
        },
    )


def _images(
    source: Source,
    table: EventTable | ImageTable,
    columns: Mapping[str, Column],
    plan: _Plan,
    totals: dict[str, NDArray[Any]],
) -> Images:
    if isinstance(table, ImageTable):
        return table.images
    assert plan.recipe is not None
    projection = project_events(table, plan.recipe, path=source.path)
    totals["n_outside"] += projection.n_outside.sum()
    totals["pt_outside"] += projection.pt_outside.sum()
    totals["pt"] += table.constituents["pt"].sum(dtype=np.float64)
    totals["n_empty"] += np.count_nonzero(np.diff(projection.images.offsets) == 0)
    return projection.images


def _join(parts: list[Block], plan: _Plan) -> Block:
    return Block(
        images=_join_images([part.images for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        columns={
            name: np.concatenate([part.columns[name] for part in parts]) for name in plan.columns
        },
    )


def _join_images(parts: list[Images]) -> Images:
    dense = [part.values for part in parts if isinstance(part, DenseImages)]
    if not dense:
        return concatenate([as_sparse(part) for part in parts])
    joined = DenseImages(np.concatenate(dense))
    return joined if joined.occupancy > MOST_SPARSE else as_sparse(joined)


def _write_store(
    folder: Path, config: PreprocessConfig, plan: _Plan, pieces: list[Piece], progress: Progress
) -> dict[str, Any]:
    """Write the pieces to the store and return what the manifest says of it."""
    totals: dict[str, NDArray[Any]] = {}
    for piece in pieces:
        for name, value in piece.totals().items():
            totals[name] = totals[name] + value if name in totals else value
    n_events = {split: totals[f"n_events.{split}"] for split in SPLITS}
    n_filled = {split: int(totals[f"n_filled.{split}"][0]) for split in SPLITS}
    _check_classes(plan, n_events)
    size = int(np.prod(plan.shape)) * sum(int(counts.sum()) for counts in n_events.values())
    occupancy = sum(n_filled.values()) / size
    encoding: Encoding = "sparse" if occupancy <= MOST_SPARSE else "dense"
    if config.encoding != "auto":
        encoding = config.encoding
    schema = Schema(
        encoding=encoding,
        grid=image_grid(plan.shape, plan.recipe),
        channels=image_channels(plan.shape, plan.recipe),
        classes=plan.classes.names,
    )
    sums = PixelSums(totals["sums.n_images"], totals["sums.total"], totals["sums.squares"])
    planed = _plane(config, plan, pieces)
    per_class = _class_weights(config, plan, pieces, planed)
    if folder.exists():
        # Left by a run that was killed here; the pieces are all that is needed.
        shutil.rmtree(folder)
    group = create_store(folder, schema)
    write_statistics(group, mean=sums.mean, std=sums.std, class_mean=sums.class_mean)
    task = progress.task("writing the store", total=len(pieces) * len(SPLITS), unit="pieces")
    for split in SPLITS:
        columns = {name: pieces[0].column(split, f"columns/{name}").dtype for name in plan.columns}
        writer = SplitWriter(
            group,
            split,
            schema,
            n_events=int(n_events[split].sum()),
            n_filled=n_filled[split],
            columns=columns,
        )
        for piece in pieces:
            block = piece.block(split)
            planed_weight = _planed_weight(config, piece, split, planed)
            writer.append(
                block.images,
                label=block.label,
                weight=block.weight,
                training_weight=planed_weight * per_class[block.label],
                columns=block.columns,
            )
            task.advance()
        writer.close()
    task.finish()
    return {
        **schema.attributes(),
        "image": None if config.image is None else config.image.identity(),
        "class_labels": {
            name: list(values)
            for name, values in zip(plan.classes.names, plan.classes.values, strict=True)
        },
        "n_events": {
            split: dict(zip(plan.classes.names, counts.tolist(), strict=True))
            for split, counts in n_events.items()
        },
        "n_read": int(totals["n_read"][0]),
        "n_dropped": {"label of no class": int(totals["n_no_class"][0])},
        "n_empty_images": int(totals["n_empty"][0]),
        "n_constituents_outside": int(totals["n_outside"][0]),
        "pt_fraction_outside": float(totals["pt_outside"][0] / max(totals["pt"][0], 1e-300)),
        "occupancy": occupancy,
        "columns": list(plan.columns),
        "class_weights": dict(zip(plan.classes.names, per_class.tolist(), strict=True)),
    }


def _check_classes(plan: _Plan, n_events: Mapping[str, NDArray[Any]]) -> None:
    for split, counts in n_events.items():
        missing = [n for n, count in zip(plan.classes.names, counts, strict=True) if count == 0]
        if missing and plan.fractions[split] > 0:
            found = ", ".join(
                f"{name} {count}" for name, count in zip(plan.classes.names, counts, strict=True)
            )
            raise DataError(
                f"class {missing[0]!r} is absent from the {split} split ({found}): "
                f"add events, or give preprocess.split.{split} a larger share"
            )


def _plane(config: PreprocessConfig, plan: _Plan, pieces: list[Piece]) -> Planing | None:
    if config.planing is None:
        return None
    edges = np.linspace(config.planing.low, config.planing.high, config.planing.bins + 1)
    spectra = sum(
        (
            spectrum(
                piece.column("train", f"columns/{config.planing.column}"),
                piece.column("train", "label"),
                piece.column("train", "weight"),
                edges=edges,
                n_classes=len(plan.classes.names),
            )
            for piece in pieces
        ),
        start=np.zeros((len(plan.classes.names), config.planing.bins)),
    )
    return planing(spectra, edges)


def _planed_weight(
    config: PreprocessConfig, piece: Piece, split: str, planed: Planing | None
) -> NDArray[np.float64]:
    weight = piece.column(split, "weight").astype(np.float64)
    if config.planing is None or planed is None:
        return weight
    values = piece.column(split, f"columns/{config.planing.column}")
    return weight * planed.weights(values, piece.column(split, "label"))


def _class_weights(
    config: PreprocessConfig, plan: _Plan, pieces: list[Piece], planed: Planing | None
) -> NDArray[np.float64]:
    """Return what each class's training weights are multiplied by: balance, and a mean of 1."""
    n_classes = len(plan.classes.names)
    totals = np.zeros(n_classes)
    n_training = 0
    for piece in pieces:
        label = piece.column("train", "label")
        weight = _planed_weight(config, piece, "train", planed)
        totals += np.bincount(label, weights=weight, minlength=n_classes)
        n_training += len(label)
    if np.any(totals <= 0):
        name = plan.classes.names[int(np.argmin(totals))]
        raise DataError(
            f"class {name!r}: its weights in the training split add up to {totals.min():g}, "
            "expected more than 0"
        )
    factors = class_weights(totals) if config.balance_classes else np.ones(n_classes)
    return np.asarray(factors * n_training / (factors * totals).sum())
