"""Files of jets and images in every layout: what is found, what is read, what is refused."""

import pickle
from dataclasses import fields
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import EventTable, ImageTable
from detcnn.sources.base import Layout
from detcnn.sources.layouts import jagged as jagged_layout
from detcnn.sources.opening import open_source

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def assert_reads_the_same(source, read):
    """Compare every run of rows with the same rows of the whole."""
    whole = read(0, source.samples[0].n_events)
    for start, stop in product(range(4), repeat=2):
        if start <= stop <= source.samples[0].n_events:
            part = read(start, stop)
            assert part.n_events == stop - start
            for name, column in part.columns.items():
                np.testing.assert_array_equal(column, whole.columns[name][start:stop])
    return whole


# Flat columns with offsets


def test_jagged(opened, jagged):
    source = opened(jagged)
    assert (source.layout.kind, source.layout.offsets) == ("jagged", "jets/offsets")
    assert source.layout.constituents == {
        role: f"constituents/{role}" for role in ("pt", "eta", "phi", "pdgid")
    }
    assert [(s.name, s.n_events, s.class_name) for s in source.samples] == [("jets", 3, None)]
    assert source.image_shape is None
    table = assert_reads_the_same(source, lambda start, stop: source.read(0, start, stop))
    assert isinstance(table, EventTable)
    assert table.offsets.tolist() == [0, 2, 2, 5]
    assert table.constituents["pt"].tolist() == [9, 8, 7, 6, 5]
    assert table.constituents["eta"].dtype == np.float32
    assert table.constituents["pdgid"].tolist() == [211, 22, 130, -211, 22]
    last = source.read(0, 1, 3)
    assert last.offsets.tolist() == [0, 0, 3]
    assert last.constituents["pt"].tolist() == [7, 6, 5]


def test_jagged_told_in_full(opened, jagged):
    told = {role: f"/constituents/{role}" for role in ("pt", "phi")}
    jagged["constituents/angle"] = np.linspace(-1, 1, 5)
    source = opened(
        jagged,
        kind="jagged",
        offsets="/jets/offsets",
        constituents={**told, "rapidity": "constituents/angle"},
        columns={"label": "/jets/label"},
        class_name="QCD",
    )
    assert source.samples[0].class_name == "QCD"
    assert source.label_names == {}
    assert source.read(0, 0, 1).constituents["rapidity"].tolist() == [-1, -0.5]


def test_as_many_constituents_as_events(opened, jagged):
    jagged["jets/offsets"] = np.array([0, 2, 2, 3])
    for role in ("pt", "eta", "phi", "pdgid"):
        jagged[f"constituents/{role}"] = jagged[f"constituents/{role}"][:3]
    with pytest.raises(ConfigError, match="no column found for pt and phi and eta"):
        opened(jagged)
    told = {role: f"constituents/{role}" for role in ("pt", "eta", "phi")}
    source = opened(jagged, constituents=told)
    assert source.layout.columns["pt"] == "jets/pt"
    assert source.read(0, 0, 3).columns["pt"].tolist() == [30, 20, 10]


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 2, 1, 5], r"'jets/offsets' fall from 2 to 1 at event 1"),
        ([0, 7, 6, 5], r"fall from 7 to 6 at event 1"),
        ([0, 5, 5, 4], r"fall from 5 to 4 at event 2"),
        ([1, 2, 3, 5], r"start at 1, expected 0"),
        ([-1, 2, 3, 5], r"start at -1, expected 0"),
        ([0, 2, 2, 4], r"'constituents/\w+' has shape \(5,\), but the offsets .* end at 4"),
        ([0, 2, 2, 6], r"'constituents/\w+' has shape \(5,\), but the offsets .* end at 6"),
        ([0, 2, 2, 10**18], r"end at 1000000000000000000 constituents"),
        ([0.0, 2, 2, 5], r"are float64 of shape \(4,\), expected whole numbers"),
        ([[0, 2], [2, 5]], r"are int64 of shape \(2, 2\), expected whole numbers of shape"),
        ([], r"of shape \(0,\)"),
    ],
)
def test_bad_offsets(opened, jagged, offsets, message):
    jagged["jets/offsets"] = np.array(offsets, dtype=None if offsets else int)
    with pytest.raises(DataError, match=message):
        opened(jagged, offsets="jets/offsets")


