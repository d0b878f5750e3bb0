"""NumPy files: every way an array can lie in one, and what must never be believed."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detcnn.errors import ConfigError, DataError, DetcnnError
from detcnn.sources.base import Layout
from detcnn.sources.formats.numpy_files import NPY, NPZ
from detcnn.sources.opening import files_read, open_source

SAVES = {"npz": np.savez, "compressed": np.savez_compressed}


@pytest.fixture
def save(tmp_path):
    """Save arrays: ``save(X=..., y=...)`` in an archive, ``save(array)`` alone."""

    def save(*alone, how="npz", name="in", **arrays):
        if alone:
            path = tmp_path / f"{name}.npy"
            np.save(path, *alone)
        else:
            path = tmp_path / f"{name}.npz"
            SAVES[how](path, **arrays)
        return path

    return save


@pytest.fixture
def quark_gluon():
    """Three jets of two, no and three particles as EnergyFlow keeps them, and their labels."""
    x = np.zeros((3, 4, 4))
    x[0, :2] = [[9, 0.1, 6.0, 211], [8, -0.2, 0.5, 22]]
    x[2, :3] = [[7, 0.3, 1.0, 130], [6, 0.4, 2.0, -211], [5, 0.5, 3.0, 2112]]
    return {"X": x, "y": np.array([1.0, 0.0, 1.0])}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("how", [None, "npz", "compressed"])
def test_any_rows_of_any_array(save, how, order):
    rng = np.random.default_rng(1)
    values = np.array(rng.random((20, 3, 5)), order=order)
    path = save(values) if how is None else save(how=how, before=np.arange(7), X=values)
    file_format, name = (NPY, "in") if how is None else (NPZ, "X")
    with file_format.open(path, Layout()) as container:
        assert container.datasets()[name].shape == (20, 3, 5)
        for start, stop in ((3, 7), (0, 20), (19, 40), (20, 30), (5, 5), (0, 1)):
            np.testing.assert_array_equal(container.read(name, start, stop), values[start:stop])


@pytest.mark.parametrize("dtype", ["f2", ">f4", "f8", "u1", ">i8", "?", "i4"])
def test_any_type_of_number(save, dtype):
    values = np.array([0, 1, 1, 0]).astype(dtype)
    with NPZ.open(save(how="compressed", a=values), Layout()) as container:
        assert container.datasets()["a"].dtype == np.dtype(dtype)
        assert container.read("a", 1, 4).tolist() == values[1:].tolist()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=hnp.arrays(
        st.sampled_from(["f4", ">f8", "i2", "?"]),
        hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4),
    ),
    order=st.sampled_from("CF"),
    how=st.sampled_from([None, *SAVES]),
    rows=st.tuples(st.integers(0, 5), st.integers(0, 5)).map(sorted),
)
def test_rows_are_those_of_numpy(save, values, order, how, rows):
    values = np.array(values, order=order)
    path = save(values) if how is None else save(how=how, a=values)
    with (NPY if how is None else NPZ).open(path, Layout()) as container:
        (name,) = container.datasets()
        found = container.read(name, *rows)
    expected = values[slice(*rows)]
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


def test_no_more_than_the_rows_is_held(save, monkeypatch):
    path = save(how="compressed", a=np.zeros((1000, 100)))
    asked = []
    empty = np.empty
    monkeypatch.setattr(np, "empty", lambda n, **kw: asked.append(n) or empty(n, **kw))
    with NPZ.open(path, Layout()) as container:
        container.read("a", 990, 992)
    assert asked == [200]


def test_fields_of_records(save):
    records = np.array([(1.5, [1, 2]), (2.5, [3, 4])], dtype=[("pt", "f4"), ("ids", "i2", (2,))])
    with NPZ.open(save(jets=records), Layout()) as container:
        assert {n: d.shape for n, d in container.datasets().items()} == {
            "jets/pt": (2,),
            "jets/ids": (2, 2),
        }
        assert container.read("jets/ids", 1, 2).tolist() == [[3, 4]]
    with NPY.open(save(records), Layout()) as container:
        assert container.read("pt", 0, 2).tolist() == [1.5, 2.5]


def test_words(save):
    path = save(
        X=np.zeros((2, 3)), classes=["QCD", "top"], features=np.array([b"pt", b"eta", b"phi"])
    )
    with NPZ.open(path, Layout()) as container:
        assert container.words("classes") == ["QCD", "top"]
        assert container.words("X") == container.words("absent") == []
        assert container.datasets()["X"].features == ("pt", "eta", "phi")


class TestEnergyFlow:
    @pytest.mark.parametrize("how", SAVES)
    def test_jets(self, save, quark_gluon, how):
        source = open_source(save(how=how, **quark_gluon))
        assert source.layout.constituents == {
            "pt": "X[..., 0]",
            "rapidity": "X[..., 1]",
            "phi": "X[..., 2]",
            "pdgid": "X[..., 3]",
        }
        assert source.label_names == {0: "0", 1: "1"}
        table = pickle.loads(pickle.dumps(source)).read(0, 0, 3)
        assert table.offsets.tolist() == [0, 2, 2, 5]
        assert table.constituents["pt"].tolist() == [9, 8, 7, 6, 5]
        assert table.constituents["pdgid"].tolist() == [211, 22, 130, -211, 2112]
        assert table.columns["label"].tolist() == [1, 0, 1]
        assert source.read(0, 2, 3).constituents["phi"].tolist() == [1, 2, 3]

    def test_the_files_of_energyflow_name_their_classes(self, save, quark_gluon):
        path = save(name="QG_jets_3", **quark_gluon)
        assert open_source(path).label_names == {0: "gluon", 1: "quark"}

    @pytest.mark.parametrize(
        "change",
        [
            # Four-vectors E, px, py, pz have the same shape and names.
            lambda x: x + 0.5,
            lambda x: x[..., [3, 0, 1, 2]],
            lambda x: np.where(x == 211, 0, np.where(x == -211, 0, x)),
        ],
    )
    def test_other_numbers_of_that_shape_are_not_taken_for_it(self, save, quark_gluon, change):
        quark_gluon["X"] = change(quark_gluon["X"])
        with pytest.raises(ConfigError, match=r"'X' of shape \(3, 4, 4\) could be images or the f"):
            open_source(save(**quark_gluon))

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"y": np.zeros(2)}, r"y has the shape \(2,\), expected \(3,\)"),
            ({"X": 130.5}, r"X\[2, 0, 3\] is 130\.5, expected a PDG id"),
        ],
    )
    def test_what_is_nearly_it(self, save, quark_gluon, change, fault):
        quark_gluon["X"][2, 0, 3] = change.get("X", 130)
        quark_gluon["y"] = change.get("y", quark_gluon["y"])
        with pytest.raises(ConfigError, match=rf"nearly jets of EnergyFlow, .*, but {fault}"):
            open_source(save(**quark_gluon))

    def test_without_events(self, save, quark_gluon):
        path = save(**{name: values[:0] for name, values in quark_gluon.items()})
        with pytest.raises(DataError, match="holds no events: name a file that has some"):
            open_source(path)

    def test_one_hot(self, save, quark_gluon):
        quark_gluon["y"] = np.eye(2)[quark_gluon["y"].astype(int)]
        source = open_source(save(name="QG_jets", **quark_gluon))
        assert source.label_names == {0: "gluon", 1: "quark"}
        assert source.read(0, 0, 3).columns["label"].tolist() == [1, 0, 1]

    def test_four_vectors_that_the_study_names(self, save, quark_gluon):
        quark_gluon["X"] = np.zeros((3, 2, 4))
        quark_gluon["X"][1, 0] = [5, 3, -4, 0]
        parts = {role: f"X[..., {i}]" for i, role in enumerate(("energy", "px", "py", "pz"))}
        table = open_source(save(**quark_gluon), Layout(constituents=parts)).read(0, 0, 3)
        assert table.offsets.tolist() == [0, 0, 1, 1]
        assert table.constituents["pt"].tolist() == [5]
        np.testing.assert_allclose(table.constituents["phi"], [np.arctan2(-4, 3)], rtol=1e-6)


@pytest.mark.parametrize("how", SAVES)
@pytest.mark.parametrize("kind", ["U", "S"])
def test_classes_that_are_text(save, how, kind):
    label = np.array(["top", "QCD", "top"]).astype(kind)
    source = open_source(save(how=how, pixels=np.ones((3, 20, 20)), label=label))
    assert source.label_names == {0: "QCD", 1: "top"}
    assert source.read(0, 1, 3).columns["label"].tolist() == [0, 1]


class TestImages:
    @pytest.mark.parametrize(
        ("shape", "expected"),
        [((6, 20, 24), (1, 20, 24)), ((6, 20, 24, 3), (3, 20, 24)), ((6, 3, 20, 24), (3, 20, 24))],
    )
    def test_with_labels_in_the_archive(self, save, shape, expected):
        values = np.random.default_rng(1).random(shape).astype(np.float32)
        path = save(how="compressed", X=values, y=np.array([0, 1, 2] * 2))
        source = open_source(path)
        assert source.image_shape == expected
        table = source.read(0, 2, 5)
        assert table.columns["label"].tolist() == [2, 0, 1]
        whole = values.reshape(6, 1, 20, 24) if len(shape) == 3 else values
        whole = np.moveaxis(whole, -1, 1) if shape[-1] == 3 else whole
        np.testing.assert_array_equal(table.images.values, whole[2:5])

    def test_a_class_for_each_file(self, save):
        source = open_source(save(np.ones((4, 20, 20)), name="sky"), Layout(class_name="sky"))
        assert source.samples[0].class_name == "sky"
        assert source.read(0, 0, 4).images.values.sum() == 1600

    def test_labels_in_another_file(self, save):
        labels = save(np.array([3, 1, 3]), name="labels")
        path = save(np.ones((3, 20, 20)), name="images")
        source = open_source(path, Layout(columns={"label": "labels.npy"}))
        assert source.label_names == {1: "1", 3: "3"}
        assert source.read(0, 1, 3).columns["label"].tolist() == [1, 3]
        assert files_read(path, source.layout) == (path, labels)
        assert files_read(path, Layout()) == (path,)

    def test_another_file_that_is_not_there(self, save):
        path = save(np.ones((3, 20, 20)))
        with pytest.raises(ConfigError, match=r"the study names 'labels\.npy', but there is no fi"):
            open_source(path, Layout(columns={"label": "labels.npy"}))


class Poison:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


class TestObjects:
    def test_alone(self, save):
        path = save(np.array([[1, 2], [3]], dtype=object))
        with pytest.raises(ConfigError, match=r"'in': Python objects, kept as a pickle, are never"):
            open_source(path)

    def test_named_in_the_study(self, save, quark_gluon):
        path = save(y=np.zeros(1), X=np.array([Poison()], dtype=object))
        with pytest.raises(ConfigError, match="dataset 'X' is object, expected numbers: Python ob"):
            open_source(path, Layout(constituents={"pt": "X"}))

    def test_nothing_is_unpickled(self, save):
        path = save(images=np.zeros((2, 20, 20)), y=np.zeros(2), X=np.array([Poison()] * 2))
        source = open_source(path)
        assert source.read(0, 0, 2).n_events == 2

    def test_a_bare_pickle_is_no_numpy_file(self, tmp_path):
        path = tmp_path / "in.npy"
        path.write_bytes(pickle.dumps(Poison()))
        with pytest.raises(DataError, match="not a format that detcnn reads"):
            open_source(path)


class TestDamage:
    def test_a_truncated_array(self, save):
        path = save(np.ones((3, 20, 20)))
        content = path.read_bytes()
        for size in (len(content) - 1, 200, 127, 20, 9):
            path.write_bytes(content[:size])
            with pytest.raises(
                DataError, match=r"in\.npy: cannot be read as a NumPy file, .*: copy"
            ):
                open_source(path)

    def test_more_than_one_array_in_a_file(self, save):
        path = save(np.ones((3, 20, 20)))
        path.write_bytes(path.read_bytes() * 2)
        with pytest.raises(DataError, match=r"its header says 9600 bytes of numbers .* but 19328"):
            open_source(path)

    def test_a_checksum_that_is_wrong(self, save):
        path = save(how="compressed", a=np.random.default_rng(1).random(1000))
        content = bytearray(path.read_bytes())
        place = content.index(b"PK\x01\x02") + 16
        # In the directory, which zipfile goes by.
        content[place] ^= 1
        path.write_bytes(content)
        with NPZ.open(path, Layout()) as container:
            assert len(container.read("a", 0, 500)) == 500
            with pytest.raises(DataError, match=r"array 'a', rows 500 to 1000: .*Bad CRC-32"):
                container.read("a", 500, 1000)

    def test_an_encrypted_archive(self, save):
        path = save(how="compressed", a=np.ones(3))
        content = bytearray(path.read_bytes())
        content[6] |= 1
        content[content.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"array 'a': .*encrypted"):
            open_source(path)

    def test_a_compression_that_python_does_not_have(self, save):
        path = save(how="compressed", a=np.ones(3))
        content = bytearray(path.read_bytes())
        content[8] = content[content.index(b"PK\x01\x02") + 10] = 9
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"array 'a': .*compression"):
            open_source(path)

    def test_other_archives_are_not_taken_for_arrays(self, tmp_path):
        path = tmp_path / "in.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "text")
        with pytest.raises(DataError, match="not a format that detcnn reads"):
            open_source(path)

    @settings(max_examples=250, deadline=None)
    @given(data=st.data())
    def test_damage_is_named_or_does_no_harm(self, data, tmp_path_factory):
        kind = data.draw(st.sampled_from(["npy", *SAVES]))
        stream = io.BytesIO()
        values = np.arange(80, dtype=np.float32).reshape(4, 4, 5)
        if kind == "npy":
            np.save(stream, values)
        else:
            SAVES[kind](stream, X=values, y=np.array([0, 1, 0, 1]))
        content = bytearray(stream.getvalue())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
        cut = data.draw(st.none() | st.integers(0, len(content)))
        path = tmp_path_factory.mktemp("damage") / "in"
        path.write_bytes(content[:cut])
        told = Layout(kind="images", class_name="a" if kind == "npy" else None)
        message = f"{path}: one line"
        try:
            source = open_source(path, told)
            for sample, entry in enumerate(source.samples):
                source.read(sample, 0, entry.n_events)
        except DetcnnError as error:
            message = str(error)
        assert message.startswith(str(path))
        assert "\n" not in message
