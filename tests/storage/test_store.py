"""The image store, written and read again."""

import json

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detcnn.artifacts.kinds import IMAGES
from detcnn.artifacts.opening import open_artifact
from detcnn.artifacts.publishing import build_artifact
from detcnn.errors import DataError
from detcnn.events.images import DenseImages, SparseImages, as_dense
from detcnn.storage import reader
from detcnn.storage.reader import open_store
from detcnn.storage.schema import SPLITS, schema_from_attributes

ENCODINGS = ["sparse", "dense"]


@pytest.fixture
def values():
    """Eleven images, a third of their pixels filled."""
    rng = np.random.default_rng(4)
    values = rng.random((11, 2, 3, 4), dtype=np.float32)
    return np.where(rng.random(values.shape) < 0.3, values, np.float32(0))


def assert_holds(split, values):
    row = np.arange(len(values))
    np.testing.assert_array_equal(as_dense(split.images()).values, values)
    np.testing.assert_array_equal(split.label, row % 2)
    np.testing.assert_array_equal(split.weight, row + 0.5)
    np.testing.assert_array_equal(split.training_weight, row + 0.25)
    np.testing.assert_array_equal(split.column("pt"), row)
    np.testing.assert_array_equal(split.column("event_id"), row << 40)


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_round_trip(tmp_path_factory, write_store, small_chunks, encoding, data):
    shape = data.draw(st.tuples(*[st.integers(1, 3)] * 3))
    elements = st.sampled_from([0.0, 0.0, 0.0, 1.5, -2.0, 1e-30])
    images = {
        name: data.draw(
            hnp.arrays(
                np.float32, (data.draw(st.sampled_from([0, 1, 4, 9])), *shape), elements=elements
            )
        )
        for name in SPLITS
    }
    path = tmp_path_factory.mktemp("store") / "images.zarr"
    schema = write_store(path, encoding, images)
    store = open_store(path)
    assert store.schema == schema
    assert tuple(store.splits) == SPLITS
    for name, split in store.splits.items():
        assert split.n_events == len(images[name])
        assert_holds(split, images[name])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_runs_of_rows(tmp_path, write_store, small_chunks, values, encoding):
    write_store(tmp_path / "s", encoding, {"train": values})
    split = open_store(tmp_path / "s").splits["train"]
    for start in (0, 1, 4, 10, 11):
        for stop in {start, min(start + 1, 11), 11}:
            images = split.images(start, stop)
            assert isinstance(images, SparseImages if encoding == "sparse" else DenseImages)
            np.testing.assert_array_equal(as_dense(images).values, values[start:stop])


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("limit", [1, 250, 10**6])
def test_all_images_in_blocks_of_little_memory(
    tmp_path, write_store, small_chunks, values, encoding, limit, monkeypatch
):
    monkeypatch.setattr(reader, "_BYTES_AT_ONCE", limit)
    write_store(tmp_path / "s", encoding, {"train": values})
    split = open_store(tmp_path / "s").splits["train"]
    assert split.nbytes == sum(array.nbytes for array in arrays_of(split.images()))
    blocks = list(split.iter_images())
    assert [start for start, _ in blocks] == np.cumsum([0, *(b.n_images for _, b in blocks)])[
        :-1
    ].tolist()
    dense = np.concatenate([as_dense(block).values for _, block in blocks])
    np.testing.assert_array_equal(dense, values)
    largest = max(block.n_images for _, block in blocks)
    assert largest == 1 or largest * split.nbytes / 11 <= limit
    assert list(open_store(tmp_path / "s").splits["test"].iter_images()) == []


