"""Stage ``preprocess``: input files to an image store.

The input is cut into partitions of a fixed number of events, each with its share of every sample,
so that classes come mixed. A partition is read, aligned, projected and divided into the splits, and
becomes one piece on disk; then the pieces are written to the store in their order. Memory is set by
a partition; the result depends neither on the number of workers nor on interruptions.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.digests import file_digest, value_digest
from detcnn.artifacts.kinds import IMAGES
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import Artifact, find_current
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.config.preprocess import PreprocessConfig
from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Grid
from detcnn.events.identity import content_ids, split_indices
from detcnn.events.images import DenseImages, Images, compact, joined, pixel_totals
from detcnn.events.labels import DROPPED, Classes
from detcnn.events.observables import OBSERVABLES, MassesFrom, jet_observables, masses_from
from detcnn.events.table import Column, EventTable, ImageTable
from detcnn.events.truth import NO_TRUTH, Truth, joined_truth
from detcnn.events.windows import Window
from detcnn.imaging.hits import HitRecipe
from detcnn.imaging.image_steps import ImageStep, apply_image_steps, grid_after
from detcnn.imaging.projection import Projection, Recipe
from detcnn.imaging.statistics import PixelSums, pixel_sums
from detcnn.imaging.tiling import TILE_COLUMNS, Tiling
from detcnn.imaging.weighting import Planing, class_weights, planing, spectrum
from detcnn.progress import SILENT, Progress
from detcnn.scaleout.pool import run_in_threads, run_tasks
from detcnn.sources.base import PixelTruth, Source
from detcnn.sources.opening import files_read, read_provenance
from detcnn.stages.cameras import Resampling, build_resampling
from detcnn.stages.inputs import classes_of, input_files, known_classes, open_sources
from detcnn.stages.recipes import (
    build_hit_recipe,
    build_ready_steps,
    build_recipe,
    build_tiling,
    check_recipe,
    image_channels,
    image_grid,
    project_events,
    stated_channels,
)
from detcnn.storage.pieces import Block, Piece, write_piece
from detcnn.storage.schema import (
    MOST_SPARSE,
    SPLITS,
    STORE,
    ChannelInfo,
    Encoding,
    PointsInfo,
    Schema,
    TruthInfo,
)
from detcnn.storage.writer import SplitWriter, create_store, write_statistics

_PIECES = "pieces"

_SECONDS_OF_THREADS = 6.0
"""What takes threads longer than this is done sooner by processes, though they first have to start
and to load what they need: threads wait for each other wherever Python itself is at work."""

_MOST_THREADS = 4

_VALUES_AT_ONCE = 1 << 26
"""Of ready images and the truth of their pixels, in one partition: a quarter of a GiB."""

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
    recipe: Recipe | HitRecipe | None
    resampling: Resampling | None
    image_steps: tuple[ImageStep, ...]
    grid: Grid
    channels: tuple[ChannelInfo, ...]
    columns: tuple[str, ...]
    truth: Mapping[str, PixelTruth]
    points: tuple[str, ...]
    tiling: Tiling | None
    windows: tuple[Window, ...]
    observables: tuple[str, ...]
    masses: MassesFrom
    fractions: Mapping[str, float]
    salt: int
    is_unseen: bool
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
    unseen_by: Classes | None = None,
    unstated: tuple[ChannelInfo, ...] = (),
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
    unseen_by : Classes, optional
        Those of a trained model that is to be shown these events: all go to the test split, and
        none need tell its class.
    unstated : tuple of ChannelInfo
        What the channels of ready images are, where the files state nothing of them.
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
    sources = open_sources(config, base=base, may_lack_truth=unseen_by is not None)
    named = input_files(config, base=base)
    for path in (path for of_source in named for path in of_source):
        if read_provenance(path).get("complete") is False:
            progress.warn(f"{path}: its simulation was interrupted: it has fewer events than asked")
    files = [
        # A file of labels may be read with each of several others.
        [*dict.fromkeys(f for path in of_source for f in files_read(path, source.layout))]
        for of_source, source in zip(named, sources, strict=True)
    ]
    paths = [path for of_source in files for path in of_source]
    plan = _make_plan(config, sources, base=base, unseen_by=unseen_by, unstated=unstated)
    kept = [name for name in OBSERVABLES if name in set(plan.columns) - set(plan.observables)]
    if kept:
        progress.info(f"{', '.join(kept)}: the input's own, not worked out of the constituents")
    inputs = [
        Input(
            role=f"source {i}" if len(of_source) == 1 else f"source {i}, file {k}",
            name=path.name,
            digest=file_digest(path),
        )
        for i, of_source in enumerate(files)
        for k, path in enumerate(of_source)
    ]
    if config.hexagonal is not None:
        geometry = base / config.hexagonal.geometry
        inputs.append(Input(role="geometry", name=geometry.name, digest=file_digest(geometry)))
        paths.append(geometry)
    identity = value_digest(
        {
            "format": IMAGES.version,
            "config": config.identity(),
            "inputs": [entry.digest for entry in inputs],
            **({} if unseen_by is None else {"unseen_by": asdict(unseen_by)}),
            **({} if not unstated else {"unstated": [asdict(info) for info in unstated]}),
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
        _make_pieces(
            to_do,
            workers=workers,
            on_result=lambda _: task.advance(n_events / plan.n_partitions),
        )
        task.finish()
        pieces = [Piece(path) for path in paths_of_pieces]
        contents = _write_store(builder.folder / STORE, config, plan, pieces, progress)
        contents["image"] = image_identity(config, base=base)
        artifact = builder.publish(
            scratch=(_PIECES,),
            stage="preprocess",
            config=config.identity(),
            inputs=inputs,
            contents=contents,
            circumstances={"inputs": [str(path) for path in paths], "workers": workers},
        )
    return PreprocessResult(artifact, n_resumed, plan.n_partitions)


def _make_plan(
    config: PreprocessConfig,
    sources: tuple[Source, ...],
    *,
    base: Path,
    unseen_by: Classes | None,
    unstated: tuple[ChannelInfo, ...],
) -> _Plan:
    shapes = {source.image_shape for source in sources}
    kinds = {(s.image_shape, s.layout.axes, tuple(s.layout.channels)) for s in sources}
    if len(kinds) > 1:
        named = ", ".join(
            f"{s.path.name}: {s.image_shape or 'constituents'} "
            f"{', '.join((*s.layout.axes, *s.layout.channels))}".strip()
            for s in sources
        )
        raise ConfigError(f"preprocess.sources: the inputs do not go together ({named})")
    shape = shapes.pop()
    if shape is None and config.image is None and config.hits is None:
        is_hits = sources[0].layout.kind == "hits"
        raise ConfigError(
            f"{sources[0].path}: holds hits: say how they become an image under preprocess.hits"
            if is_hits
            else f"{sources[0].path}: holds constituents: say how they become an image under "
            "preprocess.image, for example 'preset: komiske2017'"
        )
    if shape is not None and (config.image is not None or config.hits is not None):
        section = "image" if config.hits is None else "hits"
        raise ConfigError(
            f"{sources[0].path}: holds ready images: leave out preprocess.{section}; "
            "preprocess.image_steps may change them"
        )
    if config.image is not None and config.image_steps:
        raise ConfigError(
            f"{sources[0].path}: holds constituents: give their image's steps as "
            "preprocess.image.image_steps, not preprocess.image_steps"
        )
    recipe: Recipe | HitRecipe | None = None
    if config.image is not None:
        recipe = build_recipe(config.image)
    elif config.hits is not None:
        recipe = build_hit_recipe(config.hits)
    if recipe is not None:
        shape = recipe.shape
        for source in sources:
            check_recipe(recipe, source)
    assert shape is not None
    resampling = None
    if config.hexagonal is not None:
        resampling = build_resampling(config.hexagonal, sources[0], base=base)
        shape = (shape[0], *resampling.camera.grid.shape)
    steps = build_ready_steps(config.image_steps, shape)
    truth = _common_truth(sources)
    points = _common_points(sources)
    grid = (
        image_grid(shape, recipe, steps, names=sources[0].layout.axes)
        if resampling is None
        else grid_after(resampling.camera.grid, steps)
    )
    tiling = None if config.tiles is None else build_tiling(config.tiles, grid)
    samples = [sample for source in sources for sample in source.samples]
    empty = [f"{source.path}" for source in sources if not sum(s.n_events for s in source.samples)]
    if empty:
        raise DataError(f"{empty[0]}: holds no events")
    if unseen_by is None:
        classes = classes_of(config, sources)
        fractions = {name: float(getattr(config.split, name)) for name in SPLITS}
    else:
        classes = known_classes(unseen_by, sources)
        fractions = {name: float(name == "test") for name in SPLITS}
    # Refuses bad shares before any work starts.
    split_indices(np.zeros(1, dtype=np.int64), fractions)
    columns, roles = _common_columns(sources)
    observables = _observables(config, columns)
    columns = tuple(sorted({*columns, *observables}))
    # Events are selected whole, before they are cut.
    _check_select(config, columns)
    if tiling is not None:
        columns = _with_tile_columns(columns)
    if config.planing is not None and config.planing.column not in columns:
        raise ConfigError(
            f"preprocess.planing.column: no column {config.planing.column!r} in the input; "
            f"there are: {', '.join(columns)}"
        )
    return _Plan(
        sources=sources,
        classes=classes,
        recipe=recipe,
        resampling=resampling,
        image_steps=steps,
        grid=grid if tiling is None else tiling.grid(grid),
        channels=image_channels(
            shape, recipe, steps, stated=stated_channels(sources), unstated=unstated
        ),
        columns=columns,
        truth=truth,
        points=points,
        tiling=tiling,
        windows=tuple(Window(name, low, high) for name, (low, high) in config.select.items()),
        observables=observables,
        masses=masses_from(roles),
        fractions=fractions,
        salt=config.split.salt,
        is_unseen=unseen_by is not None,
        # No more than the largest sample has events, so that no partition is empty.
        n_partitions=min(
            -(
                -sum(sample.n_events for sample in samples)
                // _events_at_once(config, sources, resampling)
            ),
            max(s.n_events for s in samples),
        ),
    )


def _check_select(config: PreprocessConfig, columns: tuple[str, ...]) -> None:
    for name in config.select:
        if name not in columns:
            remedy = ""
            if config.tiles is not None and name in TILE_COLUMNS:
                remedy = ": events are selected whole, not by tile: leave it out"
            raise ConfigError(
                f"preprocess.select: no column {name!r} in the input; "
                f"there are: {', '.join(columns)}{remedy}"
            )


def _with_tile_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    for name in TILE_COLUMNS:
        if name in columns:
            raise ConfigError(
                f"preprocess.tiles: the input has its own column {name!r}, in whose place would "
                "stand where a tile is in its frame: map it to another name under columns"
            )
    return tuple(sorted({*columns, *TILE_COLUMNS}))


def _events_at_once(
    config: PreprocessConfig, sources: tuple[Source, ...], resampling: Resampling | None
) -> int:
    """Return how many events a partition has: fewer of large images."""
    shape = sources[0].image_shape
    if shape is None:
        return config.events_per_partition
    planes = shape[0] + len(sources[0].layout.pixels)
    n_pixels = prod(shape[1:])
    if resampling is not None:
        n_pixels = max(n_pixels, resampling.camera.grid.n_pixels)
    return max(1, min(config.events_per_partition, _VALUES_AT_ONCE // (planes * n_pixels)))


def _common_truth(sources: tuple[Source, ...]) -> dict[str, PixelTruth]:
    """Return what all inputs know of their pixels.

    Raises
    ------
    ConfigError
        If two have different classes for one name.
    """
    first = sources[0].layout.pixels
    for source in sources[1:]:
        for name, truth in source.layout.pixels.items():
            if name in first and truth.classes != first[name].classes:
                raise ConfigError(
                    f"{source.path}: the classes of the pixel truth {name!r} are "
                    f"{', '.join(truth.classes) or 'none'}, but {sources[0].path.name} has "
                    f"{', '.join(first[name].classes) or 'none'}: give them in the study"
                )
    return {n: t for n, t in first.items() if all(n in s.layout.pixels for s in sources)}


def _common_points(sources: tuple[Source, ...]) -> tuple[str, ...]:
    return tuple(n for n in sources[0].layout.points if all(n in s.layout.points for s in sources))


def _common_columns(sources: tuple[Source, ...]) -> tuple[tuple[str, ...], set[str]]:
    """Return the columns of events, and those of constituents, that all samples have."""
    # Reading one event also finds an unreadable file before hours are spent on the others.
    columns, roles = [], []
    for source in sources:
        for i, sample in enumerate(source.samples):
            table = source.read(i, 0, min(1, sample.n_events))
            columns.append(set(_event_columns(source, i, table, 0)))
            roles.append(set(table.constituents) if isinstance(table, EventTable) else set())
    return tuple(sorted(set.intersection(*columns) | set(_OWN_COLUMNS))), set.intersection(*roles)


def _observables(config: PreprocessConfig, columns: tuple[str, ...]) -> tuple[str, ...]:
    if config.observables is None:
        absent = tuple(name for name in OBSERVABLES if name not in columns)
        return () if config.image is None else absent
    if config.observables and config.image is None:
        raise ConfigError(
            f"preprocess.observables: {', '.join(config.observables)}: ready images have no "
            "constituents, nor have hits, to work them out of: leave observables out"
        )
    for name in config.observables:
        if name in columns:
            raise ConfigError(
                f"preprocess.observables: the input has its own column {name!r}, which may mean "
                "something else: take the name off the list, or map the input's column to another "
                "name under columns"
            )
    return config.observables


def _event_columns(
    source: Source, sample: int, table: EventTable | ImageTable, start: int
) -> dict[str, Column]:
    columns = {
        name: values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
        for name, values in table.columns.items()
        if name not in ("label", "weight")
    }
    if "event_id" not in columns:
        columns["event_id"] = content_ids(table)
    if isinstance(table, EventTable):
        kind = "n_hits" if source.layout.kind == "hits" else "n_constituents"
        columns[kind] = np.diff(table.offsets)
    else:
        columns["pixel_sum"] = pixel_totals(table.images).astype(np.float32)
    first = sum(entry.n_events for entry in source.samples[:sample])
    columns["row"] = np.arange(first + start, first + start + table.n_events)
    return columns


def _make_pieces(
    partitions: list[_Partition], *, workers: int, on_result: Callable[[None], None]
) -> None:
    """Make pieces in threads, and in several processes if that is done sooner."""
    # The first one also loads the kernels, which says nothing of the others.
    run_tasks(_make_piece, partitions[:1], workers=1, on_result=on_result)
    left: Sequence[_Partition] = partitions[1:]
    started = perf_counter()

    def takes_long(n_results: int) -> bool:
        n_left = len(partitions) - 1 - n_results
        return (perf_counter() - started) / n_results * n_left > _SECONDS_OF_THREADS

    if workers > 1:
        left = run_in_threads(
            _make_piece,
            left,
            n_threads=min(workers, _MOST_THREADS),
            on_result=on_result,
            is_enough=takes_long,
        )
    run_tasks(_make_piece, left, workers=workers, on_result=on_result)


def _make_piece(partition: _Partition) -> None:
    plan = partition.plan
    n_classes = len(plan.classes.names)
    collected: dict[str, list[Block]] = {split: [] for split in SPLITS}
    totals = {name: np.zeros(1) for name in ("n_read", "n_no_class", "n_outside", "n_empty")}
    totals |= {name: np.zeros(1) for name in ("pt_outside", "pt")}
    totals["n_cut"] = np.zeros((len(plan.windows), 1 + n_classes))
    for number, source in enumerate(plan.sources):
        for i, sample in enumerate(source.samples):
            start = sample.n_events * partition.index // plan.n_partitions
            stop = sample.n_events * (partition.index + 1) // plan.n_partitions
            if start == stop:
                continue
            table = source.read(i, start, stop)
            columns = _event_columns(source, i, table, start)
            columns["source"] = np.full(table.n_events, number)
            projection, truth = _project(source, table, plan)
            images = projection.images
            columns |= _observable_columns(source, table, plan)
            if sample.class_name is not None:
                index = plan.classes.index_of(sample.class_name)
                label = np.full(table.n_events, index, dtype=np.int64)
            elif "label" in table.columns:
                label = plan.classes.indices(table.columns["label"])
            else:
                label = np.full(table.n_events, DROPPED, dtype=np.int64)
            weight = table.columns.get("weight", np.ones(table.n_events, dtype=np.float32))
            totals["n_read"] += table.n_events
            is_kept = (label != DROPPED) | plan.is_unseen
            totals["n_no_class"] += np.count_nonzero(~is_kept)
            for k, window in enumerate(plan.windows):
                is_cut = is_kept & ~window.holds(columns[window.column])
                totals["n_cut"][k] += _counts(label[is_cut], n_classes)
                is_kept &= ~is_cut
            _add_up(totals, table, projection, is_kept)
            if plan.tiling is not None:
                of_event = plan.tiling.events(table.n_events)
                images, truth = plan.tiling.cut(images), plan.tiling.cut_truth(truth)
                columns = {name: values[of_event] for name, values in columns.items()}
                columns |= plan.tiling.columns(table.n_events)
                label, weight = label[of_event], np.asarray(weight)[of_event]
                is_kept = is_kept[of_event]
            split = split_indices(columns["event_id"], plan.fractions, salt=plan.salt)
            for k, name in enumerate(SPLITS):
                rows = np.flatnonzero((split == k) & is_kept)
                collected[name].append(
                    Block(
                        images=images.take(rows),
                        label=label[rows],
                        weight=np.asarray(weight[rows], dtype=np.float32),
                        columns={c: columns[c][rows] for c in plan.columns},
                        truth=truth.take(rows),
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
                f"n_events.{split}": _counts(block.label, n_classes)
                for split, block in blocks.items()
            },
            **{
                f"n_filled.{split}": np.array([_n_filled(block.images)])
                for split, block in blocks.items()
            },
            **{
                f"n_filled.{name}.{split}": np.array([_n_filled(images)])
                for split, block in blocks.items()
                for name, images in block.truth.pixels.items()
            },
            **_truth_totals(training, plan),
        },
    )


def _counts(label: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Count events without a class, which come first, and those of each class."""
    return np.bincount(label - DROPPED, minlength=1 + n_classes)


