"""What the scores of a task beyond one class for each image are worth: tables, figures, sections.

Frames that were cut into tiles are put together again first: a frame is what is judged, once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.opening import Artifact
from detcnn.config.evaluate import EvaluateConfig
from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.classification import evaluate_classification
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.event_values import best_median_worst
from detcnn.evaluation.export import TableRow, plain, table_rows
from detcnn.evaluation.localisation import evaluate_localisation
from detcnn.evaluation.multi_label import evaluate_multi_label
from detcnn.evaluation.objects import MatchedObjects, evaluate_objects, match_objects
from detcnn.evaluation.pixel_regression import (
    PixelSums,
    evaluate_pixel_regression,
    event_errors,
    sums_of_pixels,
)
from detcnn.evaluation.pixel_scores import evaluate_pixel_scores, pixel_histograms
from detcnn.evaluation.regression import evaluate_regression
from detcnn.evaluation.segmentation import (
    confusion_of_pixels,
    evaluate_segmentation,
    event_mean_iou,
)
from detcnn.evaluation.task_rows import (
    localisation_rows,
    multi_label_rows,
    objects_rows,
    pixel_regression_rows,
    regression_rows,
    segmentation_rows,
)
from detcnn.events.identity import physical_events
from detcnn.plotting.classification import classification_sections
from detcnn.plotting.displays import (
    LocatedEvent,
    MeasuredEvent,
    SegmentedEvent,
    localisation_display,
    pixel_regression_display,
    segmentation_display,
)
from detcnn.plotting.localisation import localisation_sections
from detcnn.plotting.multi_label import multi_label_sections
from detcnn.plotting.objects import objects_sections
from detcnn.plotting.pixel_regression import pixel_regression_sections
from detcnn.plotting.regression import regression_sections
from detcnn.plotting.report import Picture, Section
from detcnn.plotting.segmentation import segmentation_sections
from detcnn.stages.bins import bin_edges
from detcnn.stages.frames import FrameMaps, Frames, open_frames
from detcnn.stages.scores import POINTS
from detcnn.storage.reader import ImageStore, open_store
from detcnn.storage.schema import STORE
from detcnn.storage.tables import read_parquet

Row = dict[str, Any]
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What scores are worth.

    Parameters
    ----------
    title : str
        What was judged, in a few words.
    numbers : dict
        All of it, as JSON-able values.
    rows : list of dict
        The numbers that carry an interval.
    sections : tuple of Section
        Of the report.
    headline : tuple of tuple of str
        Name and text of what is worth a line on a screen.
    """

    title: str
    numbers: dict[str, Any]
    rows: list[TableRow]
    sections: tuple[Section, ...]
    headline: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """All that a judge looks at."""

    config: EvaluateConfig
    task: Mapping[str, Any]
    scores: Artifact
    store: ImageStore
    frames: Frames
    table: Columns
    prefix: str = ""

    def bootstrap(self, rows: NDArray[np.int64] | None = None) -> Bootstrap:
        """Return how intervals are made, of all rows, or of the events `rows`."""
        config = self.config
        unit = physical_events(self.column("event_id"), self.column("source"))
        return Bootstrap(
            level=config.level,
            n_replicas=config.replicas,
            seed=config.seed,
            unit=unit if rows is None else unit[rows],
        )

    def column(self, name: str) -> NDArray[Any]:
        if f"column_{name}" not in self.table:
            raise DataError(
                f"{self.store.path}: has no column {name!r} to judge by: the input does not tell it"
            )
        return self.table[f"column_{name}"]

    def binned(self, rows: NDArray[np.int64] | None = None) -> dict[str, Any]:
        """Return the columns and edges of the study's bins, of the events `rows`."""
        columns, edges = {}, {}
        for bins in self.config.efficiency_bins:
            if f"column_{bins.column}" not in self.table:
                there = ", ".join(
                    n.removeprefix("column_") for n in self.table if n[:7] == "column_"
                )
                raise ConfigError(
                    f"evaluate.efficiency_bins: no column {bins.column!r} in the scores; "
                    f"there are: {there}"
                )
            values = self.column(bins.column)
            columns[bins.column] = values if rows is None else values[rows]
            edges[bins.column] = bin_edges(bins, columns[bins.column])
        return {"columns": columns, "edges": edges}