def arrays_of(images):
    if isinstance(images, DenseImages):
        return [images.values]
    return [images.offsets, images.pixel, images.value]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_blocks_do_not_show(tmp_path, values, small_chunks, encoding, write_store, monkeypatch):
    contents = []
    for size in (1, 5, 100):
        # Blocks come from partitions; shards must not know.
        monkeypatch.setattr(
            write_store.__globals__["write_split"], "__kwdefaults__", {"block": size}
        )
        folder = tmp_path / str(size)
        write_store(folder, encoding, {"train": values})
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        contents.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert contents[0] == contents[1] == contents[2]
    assert len([path for path in contents[0] if "images" in path.parts]) > 4


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_images_without_a_filled_pixel(tmp_path, write_store, encoding):
    empty = np.zeros((3, 1, 2, 2), dtype=np.float32)
    write_store(tmp_path / "s", encoding, {"train": empty})
    store = open_store(tmp_path / "s")
    assert_holds(store.splits["train"], empty)
    assert store.splits["test"].n_events == 0
    assert as_dense(store.splits["test"].images()).values.shape == (0, 1, 2, 2)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_stranger_reads_it_with_zarr_and_numpy(
    tmp_path, write_store, small_chunks, values, encoding
):
    write_store(tmp_path / "s", encoding, {"validation": values})
    store = zarr.open_group(tmp_path / "s", mode="r")
    split, shape = store["validation"], store.attrs["image_shape"]
    if encoding == "dense":
        images = split["images"][:]
    else:
        offsets, pixel, value = (split["images"][name][:] for name in ("offsets", "pixel", "value"))
        images = np.zeros((len(offsets) - 1, np.prod(shape)))
        images[np.repeat(np.arange(len(images)), np.diff(offsets)), pixel] = value
    np.testing.assert_array_equal(images.reshape(-1, *shape), values)
    assert store.attrs["classes"] == ["gluon", "quark"]
    assert [axis["name"] for axis in store.attrs["axes"]] == ["eta", "phi"]
    np.testing.assert_allclose(store.attrs["axes"][0]["edges"], np.linspace(-0.4, 0.4, 4))
    assert store.attrs["channels"][1] == {"name": "pt_1", "unit": "GeV", "meaning": "sum 1"}
    assert split["label"].metadata.dimension_names == ("event",)


def test_axes_of_dense_images_are_named(tmp_path, write_store, values):
    write_store(tmp_path / "s", "dense", {"train": values})
    array = zarr.open_group(tmp_path / "s", mode="r")["train/images"]
    assert array.metadata.dimension_names == ("event", "channel", "eta", "phi")


def test_statistics(tmp_path, write_store, values):
    write_store(tmp_path / "s", "sparse", {"train": values})
    statistics = open_store(tmp_path / "s").statistics
    assert {name: array.dtype for name, array in statistics.items()} == {
        "mean": np.float64,
        "std": np.float64,
    }
    np.testing.assert_array_equal(statistics["mean"], np.full((2, 3, 4), 0.5))


def test_schema_survives_json(tmp_path, write_store, values):
    schema = write_store(tmp_path / "s", "sparse", {"train": values})
    assert schema_from_attributes(json.loads(json.dumps(schema.attributes()))) == schema
    assert schema.shape == (2, 3, 4)
    assert schema.dimension_names == ("channel", "eta", "phi")


def test_an_unknown_column(tmp_path, write_store, values):
    write_store(tmp_path / "s", "sparse", {"train": values})
    split = open_store(tmp_path / "s").splits["train"]
    assert split.column_names == ("event_id", "pt")
    with pytest.raises(DataError, match="no column 'mass'; there are: event_id, pt"):
        split.column("mass")


# Damage