@pytest.mark.parametrize("at_once", [1, 2, 3, 4])
def test_offsets_are_checked_across_blocks(opened, jagged, monkeypatch, at_once):
    monkeypatch.setattr(jagged_layout, "_OFFSETS_AT_ONCE", at_once)
    assert opened(jagged).read(0, 0, 3).n_constituents == 5
    jagged["jets/offsets"] = np.array([0, 2, 1, 5])
    with pytest.raises(DataError, match="fall from 2 to 1 at event 1"):
        opened(jagged)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"offsets": "nowhere"}, "no dataset 'nowhere'"),
        ({"constituents": {"pt": "nowhere"}}, "no dataset 'nowhere'"),
        ({"constituents": {"ptt": "constituents/pt"}}, "'ptt' is no part that constituents have"),
    ],
)
def test_jagged_parts_that_are_not_there(opened, jagged, layout, message):
    with pytest.raises(ConfigError, match=message):
        opened(jagged, **layout)


@pytest.mark.parametrize("missing", ["pt", "phi", "eta"])
def test_jagged_without_coordinates(opened, jagged, missing):
    del jagged[f"constituents/{missing}"]
    with pytest.raises(ConfigError, match=f"no column found for {missing} of the constituents"):
        opened(jagged)


def test_strings_are_no_constituents(opened, jagged):
    jagged["constituents/pt"] = np.array([b"9"] * 5)
    with pytest.raises(ConfigError, match="no column found for pt"):
        opened(jagged)
    with pytest.raises(ConfigError, match=r"'constituents/pt' is text, expected numbers: name an"):
        opened(jagged, constituents={"pt": "constituents/pt"})


def test_jagged_without_offsets(opened, jagged):
    del jagged["jets/offsets"]
    with pytest.raises(ConfigError, match="no offsets of a jagged layout found; there are: const"):
        opened(jagged, kind="jagged")
    with pytest.raises(ConfigError, match="neither constituents with offsets, nor lists"):
        opened(jagged)


# Constituents padded with zeros


def as_features(padded, names):
    """Return the padded columns as one dataset of three axes."""
    stacked = np.stack([padded.pop(f"part_{n}") if n else np.zeros((3, 4)) for n in names], axis=-1)
    return {**padded, "X": stacked.astype(np.float32)}


