"""The kinds of artifact, their format numbers and the history of each.

A reader opens the number it knows and refuses every other one, because a layout read by the wrong
rules gives wrong physics without an error. Raise the number with every change that an older reader
would misread, and say below what changed.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of artifact.

    Parameters
    ----------
    name : str
        The word in the manifest.
    version : int
        The format number that this code writes and reads.
    made_by : str
        The command that makes such an artifact, for error messages.
    """

    name: str
    version: int
    made_by: str


IMAGES = Kind("images", version=2, made_by="detcnn preprocess")
# 1  images.zarr: one group per split (train, validation, test), sparse or dense images, label,
#    weight, training_weight, columns/; statistics/ of the training split. Later, and without harm
#    to older readers, truth/ and points/, and column_units among the attributes.
# 2  contents.n_events counts events, contents.n_tiles their tiles; squares beside a camera of
#    hexagonal pixels are of no class.

MODEL = Kind("model", version=3, made_by="detcnn train")
# 1  model.json, best.safetensors, last.safetensors, history.csv, figures.
# 2  The task in model.json is a mapping with all that is needed to make it again.
# 3  Weights of a model that cuts its pixels have standardise.limit.

LEARNING_RATES = Kind("learning_rates", version=1, made_by="detcnn train --find-learning-rate")
# 1  learning_rates.csv: learning_rate, loss, smoothed_loss of each step; figure.

SCORES = Kind("scores", version=4, made_by="detcnn predict")
# 1  scores.parquet: label, weight, score_<class index>, and the columns of the image store.
# 2  occlusion.parquet, unless it was not asked for: label (true class), row, column, n_images,
#    mean_ and error_<class index>; contents.occlusion says how it was made, or is null.
# 3  contents.task; of tasks beyond one class an image other scores, maps.zarr or points.parquet,
#    see detcnn/stages/scores.py.
# 4  points.parquet: event_id; event counts frames, in which row and column are, not tiles. Later,
#    and without harm to older readers, no label where there is one class, and n_points of those of
#    the confidence in the manifest's config, not of all.

METRICS = Kind("metrics", version=4, made_by="detcnn evaluate")
# 1  metrics.json, tables as CSV, figures as PNG and PDF, report.html.
# 2  Each area with its binning_error, p_value in metrics.csv; other random numbers in the
#    bootstrap.
# 3  Of tasks beyond one label: rows of one event resampled together; average_precision of points,
#    with its interval; response and corrected_resolution of a regression; unjudged, with a reason.
# 4  Numbers of columns, and bins of them, in the units that the study wants or the images have;
#    shares of pixels, points, labels and selections with intervals of Korn and Graubard; numbers of
#    one of several targets under its name, once; relative residuals away from zero alone; bins of
#    ten events or more; what belongs together in one figure.

VALIDATION = Kind("validation", version=1, made_by="detcnn validate")
# 1  validation.json; validation.csv, every number of the page; figures as PNG and PDF; report.html.

COMPARISON = Kind("comparison", version=1, made_by="detcnn compare")
# 1  comparison.json, comparison.csv, figures as PNG and PDF, report.html.

FEATURE_MAPS = Kind("feature_maps", version=1, made_by="detcnn filter")
# 1  numbers.npz: filter/NAME, images, and for each step of each filter STEP/NAME, shape (event,
#    channel, row, column); numbers.json: what they are of; figures as PNG and PDF.

EXPLANATION = Kind("explanation", version=1, made_by="detcnn explain")
# 1  explanation.npz and explanation.json, figures as PNG and PDF, report.html; of a symmetry
#    symmetry.csv and symmetry.json in place of the first two.

KINDS = {
    kind.name: kind
    for kind in (
        IMAGES,
        MODEL,
        LEARNING_RATES,
        SCORES,
        METRICS,
        VALIDATION,
        COMPARISON,
        FEATURE_MAPS,
        EXPLANATION,
    )
}