def _truth_totals(training: Block, plan: _Plan) -> dict[str, NDArray[Any]]:
    """Count the pixels of each class in the training split, for weights against their imbalance."""
    totals = {}
    for name, truth in plan.truth.items():
        if truth.classes:
            images = training.truth.pixels[name]
            n_pixels = images.n_images * prod(images.shape)
            values = images.values if isinstance(images, DenseImages) else images.value
            is_known = (values >= 0) & (values < len(truth.classes))
            counts = np.bincount(values[is_known].astype(np.int64), minlength=len(truth.classes))
            counts[0] += n_pixels - values.size
            totals[f"n_pixels.{name}"] = counts
    return totals


def _project(
    source: Source, table: EventTable | ImageTable, plan: _Plan
) -> tuple[Projection, Truth]:
    """Return images after all their steps, and what all inputs know of them by then."""
    truth = NO_TRUTH
    if isinstance(table, EventTable):
        assert plan.recipe is not None
        projection = project_events(table, plan.recipe, path=source.path)
        grid = plan.recipe.grid
    else:
        images: Images = table.images
        truth = Truth(
            pixels={name: table.truth.pixels[name] for name in plan.truth},
            points={name: table.truth.points[name] for name in plan.points},
        )
        if plan.resampling is None:
            grid = image_grid(images.shape, None, names=source.layout.axes)
        else:
            images, grid = plan.resampling.images(images), plan.resampling.camera.grid
            truth = plan.resampling.truth(truth, plan.truth)
        none = np.zeros(table.n_events)
        projection = Projection(images, none.astype(np.int64), none)
    stepped = apply_image_steps(
        projection.images,
        plan.image_steps,
        grid=grid,
        is_normalised=np.ones(projection.images.shape[0], dtype=np.bool_),
        truth=truth,
        classes=[name for name, kind in plan.truth.items() if kind.classes],
    )
    return replace(projection, images=stepped.images), stepped.truth


