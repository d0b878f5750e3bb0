"""CVN pixel maps: interactions one to a file, their labels beside them, and what is wrong."""

import json
import zlib

import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.sources.base import Layout
from detcnn.sources.chain import expand_paths, open_sources
from detcnn.sources.opening import files_read, open_source

SIZE = 3 * 500 * 500
LABELLED = Layout(columns={"label": "flavour"}, axes=("plane", "cell"))


@pytest.fixture
def write(tmp_path):
    """Write an interaction: ``write("event3.gz", content)``."""

    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


@pytest.fixture
def labels(tmp_path):
    """Write the labels of files: ``labels({"3": [1, -1]})``."""

    def labels(rows, columns=("flavour", "interaction")):
        path = tmp_path / "labels.json"
        path.write_text(json.dumps({"columns": columns, "labels": rows}))
        return path

    return labels


def a_map(value):
    pixels = np.zeros((3, 500, 500), dtype=np.uint8)
    pixels[2, 4, 499] = value
    return zlib.compress(pixels.tobytes())


def test_views_and_labels(write, labels):
    path, beside = write("event7.gz", a_map(9)), labels({"7": [3, -1], "8": [1, 0]})
    source = open_source(path, LABELLED)
    assert source.image_shape == (3, 500, 500)
    assert source.format_name == "CVN pixel map"
    assert source.label_names == {3: "3"}
    table = source.read(0, 0, 1)
    assert np.argwhere(table.images.values).tolist() == [[0, 2, 4, 499]]
    assert table.images.values.max() == 9
    # What is undefined stays what it is.
    assert table.columns["interaction"].tolist() == [-1]
    assert source.read(0, 0, 0).n_events == source.read(0, 1, 1).n_events == 0
    assert files_read(path, source.layout) == (path, beside)


def test_files_count_upwards_and_keep_their_labels(write, labels, tmp_path):
    for number in (0, 2, 10):
        write(f"event{number}.gz", a_map(100 + number))
    labels({"2": [1, 2], "10": [0, 3], "0": [1, 4]})
    paths = expand_paths("event*.gz", base=tmp_path)
    assert [path.name for path in paths] == ["event0.gz", "event2.gz", "event10.gz"]
    table = open_sources(paths, LABELLED).read(0, 0, 3)
    assert table.images.values.max(axis=(1, 2, 3)).tolist() == [100, 102, 110]
    assert table.columns["label"].tolist() == [1, 1, 0]
    assert table.columns["interaction"].tolist() == [4, 2, 3]


def test_labels_that_change_are_read_again(write, labels):
    path = write("event7.gz", a_map(9))
    labels({"7": [3, -1]})
    assert open_source(path, LABELLED).read(0, 0, 1).columns["label"].tolist() == [3]
    labels({"7": [1, -1], "8": [1, 1]})
    assert open_source(path, LABELLED).read(0, 0, 1).columns["label"].tolist() == [1]


@pytest.mark.parametrize("name", ["event7.gz", "event7", "7"])
def test_names_of_labels(write, labels, name):
    labels({name: [3, -1], "17": [0, 0]})
    source = open_source(write("event7.gz", a_map(9)), LABELLED)
    assert source.read(0, 0, 1).columns["label"].tolist() == [3]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (zlib.compress(bytes(SIZE - 1)), "has 749999 bytes, expected 750000"),
        (zlib.compress(bytes(SIZE + 1)), "has more than 750000 bytes, expected 750000"),
        # A bomb of 100 MB: no more of it is decompressed than fits.
        (zlib.compress(bytes(10**8)), "has more than 750000 bytes, expected 750000"),
        (zlib.compress(b""), "has 0 bytes, expected 750000"),
        (a_map(1)[:-1], "has 750000 bytes and no end, expected 750000"),
        (a_map(1)[:40], r"has \d+ bytes and no end, expected 750000"),
        (a_map(1) + b"more", "has 750000 bytes and something behind them, expected"),
        (b"\x78\x9c" + bytes(range(100, 200)), r"cannot be read, damaged or cut short \(Error -3"),
        (a_map(1)[:-1] + b"!", r"cannot be read, damaged or cut short \(Error -3"),
        (b"\x78\x9c" + bytes(2 * 10**6), "cannot be read|more than"),
    ],
    ids=["short", "long", "bomb", "empty", "no end", "cut", "more", "noise", "checksum", "large"],
)
def test_what_is_no_pixel_map(write, labels, content, fault):
    labels({"7": [3, -1]})
    path = write("event7.gz", content)
    with pytest.raises(DataError, match=rf"event7\.gz: .*{fault}") as caught:
        open_source(path, LABELLED)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "columns", "fault"),
    [
        ({"8": [1, 2]}, ["a", "b"], "says nothing of event7.gz: expected '7' among its labels"),
        ({"7": [1]}, ["a", "b"], r"labels of '7': found \[1\], expected 2 whole numbers \(a, b\)"),
        ({"7": [1, 0.5]}, ["a", "b"], r"labels of '7': found \[1, 0.5\], expected 2"),
        ({"7": [1, True]}, ["a", "b"], "labels of '7'"),
        ({"7": [1, 1 << 63]}, ["a", "b"], "labels of '7'"),
        ({"7": 1}, ["a", "b"], "labels of '7'"),
        ([], ["a", "b"], "expected 'columns', a list of names"),
        ({"7": [1, 2]}, ["a", "a"], "expected 'columns', a list of names"),
        ({"7": [1, 2]}, ["a", "images"], "expected 'columns', a list of names"),
        ({"7": [1, 2]}, {"a": 0}, "expected 'columns', a list of names"),
    ],
)
def test_what_are_no_labels(write, labels, rows, columns, fault):
    labels(rows, columns)
    with pytest.raises(DataError, match=rf"labels\.json: {fault}"):
        open_source(write("event7.gz", a_map(1)), Layout(class_name="nc"))


def test_labels_that_are_no_json(write, tmp_path):
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(DataError, match=r"labels\.json: cannot be read as JSON"):
        open_source(write("event7.gz", a_map(1)), LABELLED)


def test_images_without_labels(write):
    path = write("event7.gz", a_map(1))
    with pytest.raises(ConfigError, match="nothing tells the class.*no file labels.json"):
        open_source(path)
    assert open_source(path, Layout(class_name="nc")).samples[0].class_name == "nc"