def judge(config: EvaluateConfig, *, scores: Artifact, images: Artifact) -> Judgement:
    """Judge the scores of a task that is not the classification of images.

    Parameters
    ----------
    config : EvaluateConfig
        What to quote.
    scores, images : Artifact
        The two.

    Raises
    ------
    ConfigError
        If the study asks for what is not there.
    DataError
        If an artifact is damaged, or the scores cannot be judged.
    """
    case = _Case(
        config=config,
        task=scores.manifest.contents["task"],
        scores=scores,
        store=open_store(images.path / STORE),
        frames=open_frames(images, config.split),
        table=read_parquet(scores.path / "scores.parquet"),
    )
    return _JUDGES[case.task["name"]](case)


def _classification(case: _Case) -> Judgement:
    classes = case.store.schema.classes
    signal = case.config.signal or classes[-1]
    scores = [case.table[f"{case.prefix}score_{i}"] for i in range(len(classes))]
    evaluation = evaluate_classification(
        np.column_stack(scores).astype(np.float64),
        case.table["label"],
        classes=classes,
        signal=(signal,),
        weights=case.table["weight"],
        targets=case.config.working_points,
        **case.binned(),
        level=case.config.level,
        n_replicas=case.config.replicas,
        seed=case.config.seed,
    )
    return Judgement(
        title="class",
        numbers=plain(evaluation),
        rows=table_rows(evaluation),
        sections=classification_sections(evaluation),
        headline=(
            (f"AUC, {evaluation.headline.title}", evaluation.headline.auc.interval.text()),
            ("accuracy", evaluation.confusion.accuracy.text()),
        ),
    )


def _regression(case: _Case) -> Judgement:
    targets, classes = case.task["targets"], case.store.schema.classes
    label = case.table["label"]
    parts = []
    for name in targets:
        judged = _one_number(case, name, np.arange(len(label)))
        parts.append(_named(judged, name) if len(targets) > 1 else judged)
        if not case.config.resolution.by_class:
            continue
        for number, of_class in enumerate(classes):
            try:
                judged = _one_number(case, name, np.flatnonzero(label == number))
            except DataError as error:
                # All events together could be judged: these are too few.
                judged = _unjudged(name, str(error), title=f"Regression: {name}")
            parts.append(_named(judged, of_class))
    return _together(parts, title="regression")


def _unjudged(name: str, reason: str, *, title: str, of: str = "") -> Judgement:
    return Judgement(
        title=name,
        numbers={f"{of}{name}": {"unjudged": reason}},
        rows=[],
        sections=(Section(title=title, lead=f"Not judged: {reason}."),),
        headline=((name, f"not judged: {reason}"),),
    )


def _one_number(case: _Case, name: str, rows: NDArray[np.int64]) -> Judgement:
    """Judge the events `rows`, in the bins of all events."""
    sigma = case.table.get(f"{case.prefix}sigma_{name}")
    binned = case.binned()
    binned["columns"] = {column: values[rows] for column, values in binned["columns"].items()}
    # Bins of what is predicted are those of its truth.
    binned["columns"].pop(name, None)
    truth_edges = binned["edges"].pop(name, None)
    evaluation = evaluate_regression(
        case.column(name)[rows].astype(np.float64),
        case.table[f"{case.prefix}prediction_{name}"][rows].astype(np.float64),
        name=name,
        unit=case.config.units.get(name, "1"),
        sigma=None if sigma is None else sigma[rows].astype(np.float64),
        weights=case.table["weight"][rows],
        truth_edges=truth_edges,
        fit=case.config.resolution.terms,
        **binned,
        bootstrap=case.bootstrap(rows),
    )
    residuals = evaluation.relative or evaluation.absolute
    kind = "relative " if evaluation.relative else ""
    headline = [
        (f"{name}: mean {kind}residual", residuals.mean.text()),
        (f"{name}: half the central 68.3 % of the {kind}residual", residuals.half_width.text()),
    ]
    if evaluation.pull is not None:
        headline.append((f"{name}: width of the pull", evaluation.pull.width.text()))
    fit = evaluation.resolution_fit
    if fit is not None:
        headline.extend(
            (f"{name}: {term} term of the resolution", coefficient.text())
            for term, coefficient in zip(fit.terms, fit.coefficients, strict=True)
        )
    return Judgement(
        title=name,
        numbers={name: plain(evaluation)},
        rows=regression_rows(evaluation),
        sections=regression_sections(evaluation),
        headline=tuple(headline),
    )