def _add_up(
    totals: dict[str, NDArray[Any]],
    table: EventTable | ImageTable,
    projection: Projection,
    is_kept: NDArray[np.bool_],
) -> None:
    """Count what of the events that stay is not in their images."""
    totals["n_outside"] += projection.n_outside[is_kept].sum()
    totals["n_empty"] += np.count_nonzero(projection.is_empty & is_kept)
    if isinstance(table, EventTable) and table.has_momenta:
        pt = table.constituents["pt"][np.repeat(is_kept, np.diff(table.offsets))]
        totals["pt"] += pt.sum(dtype=np.float64)
        totals["pt_outside"] += projection.pt_outside[is_kept].sum()


def _n_filled(images: Images) -> int:
    if isinstance(images, DenseImages):
        return int(np.count_nonzero(images.values))
    return len(images.pixel)


def _observable_columns(
    source: Source, table: EventTable | ImageTable, plan: _Plan
) -> dict[str, Column]:
    if isinstance(table, ImageTable) or not isinstance(plan.recipe, Recipe) or not plan.observables:
        return {}
    try:
        return jet_observables(
            table, plan.observables, longitudinal=plan.recipe.longitudinal, masses=plan.masses
        )
    except DataError as error:
        raise DataError(f"{source.path}: {error}") from None


