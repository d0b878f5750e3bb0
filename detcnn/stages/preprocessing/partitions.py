"""Partitions of the input: each becomes a piece on disk, with its share of every split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.events.identity import split_indices
from detcnn.events.images import DenseImages, Images, as_dense, compact, joined
from detcnn.events.labels import DROPPED
from detcnn.events.observables import jet_observables
from detcnn.events.table import Column, EventTable, ImageTable
from detcnn.events.truth import NO_TRUTH, Truth, joined_truth
from detcnn.imaging.image_steps import apply_image_steps
from detcnn.imaging.projection import Projection, Recipe
from detcnn.imaging.statistics import pixel_sums
from detcnn.quality.truth import is_of_class, is_outside
from detcnn.scaleout.pool import run_in_threads, run_tasks
from detcnn.sources.base import Source
from detcnn.stages.preprocessing.event_columns import event_columns
from detcnn.stages.preprocessing.image_plan import ImagePlan
from detcnn.stages.preprocessing.recipes import (
    image_grid,
    project_events,
)
from detcnn.storage.pieces import Block, write_piece
from detcnn.storage.schema import (
    MOST_SPARSE,
    SPLITS,
)

_SECONDS_OF_THREADS = 6.0
"""What takes threads longer than this is done sooner by processes, though they first have to start
and to load what they need: threads wait for each other wherever Python itself is at work."""

_MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of the input, and the piece that it becomes.

    Parameters
    ----------
    plan : ImagePlan
        How.
    index : int
        Which of the plan's partitions.
    path : Path
        Where the piece goes.
    """

    plan: ImagePlan
    index: int
    path: Path


def make_pieces(
    partitions: list[Partition], *, workers: int, on_result: Callable[[None], None]
) -> None:
    """Make pieces in threads, and in several processes if that is done sooner.

    Parameters
    ----------
    partitions : list of Partition
        Of one plan.
    workers : int
        How many at once, at most; the pieces do not depend on it.
    on_result : callable
        Called with each piece that is there.

    Raises
    ------
    DataError
        If the input is malformed.
    """
    # The first one also loads the kernels, which says nothing of the others.
    run_tasks(_make_piece, partitions[:1], workers=1, on_result=on_result)
    left: Sequence[Partition] = partitions[1:]
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


def _make_piece(partition: Partition) -> None:
    plan = partition.plan
    n_classes = len(plan.classes.names)
    collected: dict[str, list[Block]] = {split: [] for split in SPLITS}
    totals = {name: np.zeros(1) for name in ("n_read", "n_no_class", "n_outside", "n_empty")}
    totals |= {name: np.zeros(1) for name in ("pt_outside", "pt")}
    totals["n_cut"] = np.zeros((len(plan.windows), 1 + n_classes))
    totals |= {
        f"n_of_no_class.{name}": np.zeros(2) for name, kind in plan.truth.items() if kind.classes
    }
    totals |= {f"n_points_outside.{name}": np.zeros(2) for name in plan.points}
    for number, source in enumerate(plan.sources):
        for i, sample in enumerate(source.samples):
            start = sample.n_events * partition.index // plan.n_partitions
            stop = sample.n_events * (partition.index + 1) // plan.n_partitions
            if start == stop:
                continue
            table = source.read(i, start, stop)
            columns = event_columns(source, i, table, start)
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
            if isinstance(table, ImageTable):
                _add_up_truth(totals, table, plan, np.flatnonzero(is_kept))
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


def _truth_totals(training: Block, plan: ImagePlan) -> dict[str, NDArray[Any]]:
    """Count the pixels of each class in the training split, for weights against their imbalance."""
    totals = {}
    for name, truth in plan.truth.items():
        if truth.classes:
            images = training.truth.pixels[name]
            n_pixels = images.n_images * prod(images.shape)
            values = images.values if isinstance(images, DenseImages) else images.value
            is_known = is_of_class(values, len(truth.classes))
            counts = np.bincount(values[is_known].astype(np.int64), minlength=len(truth.classes))
            counts[0] += n_pixels - values.size
            totals[f"n_pixels.{name}"] = counts
    return totals


def _project(
    source: Source, table: EventTable | ImageTable, plan: ImagePlan
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


def _add_up_truth(
    totals: dict[str, NDArray[Any]],
    table: ImageTable,
    plan: ImagePlan,
    rows: NDArray[np.int64],
) -> None:
    """Count pixels that have no class and points that no image shows, and all there are."""
    for name, kind in plan.truth.items():
        if kind.classes:
            values = as_dense(table.truth.pixels[name].take(rows)).values
            n_known = np.count_nonzero(is_of_class(values, len(kind.classes)))
            totals[f"n_of_no_class.{name}"] += (values.size - n_known, values.size)
    for name in plan.points:
        places = table.truth.points[name][rows]
        places = places[np.isfinite(places).all(axis=2)]
        n_outside = np.count_nonzero(is_outside(places, table.images.shape[1:]))
        totals[f"n_points_outside.{name}"] += (n_outside, len(places))


def _n_filled(images: Images) -> int:
    if isinstance(images, DenseImages):
        return int(np.count_nonzero(images.values))
    return len(images.pixel)


def _observable_columns(
    source: Source, table: EventTable | ImageTable, plan: ImagePlan
) -> dict[str, Column]:
    if isinstance(table, ImageTable) or not isinstance(plan.recipe, Recipe) or not plan.observables:
        return {}
    try:
        return jet_observables(
            table, plan.observables, longitudinal=plan.recipe.longitudinal, masses=plan.masses
        )
    except DataError as error:
        raise DataError(f"{source.path}: {error}") from None


def _join(parts: list[Block], plan: ImagePlan) -> Block:
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
