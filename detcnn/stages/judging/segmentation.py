"""Judge a class for each pixel, and the objects that pixels of a class make."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.config.evaluate import ObjectsConfig
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.event_values import best_median_worst
from detcnn.evaluation.export import plain
from detcnn.evaluation.objects import MatchedObjects, evaluate_objects, match_objects
from detcnn.evaluation.pixel_scores import evaluate_pixel_scores, pixel_histograms
from detcnn.evaluation.segmentation import (
    confusion_of_pixels,
    evaluate_segmentation,
    event_mean_iou,
)
from detcnn.evaluation.task_rows import (
    objects_rows,
    segmentation_rows,
)
from detcnn.plotting.displays import (
    SegmentedEvent,
    segmentation_display,
)
from detcnn.plotting.objects import objects_sections
from detcnn.plotting.segmentation import segmentation_sections
from detcnn.stages.frames import FrameMaps, are_of_channels
from detcnn.stages.judging.case import Case
from detcnn.stages.judging.displays import display_section
from detcnn.stages.judging.judgement import Judgement, together, unjudged
from detcnn.stages.judging.pixels import Pixels, iter_pixels, of_planes, read_pixels


def judge(case: Case) -> Judgement:
    """Return what classes of pixels are worth, and the objects that the study asks for."""
    classes, planes = case.task["classes"], case.task["planes"]
    maps = FrameMaps(case.frames, case.scores.path, case.task)
    confusions, histograms = [], []
    objects: dict[str, list[MatchedObjects]] = {entry.of: [] for entry in case.config.objects}
    for block in iter_pixels(case, maps):
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
            objects[entry.of].append(_matched(entry, block, said, case.task))
    counts = np.concatenate(confusions)
    events = case.first_rows()
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
    displays = _displays(case, maps, counts)
    picture = display_section(
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
    parts = [
        _judge_objects(
            entry,
            MatchedObjects.joined(objects[entry.of]),
            weights=weights,
            bootstrap=case.bootstrap(events),
        )
        for entry in case.config.objects
    ]
    return together([judged, *parts], title="classes of pixels")


def _displays(case: Case, maps: FrameMaps, counts: NDArray[np.int64]) -> list[SegmentedEvent]:
    event_id = case.column("event_id")[case.first_rows()]
    ious = event_mean_iou(counts)
    displays = []
    for row, word in best_median_worst(ious, case.config.displays):
        pixels = read_pixels(case, maps, row, row + 1)
        displays.append(
            SegmentedEvent(
                f"{word}: mean IoU {ious[row]:.2f}\nevent {event_id[row]}",
                pixels.images[0],
                pixels.truth[0].astype(np.int64),
                maps.classes(pixels.maps)[0],
                pixels.valid[0],
            )
        )
    return displays


def _matched(
    entry: ObjectsConfig, pixels: Pixels, said: NDArray[np.int64], task: Mapping[str, Any]
) -> MatchedObjects:
    classes, of_channels = task["classes"], are_of_channels(task, pixels.images.shape[1])
    # Where the truth is no class, nothing that is said counts.
    counts = pixels.valid & np.isin(pixels.truth, range(len(classes)))
    number = classes.index(entry.of)
    return match_objects(
        (pixels.truth == number) & counts,
        (said == number) & counts,
        of_planes(pixels.images, said.shape[1], of_channels=of_channels),
        least_pixels=entry.least_pixels,
    )


def _judge_objects(
    entry: ObjectsConfig,
    objects: MatchedObjects,
    *,
    weights: NDArray[np.floating],
    bootstrap: Bootstrap,
) -> Judgement:
    if len(objects.true_event) == 0:
        reason = f"no true object in {objects.n_events:,} events"
        return unjudged(entry.of, reason, title=f"Objects: {entry.of}", of="objects ")
    found = evaluate_objects(
        objects,
        name=entry.of,
        value_name=entry.value,
        edges=entry.edges or None,
        weights=weights,
        bootstrap=bootstrap,
    )
    return Judgement(
        title=entry.of,
        numbers={f"objects {entry.of}": plain(found)},
        rows=objects_rows(found),
        sections=objects_sections(found),
        headline=(
            (f"{entry.of}: efficiency", found.efficiency.text()),
            (f"{entry.of}: purity", found.purity.text()),
            (f"{entry.of}: true number in half the events", found.true_count.text()),
            (f"{entry.of}: corrected number of them", found.corrected_count.text()),
        ),
    )