def _multi_label(case: _Case) -> Judgement:
    names = case.task["labels"]
    scores = [case.table[f"{case.prefix}probability_{name}"] for name in names]
    evaluation = evaluate_multi_label(
        np.column_stack(scores).astype(np.float64),
        np.column_stack([case.column(name) for name in names]),
        names=names,
        weights=case.table["weight"],
        targets=case.config.working_points,
        bootstrap=case.bootstrap(),
    )
    return Judgement(
        title="labels",
        numbers=plain(evaluation),
        rows=multi_label_rows(evaluation),
        sections=multi_label_sections(evaluation),
        headline=tuple(
            (f"AUC of {label.name}", label.discrimination.auc.interval.text())
            for label in evaluation.labels
        ),
    )


def _multi_task(case: _Case) -> Judgement:
    parts = []
    for name, head in case.task["heads"].items():
        of_head = replace(case, task=head["task"], prefix=f"{case.prefix}{name}.")
        parts.append(_named(_JUDGES[head["task"]["name"]](of_head), name))
    return _together(parts, title="several tasks")


def _segmentation(case: _Case) -> Judgement:
    classes, planes = case.task["classes"], case.task["planes"]
    maps = FrameMaps(case.frames, case.scores.path, case.task)
    confusions, histograms = [], []
    objects: dict[str, list[MatchedObjects]] = {entry.of: [] for entry in case.config.objects}
    for entry in case.config.objects:
        if entry.of not in classes[1:]:
            raise ConfigError(
                f"evaluate.objects: no class {entry.of!r} of pixels beside the background; there "
                f"are: {', '.join(classes[1:])}"
            )
    for block in _iter_blocks(case, maps):
        said = maps.classes(block.maps)
        confusions.append(
            confusion_of_pixels(block.truth, said, n_classes=len(classes), valid=block.valid)
        )
        if len(classes) == 2:
            is_class = (block.truth == 0) | (block.truth == 1)
            histograms.append(
                pixel_histograms(
                    np.clip(block.maps[:, planes:], 0, 1),
                    block.truth == 1,
                    valid=is_class & block.valid,
                )
            )
        for entry in case.config.objects:
            number = classes.index(entry.of)
            objects[entry.of].append(
                match_objects(
                    (block.truth == number) & block.valid,
                    # Where the truth is no class, nothing that is said counts.
                    (said == number) & block.valid & np.isin(block.truth, range(len(classes))),
                    _of_planes(block.images, planes),
                    least_pixels=entry.least_pixels,
                )
            )
    counts = np.concatenate(confusions)
    events = _first_of_frames(case)
    event_id = case.column("event_id")[events]
    weights = case.table["weight"][events]
    pixel_scores = None
    if histograms:
        pixel_scores = evaluate_pixel_scores(
            np.concatenate(histograms),
            foreground=classes[1],
            weights=weights,
            bootstrap=case.bootstrap(events),
        )
    evaluation = evaluate_segmentation(
        counts,
        classes=classes,
        weights=weights,
        pixel_scores=pixel_scores,
        **case.binned(events),
        bootstrap=case.bootstrap(events),
    )
    shown = best_median_worst(event_mean_iou(counts), case.config.displays)
    displays = []
    for row, word in shown:
        block = _block(case, maps, row, row + 1)
        said = maps.classes(block.maps)
        mean_iou = event_mean_iou(counts[row : row + 1])[0]
        displays.append(
            SegmentedEvent(
                f"{word}: event {event_id[row]}, mean IoU {mean_iou:.2f}",
                block.images[0],
                block.truth[0].astype(np.int64),
                said[0],
                block.valid[0],
            )
        )
    picture = _display(
        case, lambda **of: segmentation_display(displays, classes=classes, **of), len(displays)
    )
    judged = Judgement(
        title="classes of pixels",
        numbers=plain(evaluation),
        rows=segmentation_rows(evaluation),
        sections=(*segmentation_sections(evaluation), *picture),
        headline=(
            ("pixels of the right class", evaluation.accuracy.text()),
            ("mean IoU", evaluation.mean_iou.text()),
            *((f"IoU of {name}", evaluation.iou.item(i).text()) for i, name in enumerate(classes)),
        ),
    )
    parts = [judged]
    for entry in case.config.objects:
        matched = MatchedObjects.joined(objects[entry.of])
        if len(matched.true_event) == 0:
            reason = f"no true object in {matched.n_events:,} events"
            parts.append(_unjudged(entry.of, reason, title=f"Objects: {entry.of}", of="objects "))
            continue
        found = evaluate_objects(
            matched,
            name=entry.of,
            value_name=entry.value,
            edges=entry.edges or None,
            weights=weights,
            bootstrap=case.bootstrap(events),
        )
        parts.append(
            Judgement(
                title=entry.of,
                numbers={f"objects {entry.of}": plain(found)},
                rows=objects_rows(found),
                sections=objects_sections(found),
                headline=(
                    (f"{entry.of}: efficiency", found.efficiency.text()),
                    (f"{entry.of}: purity", found.purity.text()),
                    (f"{entry.of}: true number", found.true_count.text()),
                    (f"{entry.of}: corrected number", found.corrected_count.text()),
                ),
            )
        )
    return _together(parts, title="classes of pixels")


