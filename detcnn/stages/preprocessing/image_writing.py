"""The pieces of an input, written to an image store in their order."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

from detcnn.config.preprocess import PreprocessConfig
from detcnn.imaging.statistics import PixelSums
from detcnn.progress import Progress
from detcnn.stages.preprocessing.event_counts import EventCounts, Totals, add_up
from detcnn.stages.preprocessing.image_plan import ImagePlan
from detcnn.stages.preprocessing.training_weights import find_weights, plain_weights
from detcnn.storage.pieces import Piece
from detcnn.storage.schema import MOST_SPARSE, SPLITS, Encoding, PointsInfo, Schema, TruthInfo
from detcnn.storage.writer import SplitWriter, create_store, write_statistics


def write_images(
    folder: Path,
    config: PreprocessConfig,
    plan: ImagePlan,
    pieces: Sequence[Piece],
    progress: Progress,
) -> dict[str, Any]:
    """Write the pieces to the store.

    Parameters
    ----------
    folder : Path
        The store; what is there is removed.
    config : PreprocessConfig
        The study's section.
    plan : ImagePlan
        How the input became pieces.
    pieces : sequence of Piece
        Of all partitions, in their order.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    dict
        What the manifest says of it, as JSON-able values.

    Raises
    ------
    DataError
        If a class is absent from a split, or all images are empty.
    """
    totals = add_up(pieces)
    counts = EventCounts(plan, totals)
    counts.check()
    for remark in counts.remarks():
        progress.warn(remark)
    n_images = sum(int(of_split.sum()) for of_split in counts.n_rows.values())
    n_filled = {split: int(totals[f"n_filled.{split}"][0]) for split in SPLITS}
    n_filled_of = {
        split: {name: int(totals[f"n_filled.{name}.{split}"][0]) for name in plan.truth}
        for split in SPLITS
    }
    occupancy = sum(n_filled.values()) / (len(plan.channels) * plan.grid.n_pixels * n_images)
    encoding: Encoding = "sparse" if occupancy <= MOST_SPARSE else "dense"
    if config.encoding != "auto":
        encoding = config.encoding
    schema = Schema(
        encoding=encoding,
        grid=plan.grid,
        channels=plan.channels,
        classes=plan.classes.names,
        truth=_truth_infos(plan, pieces, totals, n_images=n_images),
        column_units=plan.column_units,
        points=tuple(PointsInfo(name, _most_points(name, pieces)) for name in plan.points),
    )
    sums = PixelSums(totals["sums.n_images"], totals["sums.total"], totals["sums.squares"])
    weights = (
        plain_weights(len(plan.classes.names))
        if plan.is_unseen
        else find_weights(config, pieces, plan.classes.names)
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
            n_events=int(counts.n_rows[split].sum()),
            n_filled=n_filled[split],
            columns=columns,
            n_filled_of=n_filled_of[split],
        )
        for piece in pieces:
            block = piece.block(split)
            writer.append(
                block.images,
                label=block.label,
                weight=block.weight,
                training_weight=weights.of(piece, split),
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
        **counts.contents(),
        "tiling": None if plan.tiling is None else asdict(plan.tiling),
        "occupancy": occupancy,
        "columns": list(plan.columns),
        "observables": list(plan.observables),
        "constituent_masses": plan.masses if plan.observables else None,
        "class_weights": dict(zip(plan.classes.names, weights.factors.tolist(), strict=True)),
    }


def _truth_infos(
    plan: ImagePlan, pieces: Sequence[Piece], totals: Totals, *, n_images: int
) -> tuple[TruthInfo, ...]:
    truth = pieces[0].block("train").truth
    infos = []
    for name, kind in plan.truth.items():
        shape = truth.pixels[name].shape
        n_filled = sum(int(totals[f"n_filled.{name}.{split}"][0]) for split in SPLITS)
        is_sparse = n_filled <= MOST_SPARSE * n_images * prod(shape)
        encoding: Encoding = "sparse" if is_sparse else "dense"
        infos.append(
            TruthInfo(
                name,
                encoding,
                shape[0],
                kind.classes,
                of_channels=kind.of == "channels",
                unit=kind.unit,
            )
        )
    return tuple(infos)


def _most_points(name: str, pieces: Sequence[Piece]) -> int:
    return max(int(p.column(split, f"points/{name}").shape[1]) for p in pieces for split in SPLITS)
