import pickle

import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.sources.base import Clustering, Layout
from detcnn.sources.layouts import event_columns
from detcnn.sources.layouts.event_columns import class_names, combine_ids
from detcnn.sources.opening import find_misfits, open_source


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["gluon", "quark"], {0: "gluon", 1: "quark"}),
        (['["gluon", "quark"]'], {0: "gluon", 1: "quark"}),
        (["[1, null]"], {0: "1", 1: "None"}),
        (['{"0": "gluon", "-1": "quark", "x": "y", "²": "z"}'], {0: "gluon", -1: "quark"}),
        (["gluon, quark"], {}),
        (["3"], {}),
        (["[" * 100_000], {}),
    ],
)
def test_class_names(words, expected):
    assert class_names(words) == expected


@pytest.mark.parametrize(
    "attribute",
    ['["QCD", "top"]', '{"1": "top", "0": "QCD"}', ["QCD", "top"], np.array([b"QCD", b"top"])],
)
def test_label_names_from_the_file(write, jagged, attribute):
    assert open_source(write(jagged, __classes=attribute)).label_names == {0: "QCD", 1: "top"}


def test_labels_without_names(opened, jagged):
    jagged["jets/label"] = np.array([7, -2, 7])
    assert opened(jagged).label_names == {-2: "-2", 7: "7"}


@pytest.mark.parametrize("dtype", ["f4", "f8", "bool", "u8", ">i2", "f2"])
def test_labels_of_any_type_become_integers(opened, jagged, dtype):
    jagged["jets/label"] = np.array([1, 0, 1]).astype(dtype)
    source = opened(jagged)
    assert source.label_names == {0: "0", 1: "1"}
    label = source.read(0, 0, 3).columns["label"]
    assert (label.dtype, label.tolist()) == (np.int64, [1, 0, 1])


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 1e300])
@pytest.mark.parametrize("given_class", [None, "QCD"])
def test_a_label_that_is_none(opened, jagged, value, given_class):
    jagged["jets/label"] = np.array([1, 0, value])
    if given_class:
        # What is told goes before what is found.
        assert "label" not in opened(jagged, class_name=given_class).read(0, 0, 3).columns
        return
    with pytest.raises(DataError, match=r"in\.h5: dataset 'jets/label', event 2: .* whole number"):
        opened(jagged)


def test_labels_are_read_block_by_block(opened, jagged, monkeypatch):
    monkeypatch.setattr(event_columns, "_ROWS_AT_ONCE", 2)
    assert opened(jagged).label_names == {0: "0", 1: "1"}
    jagged["jets/label"] = np.array([1, 0, 0.5])
    with pytest.raises(DataError, match="event 2"):
        opened(jagged)


def test_too_many_labels(opened, jagged, monkeypatch):
    monkeypatch.setattr(event_columns, "_MOST_CLASSES", 1)
    with pytest.raises(ConfigError, match="'jets/label' has more than 1 different values"):
        opened(jagged)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_a_weight_that_is_none(opened, jagged, value):
    jagged["jets/weight"] = np.array([1, value, -2])
    source = opened(jagged)
    assert source.read(0, 2, 3).columns["weight"].tolist() == [-2]
    with pytest.raises(DataError, match="dataset 'jets/weight', event 1: the weight is"):
        source.read(0, 1, 3)


def test_event_ids_keep_every_bit(opened, jagged):
    ids = np.array([2**53 - 1, 2**24 + 1, 3])
    for dtype in ("f8", "i8", "u8"):
        jagged["jets/event_id"] = ids.astype(dtype)
        found = opened(jagged).read(0, 0, 3).columns["event_id"]
        assert (found.dtype, found.tolist()) == (np.int64, ids.tolist())
    jagged["jets/event_id"] = np.array([2**64 - 1, 0, 1], dtype=np.uint64)
    assert opened(jagged).read(0, 0, 3).columns["event_id"].tolist() == [-1, 0, 1]


def test_an_event_id_that_is_none(opened, jagged):
    jagged["jets/event_id"] = np.array([1, 2, np.nan])
    with pytest.raises(DataError, match="'jets/event_id', event 2: nan is neither"):
        opened(jagged).read(0, 0, 3)