def check_padded(source):
    table = assert_reads_the_same(source, lambda start, stop: source.read(0, start, stop))
    assert source.layout.kind == "padded"
    assert table.offsets.tolist() == [0, 2, 2, 5]
    assert table.constituents["pt"].tolist() == [9, 8, 7, 6, 5]
    np.testing.assert_allclose(table.constituents["eta"], [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-6)
    assert table.constituents["phi"].tolist() == [-3, -1, 0, 1, 3]
    assert table.columns["label"].tolist() == [1, 0, 1]
    assert table.columns["pt"].tolist() == [30, 20, 10]
    assert source.read(0, 2, 3).constituents["pt"].tolist() == [7, 6, 5]


def test_padded_a_dataset_a_column(opened, padded):
    source = opened(padded)
    assert source.layout.constituents == {
        "pt": "part_pt",
        "eta": "part_eta",
        "phi": "part_phi",
    }
    check_padded(source)


@pytest.mark.parametrize("names", [["pt", "eta", "phi"], np.array([b"pt", b"eta", b"part_phi"])])
def test_padded_features_by_name(write, padded, names):
    path = write(as_features(padded, ["pt", "eta", "phi"]), X__feature_names=names)
    source = open_source(path)
    assert source.layout.constituents["phi"] == "X[..., 2]"
    check_padded(source)


def test_padded_features_by_number(opened, padded):
    datasets = as_features(padded, ["eta", "", "phi", "pt"])
    told = {"pt": "/X[..., 3]", "eta": "X[...,0]", "phi": "X[ ... , 2 ]"}
    check_padded(opened(datasets, constituents=told))


@pytest.mark.parametrize("kind", [None, "padded"])
def test_what_is_told_can_be_told_again(write, padded, kind):
    path = write(as_features(padded, ["pt", "eta", "phi"]), X__names=["pt", "eta", "phi"])
    again = open_source(path, Layout(kind=kind, constituents=open_source(path).layout.constituents))
    check_padded(again)


def test_unnamed_features_are_not_taken_for_images(opened, padded):
    datasets = as_features(padded, ["pt", "eta", "phi"])
    with pytest.raises(ConfigError, match=r"'X' of shape \(3, 4, 3\) could be images or the feat"):
        opened(datasets)
    with pytest.raises(ConfigError, match="no column found for pt and phi and eta"):
        opened(datasets, kind="padded")


@pytest.mark.parametrize(
    ("change", "layout", "error", "message"),
    [
        ({}, {"constituents": {"pt": "part_pt[..., 0]"}}, ConfigError, r"shape \(3,\), expected"),
        ({}, {"constituents": {"pt": "part_pt[..., 9]"}}, ConfigError, "is outside of the dataset"),
        ({}, {"constituents": {"pt": "label[..., 0]"}}, ConfigError, "is outside of the dataset"),
        ({}, {"constituents": {"pt": "label"}}, ConfigError, r"shape \(3,\), expected \(events, "),
        ({}, {"constituents": {"pt": "part_pt[0]"}}, ConfigError, "no dataset 'part_pt"),
        (
            {"part_eta": np.zeros((3, 5))},
            {},
            DataError,
            r"'part_eta' has shape \(3, 5\) for eta, but pt has \(3, 4\)",
        ),
        ({"part_phi": np.full((3, 4), b"x")}, {}, ConfigError, "no column found for phi"),
        ({"label": np.array([0, 1, np.nan])}, {}, DataError, "'label', event 2: nan"),
    ],
)
def test_faulty_padded_files(opened, padded, change, layout, error, message):
    with pytest.raises(error, match=message):
        opened({**padded, **change}, **layout)


def test_nan_is_no_padding(opened, padded):
    padded["part_pt"][0, 3] = np.nan
    assert opened(padded).read(0, 0, 1).n_constituents == 3


# Ready images


@pytest.mark.parametrize(
    ("axes", "shape", "told"),
    [
        ((0, 1, 2, 3), (3, 5, 6), None),
        ((0, 2, 3, 1), (3, 5, 6), None),
        ((0, 2, 1, 3), (5, 3, 6), False),
        ((0, 2, 1, 3), (6, 5, 3), True),
    ],
    ids=["first", "last", "told first", "told last"],
)
def test_channels(opened, images, axes, shape, told):
    values = images["images"].transpose(axes)
    source = opened({**images, "images": values}, channels_last=told)
    assert source.image_shape == shape
    expected = np.moveaxis(values, -1, 1) if source.layout.channels_last else values
    table = assert_reads_the_same(source, lambda start, stop: source.read(0, start, stop))
    assert isinstance(table, ImageTable)
    assert table.images.values.dtype == np.float32
    assert table.images.values.flags.c_contiguous
    np.testing.assert_array_equal(table.images.values, expected)
    np.testing.assert_array_equal(source.read(0, 1, 3).images.values, expected[1:3])


def test_grey_images(opened, images):
    grey = np.arange(4 * 20 * 20, dtype=np.uint8).reshape(4, 20, 20)
    source = opened({**images, "images": grey})
    assert source.image_shape == (1, 20, 20)
    assert source.layout.channels_last is None
    np.testing.assert_array_equal(source.read(0, 0, 4).images.values[:, 0], grey)


def test_channels_of_several_columns(opened):
    datasets = {
        "light/photons": np.arange(4 * 7, dtype=np.int16).reshape(4, 7),
        "both": np.arange(4 * 7 * 2).reshape(4, 7, 2),
        "arrival": np.arange(4 * 7).reshape(4, 7) / 8,
        "label": np.array([0, 1, 1, 0]),
    }
    told = {"time": "/arrival", "photons": "light/photons"}
    source = opened(datasets, channels=told, axes=("pixel",))
    assert source.image_shape == (2, 7)
    assert source.layout.channels == {"time": "arrival", "photons": "light/photons"}
    table = assert_reads_the_same(source, lambda start, stop: source.read(0, start, stop))
    expected = np.stack([datasets["arrival"], datasets["light/photons"]], axis=1)
    np.testing.assert_array_equal(table.images.values, expected)
    np.testing.assert_array_equal(table.columns["label"], [0, 1, 1, 0])
    parts = opened(datasets, channels={"a": "both[..., 1]", "b": "both[..., 0]"}, axes=("pixel",))
    np.testing.assert_array_equal(
        parts.read(0, 1, 3).images.values, datasets["both"][1:3, :, ::-1].transpose(0, 2, 1)
    )
    # What is understood is understood the same again.
    again = opened(datasets, **{f.name: getattr(source.layout, f.name) for f in fields(Layout)})
    assert again.layout == source.layout
    datasets["arrival"][2, 3] = np.nan
    with pytest.raises(DataError, match="'arrival', event 2: a pixel is not a finite number"):
        opened(datasets, channels=told, axes=("pixel",)).read(0, 0, 4)


@pytest.mark.parametrize(
    ("other", "told", "fault"),
    [
        ((4, 6), {}, r"channel 'b' has shape \(4, 6\) and 'a' \(4, 7\): the channels of an image"),
        ((4, 7, 1), {}, r"channel 'b' has shape \(4, 7, 1\), expected \(event, pixel\)"),
        ((4, 7), {"images": {"a": ""}}, "both channels and images are named"),
    ],
)
def test_columns_that_make_no_image_together(opened, other, told, fault):
    datasets = {"a": np.zeros((4, 7)), "b": np.zeros(other), "label": np.zeros(4, dtype=int)}
    with pytest.raises(ConfigError, match=fault):
        opened(datasets, channels={"x": "a", "y": "b"}, axes=("pixel",), **told)


@pytest.mark.parametrize("shape", [(4, 5, 5, 5), (4, 3, 5, 3), (4, 20, 20, 20), (4, 5, 3, 6)])
def test_ambiguous_channels(opened, images, shape):
    with pytest.raises(ConfigError, match="cannot tell which axis is the channels: set channels_l"):
        opened({**images, "images": np.zeros(shape)})


def test_a_dataset_a_class(opened):
    datasets = {"QCD": np.ones((2, 1, 5, 5)), "TT": np.zeros((3, 1, 5, 5)), "x": np.ones(2)}
    source = opened(datasets)
    assert [(s.name, s.n_events, s.class_name) for s in source.samples] == [
        ("QCD", 2, "QCD"),
        ("TT", 3, "TT"),
    ]
    assert source.read(1, 0, 3).images.n_images == 3
    assert source.read(0, 0, 2).images.values.all()
    chosen = opened(datasets, images={"/TT": "top", "QCD": "jet"})
    assert [s.class_name for s in chosen.samples] == ["top", "jet"]
    of_one = opened(datasets, class_name="jets")
    assert [s.class_name for s in of_one.samples] == ["jets", "jets"]


def test_one_of_several_classes_may_be_empty(opened):
    source = opened({"QCD": np.ones((2, 1, 5, 5)), "TT": np.zeros((0, 1, 5, 5))})
    assert source.read(1, 0, 0).images.n_images == 0


def test_a_label_column_or_a_class(opened, images):
    assert opened(images).label_names == {0: "0", 1: "1"}
    assert opened(images, class_name="QCD").samples[0].class_name == "QCD"
    assert opened(images, images={"images": "QCD"}).samples[0].class_name == "QCD"
    del images["label"]
    with pytest.raises(ConfigError, match="nothing tells the class of the images in 'images'"):
        opened(images)


@pytest.mark.parametrize("told", [{"columns": {"label": "label"}}, {"one_hot": ("label",)}])
def test_a_class_and_a_label_of_the_same_images_are_refused(opened, images, told):
    words = "names 'events' as the class of all of 'images', and label as their label"
    with pytest.raises(ConfigError, match=words):
        opened(images, images={"images": "events"}, **told)


def test_a_label_beside_images_whose_class_is_left_open(opened, images):
    source = opened(images, images={"images": ""}, columns={"label": "label"})
    assert source.label_names == {0: "0", 1: "1"}


def test_masks_beside_images_are_no_class(opened, images):
    datasets = {**images, "masks": images["images"]}
    with pytest.raises(ConfigError, match=r"several datasets of images .images, masks. canno"):
        opened(datasets)
    source = opened(datasets, images={"images": ""})
    assert [s.class_name for s in source.samples] == [None]
    assert source.label_names == {0: "0", 1: "1"}
    assert source.layout.images == {"images": ""}


@pytest.mark.parametrize("told", [{"columns": {"weight": "w"}}, {"event_id": ("w",)}])
def test_columns_belong_to_one_dataset_of_images(opened, told):
    datasets = {"QCD": np.ones((2, 1, 5, 5)), "TT": np.ones((2, 1, 5, 5)), "w": np.ones(2)}
    with pytest.raises(ConfigError, match=r"cannot share the columns (weight|w)"):
        opened(datasets, **told)


@pytest.mark.parametrize(
    ("datasets", "layout", "message"),
    [
        ({"a": np.ones((2, 5))}, {"images": {"a": "x"}}, r"shape \(2, 5\), expected images"),
        ({"a": np.ones((2, 0, 5))}, {"kind": "images"}, r"shape \(2, 0, 5\), expected images"),
        ({"a": np.ones((2, 1, 5, 5)), "b": np.ones((2, 1, 5, 6))}, {}, "name those of one study"),
        ({"a": np.ones((2, 5, 5))}, {"images": {"b": "x"}}, "no dataset 'b'; there are: a"),
        ({"a": np.full((2, 1, 5, 5), b"x")}, {}, "neither constituents with offsets, nor"),
        ({"a": 3.0}, {"images": {"a": "x"}}, r"shape \(\), expected images"),
        ({}, {}, "there are: no datasets"),
    ],
)
def test_faulty_image_files(opened, datasets, layout, message):
    with pytest.raises(ConfigError, match=message):
        opened(datasets, **layout)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_pixel_that_is_none(opened, images, value):
    images["images"][2, 1, 3, 3] = value
    source = opened(images)
    assert source.read(0, 0, 2).n_events == 2
    with pytest.raises(DataError, match=r"in\.h5: dataset 'images', event 2: a pixel is not"):
        source.read(0, 1, 4)


# All layouts


@pytest.mark.parametrize(
    "datasets",
    [
        {"offsets": np.array([0]), **{n: np.zeros(0) for n in ("part_pt", "part_eta", "part_phi")}},
        {name: np.zeros((0, 4)) for name in ("part_pt", "part_eta", "part_phi")},
        {"images": np.zeros((0, 1, 5, 5)), "other": np.zeros((0, 1, 5, 5))},
    ],
    ids=["jagged", "padded", "images"],
)
def test_no_events(opened, datasets):
    with pytest.raises(DataError, match=r"in\.h5: holds no events"):
        opened(datasets)


def test_events_without_constituents(opened):
    names = ("part_pt", "part_eta", "part_phi")
    jagged = {"offsets": np.zeros(4, int), **{name: np.zeros(0) for name in names}}
    padded = {name: np.zeros((3, 4)) for name in names}
    for datasets in (jagged, padded):
        table = opened(datasets).read(0, 0, 3)
        assert (table.n_events, table.n_constituents) == (3, 0)


@pytest.mark.parametrize("kind", ["jagged", "padded", "images"])
def test_a_source_can_be_sent_to_another_process(opened, jagged, padded, images, kind):
    source = opened({"jagged": jagged, "padded": padded, "images": images}[kind])
    again = pickle.loads(pickle.dumps(source))
    assert again.read(0, 1, 3).n_events == source.read(0, 1, 3).n_events == 2


NAMES = st.sampled_from(
    [
        "offsets",
        "pt",
        "eta",
        "phi",
        "label",
        "weight",
        "event_id",
        "X",
        "g/pt",
        "g/images",
        "charge",
        "px_0",
        "px_1",
        "label_a",
        "label_b",
        "h/pt",
        "h/images",
        "mask",
        "pt_rel",
    ]
)
TEXTS = NAMES | st.sampled_from(["X[..., 1]", "X[..., 0:4:2]", "px_*", "{class}/pt", "{class}"])
DTYPES = st.sampled_from(["f4", "f8", "i1", "i8", "u8", "bool", "S3", "f2", "c8", "V4", ">f4"])
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 5, 17]), max_size=4).map(tuple)
UNITS = st.sampled_from([None, "GeV", "MeV", "deg", "", "1", b"rad", 3])
LAYOUTS = st.builds(
    Layout,
    kind=st.sampled_from([None, None, "jagged", "lists", "padded", "images"]),
    constituents=st.dictionaries(
        st.sampled_from(["pt", "eta", "phi", "charge", "px", "pt_rel", "mask"]), TEXTS, max_size=3
    ),
    offsets=st.none() | NAMES,
    columns=st.dictionaries(st.sampled_from(["label", "weight", "pt"]), TEXTS, max_size=2),
    one_hot=st.lists(TEXTS, max_size=2).map(tuple),
    tree=st.sampled_from([None, None, None, "g", "h", "pt"]),
    event_id=st.lists(NAMES, max_size=2).map(tuple),
    images=st.dictionaries(NAMES, st.sampled_from(["", "a"]), max_size=2),
    channels_last=st.sampled_from([None, True, False]),
    units=st.dictionaries(st.sampled_from(["pt", "phi"]), st.just("deg"), max_size=1),
    class_name=st.sampled_from([None, "a"]),
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(NAMES, st.tuples(DTYPES, SHAPES, UNITS), max_size=6),
    st.just(Layout()) | LAYOUTS,
    st.randoms(use_true_random=False),
)
def test_any_file_is_read_or_refused(tmp_path, datasets, layout, random):
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:
        for name, (dtype, shape, unit) in datasets.items():
            values = [random.choice([0, 1, 1, 2, -1, 0.5, 3]) for _ in range(int(np.prod(shape)))]
            odd = dtype in ("S3", "V4")
            array = np.zeros(shape, dtype) if odd else np.array(values).reshape(shape).astype(dtype)
            file[name] = np.cumsum(array) // 1 if name == "offsets" and dtype == "i8" else array
            if unit is not None:
                file[name].attrs["units"] = unit
    message = str(path)
    try:
        source = open_source(path, layout)
        for i, sample in enumerate(source.samples):
            table = source.read(i, 0, sample.n_events)
            assert table.n_events == sample.n_events
            if isinstance(table, EventTable):
                assert {"pt", "phi"} <= table.constituents.keys()
                assert np.all(np.diff(table.offsets) >= 0)
            else:
                assert table.images.shape == source.image_shape
                assert np.all(np.isfinite(table.images.values))
    except (ConfigError, DataError) as error:
        message = str(error)
    assert str(path) in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("kind", ["jagged", "padded", "images"])
