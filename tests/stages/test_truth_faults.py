"""Odd truth beside ready images: one line that names file, dataset and event, and no artifact."""

import h5py
import numpy as np
import pytest

from detcnn.config.loading import load_study
from detcnn.errors import ConfigError, DataError
from detcnn.progress import SILENT
from detcnn.stages import preprocess

N, ROWS, COLUMNS = 24, 6, 8

STUDY = """
name: odd
preprocess:
  sources:
    - path: odd.h5
      images: {images: ''}
      columns: {energy: energy, label: label}
      pixels: {mask: {column: truth/mask, classes: [nothing, track, shower]}}
  split: {train: 0.5, validation: 0.25, test: 0.25}
"""


def arrays():
    rng = np.random.default_rng(1)
    places = [rng.uniform(0, ROWS - 1, (N, 3)), rng.uniform(0, COLUMNS - 1, (N, 3))]
    return {
        "images": rng.random((N, 2, ROWS, COLUMNS)).astype(np.float32),
        "truth/mask": rng.integers(0, 3, (N, 1, ROWS, COLUMNS)).astype(np.float64),
        "truth/charge": rng.random((N, 2, ROWS, COLUMNS)),
        "points/places": np.stack(places, axis=2),
        "label": rng.integers(0, 2, N),
        "energy": rng.uniform(1, 5, N),
    }


def preprocessed(folder, given, *options, progress=SILENT):
    with h5py.File(folder / "odd.h5", "w") as file:
        for name, values in given.items():
            file[name] = values
    (folder / "study.yaml").write_text(STUDY)
    study = load_study(folder / "study.yaml", list(options))
    return preprocess.run(
        study.preprocess, base=folder, output=folder / "images", progress=progress
    )


def test_the_arrays_are_good(tmp_path):
    assert preprocessed(tmp_path, arrays()).artifact.path.exists()


def put(place, value):
    def change(values):
        values[place] = value
        return values

    return change


SHAPES = {
    "a column of pixels less": ("truth/mask", lambda a: a[..., 1:], r"shape \(24, 1, 6, 7\)"),
    "rows for columns": ("truth/mask", lambda a: a.swapaxes(2, 3), r"shape \(24, 1, 8, 6\)"),
    "events less": ("truth/mask", lambda a: a[1:], r"shape \(23, 1, 6, 8\)"),
    "an axis more": ("truth/charge", lambda a: a[:, None], r"shape \(24, 1, 2, 6, 8\)"),
    "one axis": ("truth/charge", lambda a: a[:, 0, 0, 0], r"shape \(24,\)"),
    "text": ("truth/mask", lambda a: np.full(a.shape, b"track"), "is text, expected numbers"),
    "complex": ("truth/charge", lambda a: a * 1j, "is complex128, expected numbers"),
    "points of three": ("points/places", lambda a: np.dstack([a, a[..., :1]]), r"\(24, 3, 3\)"),
    "points of events less": ("points/places", lambda a: a[1:], r"\(23, 3, 2\)"),
    "no points": ("points/places", lambda a: a[:, :0], r"\(24, 0, 2\), expected \(24, points, 2\)"),
    "points as text": ("points/places", lambda a: np.full(a.shape, b"1"), "is text"),
}


@pytest.mark.parametrize("fault", SHAPES)
def test_truth_of_another_shape_is_refused(tmp_path, fault):
    column, change, message = SHAPES[fault]
    given = arrays()
    given[column] = change(given[column])
    with pytest.raises(ConfigError, match=rf"odd\.h5: .*dataset '{column}' .*{message}"):
        preprocessed(tmp_path, given)
    assert not list(tmp_path.glob("images*"))


def test_truth_that_is_not_there(tmp_path):
    given = arrays()
    del given["truth/mask"]
    with pytest.raises(ConfigError, match=r"odd\.h5: no dataset 'truth/mask'; there are: .*charge"):
        preprocessed(tmp_path, given)


VALUES = {
    "half a class": ("truth/mask", put((7, 0, 2, 3), 0.5), r"pixel \(0, 2, 3\): is 0.5, .* class"),
    "no class": ("truth/mask", put((7, 0, 2, 3), np.nan), r"pixel \(0, 2, 3\): is nan, .* class"),
    "endless": (
        "truth/charge",
        put((7, 1, 0, 7), -np.inf),
        r"pixel \(1, 0, 7\): is -inf, expected",
    ),
    "no number": (
        "truth/charge",
        put((7, 1, 0, 7), np.nan),
        r"pixel .*: is nan, expected a finite number",
    ),
    "more than is stored": (
        "truth/charge",
        put((7, 1, 0, 7), 1e300),
        r"pixel \(1, 0, 7\): is 1e\+300, expected a finite number of float32",
    ),
    "a point far out": ("points/places", put((7, 1), 1e300), r"point 1: is \(1e\+300, .*finite"),
    "half a point": ("points/places", put((7, 2, 0), np.nan), r"point 2: is \(nan, .*for both"),
    "a point nowhere": (
        "points/places",
        put((7, 0), np.inf),
        r"point 0: is \(inf, inf\), expected",
    ),
}


@pytest.mark.parametrize("fault", VALUES)
def test_values_that_mean_nothing_are_named(tmp_path, fault):
    column, change, message = VALUES[fault]
    given = arrays()
    given[column] = change(given[column])
    with pytest.raises(DataError, match=rf"odd\.h5: dataset '{column}', event 7, {message}"):
        preprocessed(tmp_path, given)
    assert not (tmp_path / "images").exists()


def test_an_event_is_named_as_in_the_file_wherever_the_parts_begin(tmp_path):
    given = arrays()
    given["points/places"][17, 1, 1] = np.nan
    with pytest.raises(DataError, match="event 17, point 1"):
        preprocessed(tmp_path, given, "preprocess.events_per_partition=5")


def test_what_counts_for_nothing_is_told(tmp_path, Listener):
    given = arrays()
    given["truth/mask"][3, 0, 0, :4] = [3, 255, -1, 1e20]
    given["points/places"][5, 1] = [ROWS - 0.4, 2]
    given["points/places"][6, :2] = [[-0.4, COLUMNS - 0.6], [2, 20]]
    given["points/places"][7, 0] = np.nan
    listener = Listener()
    contents = preprocessed(tmp_path, given, progress=listener).artifact.manifest.contents
    assert contents["n_pixels_of_no_class"] == {"mask": 4}
    assert contents["n_points_outside"] == {"places": 2}
    said = "\n".join(listener.said)
    assert "mask: 4 of 1,152 pixels are of none of the classes nothing, track, shower" in said
    assert "places: 2 of 71 points lie outside their images" in said


def test_nothing_is_told_of_what_is_right(tmp_path, Listener):
    listener = Listener()
    contents = preprocessed(tmp_path, arrays(), progress=listener).artifact.manifest.contents
    assert contents["n_pixels_of_no_class"] == {"mask": 0}
    assert contents["n_points_outside"] == {"places": 0}
    assert not listener.said


def test_classes_that_no_pixel_is_of(tmp_path):
    given = arrays()
    given["truth/mask"] += 3
    with pytest.raises(DataError, match="no pixel of 'mask' in the train split .* 0 to 2: name"):
        preprocessed(tmp_path, given)
    assert not (tmp_path / "images").exists()