def _pixel_regression(case: _Case) -> Judgement:
    maps = FrameMaps(case.frames, case.scores.path, case.task)
    sums = [
        sums_of_pixels(block.truth, block.maps, valid=block.valid)
        for block in _iter_blocks(case, maps)
    ]
    joined = PixelSums.joined(sums)
    errors = event_errors(joined)
    events = _first_of_frames(case)
    event_id = case.column("event_id")[events]
    name = case.task["truth"]
    unit = case.config.units.get(name, "1")
    evaluation = evaluate_pixel_regression(
        joined,
        name=name,
        unit=unit,
        weights=case.table["weight"][events],
        **case.binned(events),
        bootstrap=case.bootstrap(events),
    )
    displays = []
    for row, word in best_median_worst(-errors, case.config.displays):
        block = _block(case, maps, row, row + 1)
        title = f"{word}: event {event_id[row]}, RMSE {errors[row]:.3g}"
        displays.append(MeasuredEvent(title, block.images[0], block.truth[0], block.maps[0]))
    picture = _display(
        case,
        lambda **of: pixel_regression_display(displays, name=name, unit=unit, **of),
        len(displays),
    )
    return Judgement(
        title=f"{name} of pixels",
        numbers=plain(evaluation),
        rows=pixel_regression_rows(evaluation),
        sections=(*pixel_regression_sections(evaluation), *picture),
        headline=(
            ("RMSE of pixels", evaluation.rmse.text()),
            ("sum predicted over true sum", evaluation.conservation.text()),
        ),
    )


def _localisation(case: _Case) -> Judgement:
    table = read_parquet(case.scores.path / POINTS)
    true = case.frames.points(case.task["points"])
    event = table["event"]
    counts = np.bincount(event, minlength=len(true))
    number = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.full((len(true), max(1, int(counts.max(initial=0))), 3), np.nan)
    for i, name in enumerate(("row", "column", "confidence")):
        found[event, number, i] = table[name]
    events = _first_of_frames(case)
    event_id = case.column("event_id")[events]
    evaluation = evaluate_localisation(
        true,
        found[..., :2],
        tolerance=case.task["tolerance"],
        confidences=found[..., 2],
        least_confidence=case.config.confidence,
        weights=case.table["weight"][events],
        **case.binned(events),
        bootstrap=case.bootstrap(events),
    )
    shown = range(min(case.config.displays, len(true)))
    displays = [
        LocatedEvent(
            f"event {event_id[row]}",
            case.frames.images(row, row + 1)[0],
            true[row],
            found[row, found[row, :, 2] >= case.config.confidence, :2],
        )
        for row in shown
    ]
    picture = _display(case, lambda **of: localisation_display(displays, **of), len(displays))
    return Judgement(
        title="points",
        numbers=plain(evaluation),
        rows=localisation_rows(evaluation),
        sections=(*localisation_sections(evaluation), *picture),
        headline=(
            ("precision", evaluation.precision.text()),
            ("recall", evaluation.recall.text()),
            ("Jaccard index", evaluation.jaccard.text()),
            *(
                ("average precision", curve.average_precision.text())
                for curve in (evaluation.confidence_curve,)
                if curve is not None
            ),
            ("RMSE [pixels]", evaluation.rmse.text()),
        ),
    )