def test_ids_of_several_numbers(opened, jagged):
    jagged |= {"run": np.array([1, 1, 2]), "event": np.array([5.0, 6, 5])}
    source = opened(jagged, event_id=("run", "/event"))
    ids = source.read(0, 0, 3).columns["event_id"]
    assert (ids.dtype, len(set(ids.tolist()))) == (np.int64, 3)
    np.testing.assert_array_equal(source.read(0, 1, 3).columns["event_id"], ids[1:])
    jagged["event"] = np.array([5.5, 6, 5])
    with pytest.raises(DataError, match=r"dataset 'event', event 0: 5\.5"):
        opened(jagged, event_id=("run", "event")).read(0, 0, 3)


def test_one_number_is_its_own_id():
    assert combine_ids([np.array([4, -1])]).tolist() == [4, -1]


def test_small_numbers_make_distinct_ids():
    grid = np.meshgrid(np.arange(30), np.arange(900), np.arange(10), indexing="ij")
    ids = combine_ids([part.ravel() for part in grid])
    assert len(np.unique(ids)) == len(ids)


def test_columns_under_their_own_names(opened, jagged):
    jagged |= {"jets/fatjet_mass": np.ones(3), "jets/y": np.ones(3), "jets/name": [b"a"] * 3}
    layout = opened(jagged).layout
    assert layout.columns == {
        "label": "jets/label",
        "pt": "jets/pt",
        "mass": "jets/fatjet_mass",
        "rapidity": "jets/y",
    }


def test_configured_columns_go_first(opened, jagged):
    jagged["jets/truth"] = np.array([0, 0, 1])
    source = opened(jagged, columns={"label": "/jets/truth"})
    assert source.read(0, 0, 3).columns["label"].tolist() == [0, 0, 1]
    assert source.layout.columns == {"label": "jets/truth", "pt": "jets/pt"}


@pytest.mark.parametrize(
    ("layout", "error", "message"),
    [
        ({"columns": {"label": "truth"}}, ConfigError, "no dataset 'truth'; there are: const"),
        ({"columns": {"x": "constituents/pt"}}, DataError, r"shape \(5,\), expected \(3,\): one"),
        ({"event_id": ("run",)}, ConfigError, "no dataset 'run'"),
        ({"event_id": ("constituents/pt",)}, DataError, r"expected \(3,\)"),
        ({"units": {"pt": "deg"}}, ConfigError, r"'jets/pt': .*set units\.pt in the study"),
        ({"units": {"ptt": "MeV"}}, ConfigError, "units are given for 'ptt', which is no column"),
    ],
)
def test_faulty_layouts(opened, jagged, layout, error, message):
    with pytest.raises(error, match=message):
        opened(jagged, **layout)


def test_labels_that_are_neither_numbers_nor_text(opened, jagged):
    jagged["jets/label"] = np.zeros(3, complex)
    with pytest.raises(ConfigError, match=r"dataset 'jets/label' is .*, expected numbers"):
        opened(jagged, columns={"label": "jets/label"})


@pytest.mark.parametrize("values", [np.array([b"top", b"QCD", b"top"]), ["top", "QCD", "top"]])
@pytest.mark.parametrize("named", [{}, {"columns": {"label": "jets/label"}}])
def test_labels_that_are_text(opened, jagged, values, named):
    jagged["jets/label"] = values
    source = pickle.loads(pickle.dumps(opened(jagged, **named)))
    assert source.label_names == {0: "QCD", 1: "top"}
    assert source.read(0, 1, 3).columns["label"].tolist() == [0, 1]


def test_text_that_is_no_utf8_is_read(opened, jagged):
    jagged["jets/label"] = np.array([b"a\xff", b"b", b"a\xff"])
    assert opened(jagged).label_names == {0: "a\ufffd", 1: "b"}


def test_labels_that_are_others_than_before(write, jagged):
    jagged["jets/label"] = np.array([b"top", b"QCD", b"top"])
    source = open_source(write(jagged))
    jagged["jets/label"] = np.array([b"top", b"QCD", b"W"])
    write(jagged)
    with pytest.raises(DataError, match="'jets/label' has other labels than when it was opened"):
        source.read(0, 0, 3)


@pytest.mark.parametrize("named", [{}, {"columns": {"label": "jets/label"}}])
def test_labels_that_are_one_hot(write, jagged, named):
    jagged["jets/label"] = np.array([[0, 1.0], [1, 0], [0, 1]])
    source = open_source(write(jagged, __classes='["QCD", "top"]'), Layout(**named))
    assert source.label_names == {0: "QCD", 1: "top"}
    assert source.layout.one_hot == ("jets/label[..., 0]", "jets/label[..., 1]")
    assert source.read(0, 1, 3).columns["label"].tolist() == [0, 1]
    assert open_source(write(jagged), Layout(**named)).label_names == {0: "0", 1: "1"}