def _join(parts: list[Block], plan: _Plan) -> Block:
    truth = joined_truth([part.truth for part in parts])
    return Block(
        images=compact(joined([part.images for part in parts]), most_sparse=MOST_SPARSE),
        label=np.concatenate([part.label for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        columns={
            name: np.concatenate([part.columns[name] for part in parts]) for name in plan.columns
        },
        truth=replace(
            truth,
            pixels={
                name: compact(images, most_sparse=MOST_SPARSE)
                for name, images in truth.pixels.items()
            },
        ),
    )


def _write_store(
    folder: Path, config: PreprocessConfig, plan: _Plan, pieces: list[Piece], progress: Progress
) -> dict[str, Any]:
    """Write the pieces to the store and return what the manifest says of it."""
    totals: dict[str, NDArray[Any]] = {}
    for piece in pieces:
        for name, value in piece.totals().items():
            totals[name] = totals[name] + value if name in totals else value
    n_rows = {split: totals[f"n_events.{split}"] for split in SPLITS}
    n_tiles = 1 if plan.tiling is None else plan.tiling.n_tiles
    n_events = {split: counts // n_tiles for split, counts in n_rows.items()}
    n_filled = {split: int(totals[f"n_filled.{split}"][0]) for split in SPLITS}
    if plan.is_unseen:
        _check_any(plan, n_events, totals["n_cut"])
    else:
        _check_selection(plan, n_events, totals["n_cut"])
        _check_classes(plan, n_events)
    n_kept = sum(int(counts.sum()) for counts in n_events.values())
    if totals["n_empty"][0] == n_kept:
        raise DataError(
            f"all of the {n_kept:,} images are empty: the events have no constituents with pT in "
            "the image, no hits there, and no pixels: look at the input with detcnn inspect and "
            "audit"
        )
    n_pixels = len(plan.channels) * plan.grid.n_pixels
    n_images = n_kept * n_tiles
    size = n_pixels * n_images
    occupancy = sum(n_filled.values()) / size
    encoding: Encoding = "sparse" if occupancy <= MOST_SPARSE else "dense"
    if config.encoding != "auto":
        encoding = config.encoding
    filled = {
        name: {split: int(totals[f"n_filled.{name}.{split}"][0]) for split in SPLITS}
        for name in plan.truth
    }
    first = pieces[0].block("train").truth
    schema = Schema(
        encoding=encoding,
        grid=plan.grid,
        channels=plan.channels,
        classes=plan.classes.names,
        truth=tuple(
            _truth_info(name, plan, first, sum(filled[name].values()), n_images)
            for name in plan.truth
        ),
        points=tuple(PointsInfo(name, _most_points(name, pieces)) for name in plan.points),
    )
    sums = PixelSums(totals["sums.n_images"], totals["sums.total"], totals["sums.squares"])
    planed = None if plan.is_unseen else _plane(config, plan, pieces)
    per_class = (
        np.ones(len(plan.classes.names))
        if plan.is_unseen
        else _class_weights(config, plan, pieces, planed)
    )
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
            n_events=int(n_rows[split].sum()),
            n_filled=n_filled[split],
            columns=columns,
            n_filled_of={name: filled[name][split] for name in plan.truth},
        )
        for piece in pieces:
            block = piece.block(split)
            planed_weight = _planed_weight(config, piece, split, planed)
            writer.append(
                block.images,
                label=block.label,
                weight=block.weight,
                # Nothing is trained with an event without a class, whose weight is of no account.
                training_weight=planed_weight * per_class[block.label],
                columns=block.columns,
                truth=block.truth,
            )
            task.advance()
        writer.close()
    task.finish()
    return {
        **schema.attributes(),
        "class_labels": {
            name: list(values)
            for name, values in zip(plan.classes.names, plan.classes.values, strict=True)
        },
        "n_events": _by_class(n_events, plan),
        "n_tiles": None if plan.tiling is None else _by_class(n_rows, plan),
        "n_without_class": sum(int(counts[0]) for counts in n_events.values()),
        "n_pixels": {
            name: dict(zip(truth.classes, totals[f"n_pixels.{name}"].tolist(), strict=True))
            for name, truth in plan.truth.items()
            if truth.classes
        },
        "tiling": None if plan.tiling is None else asdict(plan.tiling),
        "n_read": int(totals["n_read"][0]),
        "n_dropped": {
            "label of no class": int(totals["n_no_class"][0]),
            **{
                window.complaint: int(n_cut.sum())
                for window, n_cut in zip(plan.windows, totals["n_cut"], strict=True)
            },
        },
        "n_empty_images": int(totals["n_empty"][0]),
        "n_constituents_outside": int(totals["n_outside"][0]),
        "pt_fraction_outside": float(totals["pt_outside"][0] / max(totals["pt"][0], 1e-300)),
        "occupancy": occupancy,
        "columns": list(plan.columns),
        "observables": list(plan.observables),
        "constituent_masses": plan.masses if plan.observables else None,
        "class_weights": dict(zip(plan.classes.names, per_class.tolist(), strict=True)),
    }


def _by_class(counts: Mapping[str, NDArray[Any]], plan: _Plan) -> dict[str, dict[str, int]]:
    return {
        split: dict(zip(plan.classes.names, of_split[1:].tolist(), strict=True))
        for split, of_split in counts.items()
    }


def _truth_info(name: str, plan: _Plan, truth: Truth, n_filled: int, n_images: int) -> TruthInfo:
    shape = truth.pixels[name].shape
    is_sparse = n_filled <= MOST_SPARSE * n_images * prod(shape)
    return TruthInfo(name, "sparse" if is_sparse else "dense", shape[0], plan.truth[name].classes)


def _most_points(name: str, pieces: list[Piece]) -> int:
    return max(int(p.column(split, f"points/{name}").shape[1]) for p in pieces for split in SPLITS)


def image_identity(config: PreprocessConfig, *, base: Path) -> dict[str, Any] | None:
    """Return what of a study makes images what they are; None where they stay as in the input.

    Raises
    ------
    DataError
        If the geometry of a camera, at a path relative to `base`, cannot be read.
    """
    steps = [step.identity() for step in config.image_steps]
    identity: dict[str, Any] = {"image_steps": steps}
    if config.image is not None:
        identity = config.image.identity()
    elif config.hits is not None:
        identity["hits"] = config.hits.identity()
    if config.hexagonal is not None:
        geometry = file_digest(base / config.hexagonal.geometry)
        identity["hexagonal"] = config.hexagonal.identity() | {"geometry": geometry}
    if config.tiles is not None:
        identity["tiles"] = config.tiles.identity()
    # Images without steps are those of before there were any, and models go on with them.
    if not identity["image_steps"]:
        del identity["image_steps"]
    return identity or None


def _check_selection(
    plan: _Plan, n_events: Mapping[str, NDArray[Any]], n_cut: NDArray[Any]
) -> None:
    n_left = sum(n_events.values(), start=np.zeros(1 + len(plan.classes.names)))
    for index, name in enumerate(plan.classes.names, start=1):
        if n_left[index] == 0 and n_cut[:, index].sum() > 0:
            raise DataError(
                f"preprocess.select leaves nothing of class {name!r} "
                f"({_complaints(plan, n_cut[:, index])}): widen it"
            )


def _check_any(plan: _Plan, n_events: Mapping[str, NDArray[Any]], n_cut: NDArray[Any]) -> None:
    if sum(int(counts.sum()) for counts in n_events.values()) == 0:
        raise DataError(
            f"preprocess.select leaves no event ({_complaints(plan, n_cut.sum(axis=1))}): widen it"
        )


def _complaints(plan: _Plan, n_cut: NDArray[Any]) -> str:
    return ", ".join(
        f"{window.complaint}: {int(n)}" for window, n in zip(plan.windows, n_cut, strict=True)
    )


def _check_classes(plan: _Plan, n_events: Mapping[str, NDArray[Any]]) -> None:
    for split, counts in n_events.items():
        of_class = dict(zip(plan.classes.names, counts[1:].tolist(), strict=True))
        missing = [name for name, count in of_class.items() if count == 0]
        if missing and plan.fractions[split] > 0:
            found = ", ".join(f"{name} {count}" for name, count in of_class.items())
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