def test_a_flipped_byte_is_read_or_refused(write, jagged, padded, images, kind):
    path = write({"jagged": jagged, "padded": padded, "images": images}[kind])
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    for position in rng.integers(0, len(content), 150):
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        message = str(path)
        try:
            source = open_source(path)
            source.read(0, 0, source.samples[0].n_events)
        except (ConfigError, DataError) as error:
            message = str(error)
        assert str(path) in message


# Files that others made


def real_file(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path


@pytest.mark.parametrize(
    ("name", "n_events", "classes"),
    [
        ("generated_jets/quark_gluon.h5", 35276, {"gluon", "quark"}),
        ("generated_jets/w_qcd_b.h5", 5062, {"qcd", "w"}),
    ],
)
def test_generated_jets(name, n_events, classes):
    source = open_source(real_file(name))
    assert source.samples[0].n_events == n_events
    assert {name.lower() for name in source.label_names.values()} == classes
    assert set(source.layout.constituents) == {"pt", "eta", "rapidity", "phi", "pdgid", "charge"}
    table = source.read(0, 100, 200)
    assert table.n_events == 100
    for i in range(5):
        first, last = table.offsets[i : i + 2]
        px = sum(
            table.constituents["pt"][k] * np.exp(1j * table.constituents["phi"][k])
            for k in range(first, last)
        )
        assert abs(px) == pytest.approx(table.columns["pt"][i], rel=1e-4)


def test_cms_jet_images():
    source = open_source(real_file("cms_jet_images/split_dev.h5"))
    assert [(s.class_name, s.n_events) for s in source.samples] == [("QCD", 2305), ("TT", 1222)]
    assert source.image_shape == (1, 30, 30)
    sums = source.read(1, 0, 50).images.values.sum(axis=(1, 2, 3))
    assert 150 < np.median(sums) < 600