_JUDGES: Mapping[str, Callable[[_Case], Judgement]] = {
    "classification": _classification,
    "localisation": _localisation,
    "multi-label": _multi_label,
    "multi-task": _multi_task,
    "pixel-regression": _pixel_regression,
    "regression": _regression,
    "segmentation": _segmentation,
}


@dataclass(frozen=True, slots=True)
class _Pixels:
    """Whole frames: images, what is true and what was said of their pixels, and which count."""

    images: NDArray[np.float32]
    truth: NDArray[np.float32]
    maps: NDArray[np.float32]
    valid: NDArray[np.bool_]


def _iter_blocks(case: _Case, maps: FrameMaps) -> Iterator[_Pixels]:
    for start, stop in maps.iter_ranges():
        yield _block(case, maps, start, stop)


def _block(case: _Case, maps: FrameMaps, start: int, stop: int) -> _Pixels:
    return _Pixels(
        images=case.frames.images(start, stop),
        truth=case.frames.truth(case.task["truth"], start, stop),
        maps=maps.read(start, stop),
        valid=maps.valid(start, stop),
    )


def _of_planes(images: NDArray[np.float32], planes: int) -> NDArray[np.float32]:
    """Return what each plane holds: its channel, or all channels where planes have no own one."""
    if images.shape[1] == planes:
        return images
    return np.repeat(images.sum(axis=1, keepdims=True), planes, axis=1)


def _first_of_frames(case: _Case) -> NDArray[np.int64]:
    return case.frames.first_rows(case.column("event_id"))


def _display(case: _Case, draw: Callable[..., Any], n_events: int) -> tuple[Section, ...]:
    schema = case.store.schema
    if n_events == 0 or len(schema.grid.axes) != 2:
        return ()
    figure = draw(
        grid=case.frames.grid,
        channels=[channel.name for channel in schema.channels],
        units=[channel.unit for channel in schema.channels],
    )
    picture = Picture(
        "displays",
        figure,
        "Events",
        "Images beside what is true of them and what was said.",
    )
    return (Section(title="Events", lead="", pictures=(picture,)),)


def _named(judgement: Judgement, name: str) -> Judgement:
    """Return a judgement whose parts say what it is of."""
    sections = tuple(
        replace(
            section,
            title=f"{section.title}: {name}",
            pictures=tuple(replace(p, name=f"{name}-{p.name}") for p in section.pictures),
        )
        for section in judgement.sections
    )
    return replace(
        judgement,
        numbers={name: judgement.numbers},
        rows=[{"task": name, **row} for row in judgement.rows],
        sections=sections,
        headline=tuple((f"{name}, {what}", text) for what, text in judgement.headline),
    )


def _merged(first: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of two parts, those under one name together."""
    both = {
        key: _merged(first[key], other[key])
        for key in first.keys() & other.keys()
        if isinstance(first[key], dict) and isinstance(other[key], dict)
    }
    return first | other | both


def _together(parts: Sequence[Judgement], *, title: str) -> Judgement:
    keys = dict.fromkeys(key for part in parts for row in part.rows for key in row)
    return Judgement(
        title=title,
        numbers=reduce(_merged, (part.numbers for part in parts)),
        rows=[{key: row.get(key) for key in keys} for part in parts for row in part.rows],
        sections=tuple(section for part in parts for section in part.sections),
        headline=tuple(line for part in parts for line in part.headline),
    )