def read_all(split):
    columns = [split.column(name) for name in split.column_names]
    images = as_dense(split.images()).values
    return [images, split.label, split.weight, split.training_weight, *columns]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_flipped_bit_of_a_shard_is_found(tmp_path, write_store, small_chunks, values, encoding):
    path = tmp_path / "s"
    write_store(path, encoding, {"train": values})
    split = open_store(path).splits["train"]
    before = read_all(split)
    rng = np.random.default_rng(5)
    shards = [p for p in (path / "train").rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert len(shards) > 10
    for shard in shards:
        content = shard.read_bytes()
        for position in rng.integers(0, len(content), 3):
            damaged = bytearray(content)
            damaged[position] ^= 1 << rng.integers(8)
            shard.write_bytes(damaged)
            with pytest.raises(DataError, match="cannot be read, the image store is damaged"):
                read_all(split)
        shard.write_bytes(content)
    for one, other in zip(read_all(split), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_garbled_metadata_is_refused(tmp_path, write_store, values):
    path = tmp_path / "s"
    write_store(path, "sparse", {"train": values})
    rng = np.random.default_rng(6)
    n_refused = 0
    files = [path / "zarr.json", *(path / "train").rglob("zarr.json")]
    for file in files:
        content = file.read_bytes()
        for position in rng.integers(0, len(content), 4):
            damaged = bytearray(content)
            damaged[position] ^= 1 << rng.integers(7)
            file.write_bytes(damaged)
            try:
                read_all(open_store(path).splits["train"])
            except DataError:
                n_refused += 1
        file.write_bytes(content)
    assert n_refused > 2 * len(files)


@pytest.mark.parametrize(
    "change",
    [
        {"encoding": None, "axes": [{}]},
        {"axes": [{"name": "eta", "n_pixels": 0, "low": 0, "high": 1, "unit": "1"}] * 2},
        {"channels": "pt"},
        {"classes": None},
    ],
)
def test_attributes_of_something_else(tmp_path, write_store, values, change):
    write_store(tmp_path / "s", "sparse", {"train": values})
    zarr.open_group(tmp_path / "s", mode="r+").attrs.update(change)
    with pytest.raises(DataError, match="the image store is damaged"):
        open_store(tmp_path / "s")


@pytest.mark.parametrize(
    ("name", "row", "value"), [("offsets", 3, 99), ("offsets", 1, 20), ("pixel", 0, 24)]
)
def test_pixel_lists_that_are_none(tmp_path, write_store, values, name, row, value):
    write_store(tmp_path / "s", "sparse", {"train": values})
    array = zarr.open_group(tmp_path / "s", mode="r+")[f"train/images/{name}"]
    array[row] = value
    with pytest.raises(DataError, match="the pixel lists are damaged"):
        open_store(tmp_path / "s").splits["train"].images(0, 3)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_text("x")])
def test_no_store(tmp_path, make):
    make(tmp_path / "s")
    with pytest.raises(DataError, match=r"no image store|image store is damaged"):
        open_store(tmp_path / "s")


def test_a_store_of_zarr_arrays_that_is_none(tmp_path):
    zarr.create_group(tmp_path / "s", zarr_format=3).create_array("train", shape=3, dtype="f4")
    with pytest.raises(DataError, match="image store is damaged"):
        open_store(tmp_path / "s")


@pytest.mark.parametrize("harm", ["delete", "empty"])
def test_a_lost_shard_is_noticed_before_it_reads_as_zeros(tmp_path, write_store, values, harm):
    with build_artifact(
        tmp_path / "images", kind=IMAGES, identity="ab" * 32, overwrite=False
    ) as builder:
        write_store(builder.folder / "images.zarr", "sparse", {"train": values})
        builder.publish(stage="preprocess", config={}, inputs=[], contents={}, circumstances={})
    shard = tmp_path / "images" / "images.zarr" / "train" / "weight" / "c" / "0"
    if harm == "delete":
        shard.unlink()
    else:
        shard.write_bytes(b"")
    if harm == "delete":
        # This is what zarr makes of it, and why the manifest must know every shard.
        assert not open_store(tmp_path / "images" / "images.zarr").splits["train"].weight.any()
    with pytest.raises(DataError, match=r"train/weight/c/0 (is missing|has 0 bytes)"):
        open_artifact(tmp_path / "images")
