"""Judge a number for each pixel."""

from detcnn.evaluation.event_values import best_median_worst
from detcnn.evaluation.export import plain
from detcnn.evaluation.pixel_regression import (
    PixelSums,
    evaluate_pixel_regression,
    event_errors,
    sums_of_pixels,
)
from detcnn.evaluation.task_rows import (
    pixel_regression_rows,
)
from detcnn.plotting.displays import (
    MeasuredEvent,
    pixel_regression_display,
)
from detcnn.plotting.pixel_regression import pixel_regression_sections
from detcnn.stages.frames import FrameMaps
from detcnn.stages.judging.case import Case
from detcnn.stages.judging.displays import display_section
from detcnn.stages.judging.judgement import Judgement
from detcnn.stages.judging.pixels import iter_pixels, read_pixels


def judge(case: Case) -> Judgement:
    """Return what numbers of pixels are worth."""
    maps = FrameMaps(case.frames, case.scores.path, case.task)
    name = case.task["truth"]
    unit, factor = case.units.unit(name), case.units.factor(name)
    sums = [
        sums_of_pixels(block.truth * factor, block.maps * factor, valid=block.valid)
        for block in iter_pixels(case, maps)
    ]
    joined = PixelSums.joined(sums)
    errors = event_errors(joined)
    events = case.first_rows()
    event_id = case.column("event_id")[events]
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
        block = read_pixels(case, maps, row, row + 1)
        title = f"{word}: RMSE {errors[row]:.3g}\nevent {event_id[row]}"
        displays.append(
            MeasuredEvent(title, block.images[0], block.truth[0] * factor, block.maps[0] * factor)
        )
    picture = display_section(
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
