import json

import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError, OutputExistsError
from detcnn.events.images import as_dense
from detcnn.stages import filter as stage
from detcnn.stages.filter import FilterOptions
from detcnn.storage.reader import open_store

O = "001100 010010 100001 100001 010010 001100"  # noqa: E741
X = "100001 010010 001100 001100 010010 100001"
ANGLE = "angle=0 0 1/0 1 0/1 0 0"
LECTURE = FilterOptions(bias=-2.0, rectify=True, pool=2, dense="1 -1 -1 1 / -1 1 1 -1")


def picture(text):
    return np.array([[int(pixel) for pixel in row] for row in text.split()], dtype=np.float32)


@pytest.fixture
def letters(tmp_path):
    np.savez(tmp_path / "letters.npz", O=picture(O)[None, None], X=picture(X)[None, None])
    return tmp_path / "letters.npz"


def test_the_lecture_from_a_file_to_the_outputs(letters, tmp_path):
    result = stage.run(letters, filters=[ANGLE], output=tmp_path / "out", options=LECTURE)
    assert result.events == ("O, event 0", "X, event 1")
    assert {step: maps.shape for step, maps in result.steps["angle"].items()} == {
        "map": (2, 1, 4, 4),
        "rectified": (2, 1, 4, 4),
        "pooled": (2, 1, 2, 2),
    }
    assert result.outputs["flatten"].tolist() == [[1, 0, 0, 1], [0, 1, 1, 0]]
    assert result.outputs["dense"].tolist() == [[2, -2], [-2, 2]]
    with np.load(tmp_path / "out" / "numbers.npz") as arrays:
        np.testing.assert_array_equal(arrays["map/angle"], result.steps["angle"]["map"])
        np.testing.assert_array_equal(arrays["images"][1, 0], picture(X))
    told = json.loads((tmp_path / "out" / "numbers.json").read_text())
    assert told["filters"]["angle"] == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert told["steps"]["angle"]["map"]["min"] == -2
    figures = sorted(path.name for path in (tmp_path / "out").glob("*.p[nd][gf]"))
    assert figures == [
        f"{name}.{kind}"
        for name in ("filters", "maps-1-channel_0", "maps-2-channel_0")
        for kind in ("pdf", "png")
    ]


def test_an_image_store_and_the_events_asked_for(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "write_figure", lambda *_: None)
    images = trained.path / "images"
    result = stage.run(
        images, filters=["blur"], output=tmp_path / "out", events=[3, 1], split="test"
    )
    split = open_store(images / "images.zarr").splits["test"]
    for found, row in zip(result.steps["blur"]["map"], (3, 1), strict=True):
        image = as_dense(split.images(row, row + 1)).values[0]
        mean = np.mean([image[:, i : 7 + i, j : 7 + j] for i in range(3) for j in range(3)], axis=0)
        np.testing.assert_allclose(found, mean, rtol=1e-6, atol=1e-9)
    assert result.artifact.manifest.inputs[0].role == "images"


def test_equal_runs_give_equal_artifacts(letters, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "write_figure", lambda *_: None)
    digests = {
        stage.run(
            letters, filters=[ANGLE], output=tmp_path / name, options=LECTURE
        ).artifact.manifest.digest
        for name in ("one", "two")
    }
    assert len(digests) == 1


def test_filters_come_from_names_texts_and_files(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("corner: [[1, 0], [0, 0]]\nrow: [[1, 1]]\n")
    found = stage.find_filters(["edges", "1 2 / 3 4", str(path)])
    assert list(found) == ["edges", "filter_2", "corner", "row"]
    assert found["row"].tolist() == [[1, 1]]
    assert len(stage.find_filters(["all"])) == 6


@pytest.mark.parametrize(
    ("filters", "options", "message"),
    [
        (["egdes"], {}, "--filters egdes: expected all, edge_horizontal, .* or a matrix as in"),
        (["blur", "blur"], {}, "there is a filter blur already"),
        (["a/b=1 2"], {}, "a name without '/'"),
        (["1 2 / 3"], {}, "row 2 has 1 numbers"),
        (["nowhere.yaml"], {}, "nowhere.yaml: cannot be read"),
        (["1 1 1 1 1 1 1"], {}, "does not fit into images of 6x6"),
        (["blur"], {"pool": 5}, "pooling window of 5x5 does not fit into 4x4"),
        (["blur"], {"dense": "1 2"}, "rows of 2 numbers for 16 that are left of an image"),
        (["blur"], {"dense_bias": "1"}, "there is no --dense layer"),
        (["1"], {"pool": 6, "dense": "1", "dense_bias": "1 2"}, "2 numbers for 1 outputs"),
        (["blur"], {"bias": float("nan")}, "--bias nan: expected a finite number"),
        (["blur"], {"bias": 1e300}, r"filter blur: .* beyond 3.4e\+38"),
        (["1e308 1e308/1e308 1e308"], {}, r"filter filter_1: .* beyond 3.4e\+38"),
        (["1e308 -1e308/1e308 -1e308"], {}, r"filter filter_1: .* beyond 3.4e\+38"),
        (["1e39 0 0 0 0 0"], {}, r"filter filter_1: .* beyond 3.4e\+38"),
        (["1"], {"pool": 6, "dense": "1e308", "dense_bias": "1e308"}, "--dense: .* beyond 3.4e"),
        (["blur"], {"padding": 100000}, "--padding 100000: a filter of 3x3 .* at most 2"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(letters, tmp_path, filters, options, message):
    with pytest.raises(ConfigError, match=message):
        stage.run(
            letters, filters=filters, output=tmp_path / "out", options=FilterOptions(**options)
        )
    assert list(tmp_path.iterdir()) == [letters]


def test_an_event_that_is_not_there(letters, tmp_path):
    with pytest.raises(
        ConfigError, match="--event 2: the first 2 events are looked at, from 0 to 1"
    ):
        stage.run(letters, filters=["blur"], output=tmp_path / "out", events=[2])


def test_an_output_that_is_there_is_kept(letters, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        stage.run(letters, filters=["blur"], output=tmp_path / "out")


def test_what_the_images_have_already_is_no_option(letters, trained, tmp_path):
    with pytest.raises(ConfigError, match="--split test: .*letters.npz is an input file"):
        stage.run(letters, filters=["blur"], output=tmp_path / "out", split="test")
    with pytest.raises(ConfigError, match="--preset komiske2017: .*images holds images already"):
        stage.run(
            trained.path / "images",
            filters=["blur"],
            output=tmp_path / "out",
            preset="komiske2017",
        )
    assert list(tmp_path.iterdir()) == [letters]


def test_an_input_that_is_not_there_is_told_before_the_output_is(tmp_path):
    with pytest.raises(DataError, match=r"missing\.h5"):
        stage.run(tmp_path / "missing.h5", filters=["blur"], output=tmp_path)


def test_no_events(tmp_path):
    np.savez(tmp_path / "none.npz", O=np.zeros((0, 1, 6, 6)), X=np.zeros((0, 1, 6, 6)))
    with pytest.raises(DataError):
        stage.run(tmp_path / "none.npz", filters=["blur"], output=tmp_path / "out")