def test_labels_that_are_one_column(opened, jagged):
    jagged["jets/label"] = np.array([[1], [0], [1]])
    assert opened(jagged).read(0, 0, 3).columns["label"].tolist() == [1, 0, 1]


def test_two_axes_of_other_numbers_are_no_label(opened, jagged):
    jagged["jets/label"] = np.array([[0, 1.0], [1, 0], [0, 0.5]])
    assert opened(jagged).label_names == {}
    told = {"columns": {"label": "jets/label"}}, {"one_hot": ("jets/label",)}
    for layout in told:
        with pytest.raises(
            DataError, match=r"event 2: expected 1 in exactly one .*\[\.\.\., 0\] 0"
        ):
            opened(jagged, **layout)


@pytest.mark.parametrize("shape", [(2,), (4, 2), (3, 1, 2)])
def test_labels_of_another_shape_are_named(opened, jagged, shape):
    jagged["jets/label"] = np.zeros(shape)
    source = opened(jagged)
    assert source.label_names == {}
    told = find_misfits(source.path, source.layout, n_events=3)
    assert told == f" ('jets/label' has the shape {shape}, expected (3,) or one-hot)"


@pytest.mark.parametrize("role", ["pt", "phi", "eta"])
def test_truth_values_are_no_momenta(opened, jagged, role):
    jagged[f"constituents/{role}"] = np.ones(5, dtype=bool)
    with pytest.raises(ConfigError, match=f"'constituents/{role}' holds truth values, expected n"):
        opened(jagged)


def test_units_of_a_file(write, jagged):
    path = write(jagged, jets_pt__units="MeV", constituents_phi__units="deg")
    table = open_source(path).read(0, 0, 3)
    np.testing.assert_allclose(table.columns["pt"], [0.03, 0.02, 0.01])
    np.testing.assert_allclose(table.constituents["phi"], np.radians([-3, -1, 0, 1, 3]), rtol=1e-6)
    np.testing.assert_array_equal(table.constituents["pt"], [9, 8, 7, 6, 5])


def test_units_of_a_study_overrule_the_file(write, jagged):
    jagged["jets/mass_trim"] = np.full(3, 8e4)
    path = write(jagged, jets_pt__units="GeV", constituents_pt__units="lightyears")
    table = open_source(path, Layout(units={"pt": "MeV", "mass_trim": "MeV"})).read(0, 0, 3)
    np.testing.assert_allclose(table.constituents["pt"], [9e-3, 8e-3, 7e-3, 6e-3, 5e-3])
    np.testing.assert_allclose(table.columns["mass_trim"], 80)
    with pytest.raises(ConfigError, match=r"'constituents/pt': .*'lightyears'.* set units\.pt"):
        open_source(path)


def test_a_unit_by_the_name_of_a_column_is_of_that_column_alone(write, jagged):
    path = write(jagged, jets_pt__units="GeV")
    table = open_source(path, Layout(units={"/constituents/pt": "MeV"})).read(0, 0, 3)
    np.testing.assert_allclose(table.constituents["pt"], [9e-3, 8e-3, 7e-3, 6e-3, 5e-3])
    np.testing.assert_array_equal(table.columns["pt"], [30, 20, 10])
    both = Layout(units={"constituents/pt": "TeV", "pt": "MeV"})
    table = open_source(path, both).read(0, 0, 3)
    np.testing.assert_allclose(table.constituents["pt"], [9e3, 8e3, 7e3, 6e3, 5e3])
    np.testing.assert_allclose(table.columns["pt"], [0.03, 0.02, 0.01])
    with pytest.raises(ConfigError, match="units are given for 'constituents/p', which is no col"):
        open_source(path, Layout(units={"constituents/p": "MeV"}))


def test_only_hepmc_is_clustered(opened, jagged):
    with pytest.raises(ConfigError, match=r"in\.h5: HDF5: only .* HepMC .* leave out clustering"):
        opened(jagged, clustering=Clustering(radius=0.4))


# One-hot labels


@pytest.fixture
def one_hot(jagged):
    """The three jets with a column for each class."""
    del jagged["jets/label"]
    return jagged | {
        "jets/label_QCD": np.array([0, 1, 0], dtype=np.float32),
        "jets/label_Hbb": np.array([1, 0, 0], dtype=bool),
        "jets/label_Tbqq": np.array([0, 0, 1]),
        "jets/label_Wqq": np.array([0, 0, 0]),
    }


