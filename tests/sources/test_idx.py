"""idx files: images, the labels beside them, and what is wrong with either."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError, DetcnnError
from detcnn.sources.base import Layout
from detcnn.sources.formats.idx import IDX
from detcnn.sources.opening import files_read, open_source

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}
MNIST = Path(__file__).parents[2].parent / "shared/data/mnist_t10k"


def as_idx(values, dtype="u1"):
    values = np.asarray(values).astype(dtype)
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, CODES[dtype], values.ndim, *values.shape)
    return head + values.tobytes()


@pytest.fixture
def write(tmp_path):
    """Write an array: ``write("t-images-idx3-ubyte", values)``, compressed if it ends with .gz."""

    def write(name, values, dtype="u1"):
        path = tmp_path / name
        content = as_idx(values, dtype)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.fixture
def images():
    return np.arange(5 * 20 * 24).reshape(5, 20, 24) % 251


LABELS = [7, 0, 7, 9, 1]


@pytest.mark.parametrize(
    ("of_images", "of_labels"),
    [
        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("emnist-letters-test-images-idx3-ubyte.gz", "emnist-letters-test-labels-idx1-ubyte.gz"),
    ],
)
def test_images_find_their_labels(write, images, of_images, of_labels):
    path, labels = write(of_images, images), write(of_labels, LABELS)
    source = pickle.loads(pickle.dumps(open_source(path)))
    assert source.image_shape == (1, 20, 24)
    assert source.label_names == {0: "0", 1: "1", 7: "7", 9: "9"}
    table = source.read(0, 1, 4)
    np.testing.assert_array_equal(table.images.values[:, 0], images[1:4])
    assert table.columns["label"].tolist() == LABELS[1:4]
    assert files_read(path, source.layout) == (path, labels)


@pytest.mark.parametrize("dtype", CODES)
def test_types_are_big_endian(write, images, dtype):
    path = write("images.idx", images, dtype)
    source = open_source(path, Layout(class_name="a"))
    np.testing.assert_array_equal(
        source.read(0, 2, 3).images.values[0, 0], images[2].astype(dtype).astype(np.float32)
    )


def test_labels_that_the_study_names(write, images):
    path = write("t10k-images-idx3-ubyte", images)
    write("t10k-labels-idx1-ubyte", LABELS)
    other = write("parity-ubyte.gz", [1, 0, 1, 1, 1])
    source = open_source(path, Layout(columns={"label": "parity-ubyte.gz"}))
    assert source.read(0, 0, 5).columns["label"].tolist() == [1, 0, 1, 1, 1]
    assert files_read(path, source.layout) == (path, other)


def test_a_class_makes_labels_needless(write, images):
    path = write("t10k-images-idx3-ubyte", images)
    write("t10k-labels-idx1-ubyte", LABELS[:2])
    assert open_source(path, Layout(class_name="a")).samples[0].class_name == "a"


def test_images_without_labels(write, images):
    with pytest.raises(ConfigError, match="nothing tells the class of the images in 'images'"):
        open_source(write("digits-idx3-ubyte", images))


def test_labels_of_other_images(write, images):
    path = write("t10k-images-idx3-ubyte", images)
    write("t10k-labels-idx1-ubyte", LABELS[:4])
    with pytest.raises(DataError, match="holds 5 images, but t10k-labels-idx1-ubyte has 4 labels"):
        open_source(path)


def test_labels_that_are_no_idx_file(write, images, tmp_path):
    path = write("t10k-images-idx3-ubyte", images)
    (tmp_path / "t10k-labels-idx1-ubyte").write_text("7 0 7")
    with pytest.raises(DataError, match="labels-idx1-ubyte: is no idx file: begins with 37 20 30"):
        open_source(path)


@pytest.mark.parametrize("change", [-1, -300, 1])
def test_a_length_that_the_header_does_not_say(write, images, change):
    path = write("a-images-idx3-ubyte", images)
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + b"\0" * change)
    with pytest.raises(DataError, match=rf"has {2416 + change} bytes, but its header says 2416"):
        open_source(path)


def test_a_compressed_file_that_was_cut_short(write, images):
    path = write("a-images-idx3-ubyte.gz", images)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(
        DataError, match=r"damaged or cut short \(Compressed file en.*: copy or make"
    ):
        open_source(path)


def test_a_header_that_was_cut_short(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\0\0\x08\x03\0\0")
    with pytest.raises(DataError, match="is cut short in its header"):
        open_source(path)


@pytest.mark.parametrize(
    "head", [b"\0\0\x08\0", b"\0\0\x08\x05", b"\0\0\x0a\x01", b"\0\1\x08\1", b"\0\0", b"\x1f\x8b\0"]
)
def test_what_is_no_idx_file(head):
    assert not IDX.recognises(Path("a-idx1-ubyte"), head)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_is_named_or_does_no_harm(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damage")
    contents = [as_idx(np.arange(4 * 20 * 20).reshape(4, 20, 20) % 200), as_idx([0, 1, 2, 1])]
    for name, content in zip(("images-idx3", "labels-idx1"), contents, strict=True):
        packed = gzip.compress(content, mtime=0) if data.draw(st.booleans()) else content
        damaged = bytearray(packed)
        for place in data.draw(st.lists(st.integers(0, min(40, len(damaged) - 1)), max_size=3)):
            damaged[place] = data.draw(st.integers(0, 255))
        (folder / name).write_bytes(damaged[: data.draw(st.none() | st.integers(0, len(damaged)))])
    message = f"{folder}: one line"
    try:
        source = open_source(folder / "images-idx3", Layout(kind="images"))
        assert source.read(0, 0, source.samples[0].n_events).n_events == source.samples[0].n_events
    except DetcnnError as error:
        message = str(error)
    assert message.startswith(str(folder))
    assert "\n" not in message


@pytest.mark.skipif(not MNIST.is_dir(), reason="the shared data are not here")
def test_mnist():
    source = open_source(MNIST / "t10k-images-idx3-ubyte.gz")
    assert source.samples[0].n_events == 10_000
    assert source.image_shape == (1, 28, 28)
    assert source.label_names == {digit: str(digit) for digit in range(10)}
    table = source.read(0, 9_000, 10_000)
    assert table.images.values.max() == 255
    assert table.columns["label"][-3:].tolist() == [4, 5, 6]


def test_the_absent_labels_are_named(write, images):
    path = write("a-images-idx3-ubyte", images)
    told = r"no file of its labels, a-labels-idx1-ubyte or a-labels-idx1-ubyte\.gz"
    with pytest.raises(ConfigError, match=told):
        open_source(path)