def test_one_hot_labels(opened, one_hot):
    source = opened(one_hot)
    assert source.label_names == {0: "Hbb", 1: "QCD", 2: "Tbqq"}
    columns = source.read(0, 0, 3).columns
    assert columns["label"].tolist() == [0, 1, 2]
    assert set(columns) == {"label", "pt"}
    assert source.layout.one_hot == tuple(
        f"jets/label_{name}" for name in ("Hbb", "QCD", "Tbqq", "Wqq")
    )
    assert source.read(0, 2, 3).columns["label"].tolist() == [2]


def test_one_hot_labels_as_told(opened, one_hot):
    one_hot["jets/is_light"] = one_hot.pop("jets/label_QCD")
    told = ("/jets/is_light", "jets/label_Tbqq", "jets/label_Hbb")
    source = opened(one_hot, one_hot=told)
    assert source.label_names == {0: "is_light", 1: "Tbqq", 2: "Hbb"}
    assert source.read(0, 0, 3).columns["label"].tolist() == [2, 0, 1]
    again = opened(one_hot, one_hot=source.layout.one_hot)
    assert again.label_names == source.label_names


@pytest.mark.parametrize(
    ("name", "values"), [("QCD", [0, 1, 1]), ("Tbqq", [0, 0, 0]), ("Hbb", [1, 0, np.nan])]
)
def test_what_is_not_one_hot(opened, one_hot, name, values):
    one_hot[f"jets/label_{name}"] = np.array(values, dtype=float)
    with pytest.raises(DataError, match=r"in\.h5: event 2: expected 1 in exactly one label column"):
        opened(one_hot)


@pytest.mark.parametrize(
    ("layout", "labels"),
    [
        ({"columns": {"label": "jets/label_Wqq"}}, {0: "0"}),
        ({"class_name": "QCD"}, {}),
        ({"columns": {"label": "jets/true"}}, {7: "7"}),
    ],
)
def test_what_is_told_goes_before_one_hot_labels(opened, one_hot, layout, labels):
    one_hot["jets/true"] = np.array([7, 7, 7])
    one_hot["jets/label_QCD"] = np.array([2.0, 3, 4])
    source = opened(one_hot, **layout)
    assert source.label_names == labels
    assert "label_qcd" in source.read(0, 0, 3).columns


def test_y_beside_x_is_the_label(opened, padded):
    stacked = np.stack([padded[f"part_{name}"] for name in ("pt", "eta", "phi")], axis=-1)
    told = {role: f"X[..., {i}]" for i, role in enumerate(("pt", "eta", "phi"))}
    source = opened({"X": stacked, "y": np.array([1.0, 0, 0])}, constituents=told)
    assert source.layout.columns == {"label": "y"}
    assert opened({**padded, "y": np.ones(3)}).layout.columns["rapidity"] == "y"


# Units of momenta that belong together


def test_the_unit_of_one_momentum_is_no_unit_of_another(write, jagged):
    jagged["constituents/energy"] = jagged["constituents/pt"] * 2
    path = write(jagged)
    with pytest.raises(ConfigError, match=r"pt is in MeV, and nothing states the unit of energy"):
        open_source(path, Layout(units={"pt": "MeV"}))
    table = open_source(path, Layout(units={"pt": "MeV", "energy": "GeV"})).read(0, 0, 3)
    np.testing.assert_allclose(table.constituents["pt"], [9e-3, 8e-3, 7e-3, 6e-3, 5e-3])
    np.testing.assert_allclose(table.constituents["energy"], [18, 16, 14, 12, 10])


@pytest.mark.parametrize("units", [{"pt": "MeV"}, {"px": "MeV", "py": "MeV", "pz": "MeV"}])
def test_the_unit_of_pt_is_that_of_its_components(opened, padded, units):
    pt, phi = padded.pop("part_pt"), padded.pop("part_phi")
    eta = padded.pop("part_eta")
    padded |= {"part_px": pt * np.cos(phi), "part_py": pt * np.sin(phi)}
    padded["part_pz"] = pt * np.sinh(eta)
    table = opened({**padded, "jet_pt": np.ones(3)}, units=units).read(0, 0, 3)
    np.testing.assert_allclose(table.constituents["pt"], [9e-3, 8e-3, 7e-3, 6e-3, 5e-3], rtol=1e-6)
    with pytest.raises(ConfigError, match="px is in MeV, and nothing states the unit of py"):
        opened(padded, units={"px": "MeV"})
