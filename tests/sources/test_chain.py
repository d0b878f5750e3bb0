"""Several files read one after the other, and how a study names them."""

import pickle
from itertools import pairwise, product
from pathlib import Path

import h5py
import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.events.table import ImageTable
from detcnn.sources.base import Layout
from detcnn.sources.chain import expand_paths, open_sources
from detcnn.sources.opening import open_source


def names(paths):
    return [path.name for path in paths]


@pytest.fixture
def folder(tmp_path):
    for name in ("a_1.h5", "a_2.h5", "b.h5", ".a_3.h5", "deep/er/a_4.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a_folder.h5").mkdir()
    (tmp_path / "list.txt").write_text("# mine\n\nb.h5\n a_*.h5 \n")
    (tmp_path / "deep/list.txt").write_text("er/a_4.h5\n")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("b.h5", ["b.h5"]),
        ("nowhere.h5", ["nowhere.h5"]),
        ("a_*.h5", ["a_1.h5", "a_2.h5"]),
        ("a_[2-9].h5", ["a_2.h5"]),
        ("**/a_?.h5", ["a_1.h5", "a_2.h5", "a_4.h5"]),
        ("@list.txt", ["b.h5", "a_1.h5", "a_2.h5"]),
        ("@deep/list.txt", ["a_4.h5"]),
        (["b.h5", "a_*.h5", "@deep/list.txt"], ["b.h5", "a_1.h5", "a_2.h5", "a_4.h5"]),
    ],
)
def test_files_that_a_study_names(folder, given, expected):
    found = expand_paths(given, base=folder)
    assert names(found) == expected
    assert all(folder in path.parents for path in found)


def test_paths_from_elsewhere(folder, monkeypatch):
    assert names(expand_paths(str(folder / "a_*.h5"), base=Path("/"))) == ["a_1.h5", "a_2.h5"]
    monkeypatch.chdir(folder)
    found = expand_paths("a_*.h5", base=Path())
    assert found == (Path("a_1.h5"), Path("a_2.h5"))


def test_a_file_that_is_called_like_a_pattern(folder):
    (folder / "x[1].h5").touch()
    assert names(expand_paths("x[1].h5", base=folder)) == ["x[1].h5"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("c_*.h5", r"c_\*\.h5: no file is called like this"),
        ("@nowhere.txt", r"nowhere\.txt: the list of files cannot be read: No such file"),
        ("@noise.txt", "cannot be read: not a text file"),
        (["b.h5", "@list.txt"], r"b\.h5: named twice"),
        ([], "expected at least one input file"),
        ("@empty.txt", "expected at least one input file"),
    ],
)
def test_files_that_are_not_there(folder, given, message):
    (folder / "noise.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "empty.txt").write_text("\n# nothing\n")
    with pytest.raises(ConfigError, match=message):
        expand_paths(given, base=folder)


@pytest.fixture
def write_all(tmp_path):
    """Write files of datasets: ``write_all(first, second, ...)``."""

    def write_all(*contents):
        paths = [tmp_path / f"part_{i}.h5" for i in range(len(contents))]
        for path, datasets in zip(paths, contents, strict=True):
            with h5py.File(path, "w") as file:
                for name, values in datasets.items():
                    file[name] = values
        return paths

    return write_all


def part(jagged, first, last):
    """Return some of the jets."""
    offsets = jagged["jets/offsets"]
    inside = slice(offsets[first], offsets[last])
    return {
        "jets/offsets": offsets[first : last + 1] - offsets[first],
        **{n: jagged[n][first:last] for n in ("jets/label", "jets/pt")},
        **{name: values[inside] for name, values in jagged.items() if name.startswith("const")},
    }


def check_equal(chain, whole):
    assert chain.samples[0].n_events == whole.samples[0].n_events
    assert chain.label_names == whole.label_names
    for start, stop in product(range(4), repeat=2):
        if start > stop:
            continue
        found, expected = chain.read(0, start, stop), whole.read(0, start, stop)
        for name, values in expected.columns.items():
            np.testing.assert_array_equal(found.columns[name], values)
            assert found.columns[name].dtype == values.dtype
        if isinstance(expected, ImageTable):
            np.testing.assert_array_equal(found.images.values, expected.images.values)
            continue
        assert found.first_row == start
        np.testing.assert_array_equal(found.offsets, expected.offsets)
        for role, values in expected.constituents.items():
            np.testing.assert_array_equal(found.constituents[role], values)


@pytest.mark.parametrize("cuts", [(0, 1, 3), (0, 2, 3), (0, 1, 2, 3), (0, 0, 3), (0, 3, 3)])
def test_a_chain_reads_as_one_file_would(write_all, jagged, cuts, tmp_path):
    told = {role: f"constituents/{role}" for role in ("pt", "eta", "phi", "pdgid")}
    layout = Layout(constituents=told)
    paths = write_all(jagged, *(part(jagged, first, last) for first, last in pairwise(cuts)))
    chain = open_sources(paths[1:], layout)
    check_equal(chain, open_source(paths[0], layout))
    check_equal(pickle.loads(pickle.dumps(chain)), open_source(paths[0], layout))


def test_a_chain_of_images(write_all, images):
    cut = {name: values[:3] for name, values in images.items()}
    rest = {name: values[3:] for name, values in images.items()}
    paths = write_all(images, cut, rest)
    check_equal(open_sources(paths[1:]), open_source(paths[0]))


def test_one_file_is_no_chain(write_all, jagged):
    paths = write_all(jagged)
    assert open_sources(paths) == open_source(paths[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"jets/mass": np.ones(3)},
            r"part_1\.h5: event columns: found label, mass, pt, but part_0",
        ),
        ({"constituents/charge": np.ones(5)}, r"part_1\.h5: constituents: found .*charge"),
    ],
)
def test_files_that_are_not_alike(write_all, jagged, change, message):
    with pytest.raises(ConfigError, match=message):
        open_sources(write_all(jagged, {**jagged, **change}))


def test_a_unit_that_but_one_file_states(write_all, jagged):
    paths = write_all(jagged, jagged)
    with h5py.File(paths[1], "a") as file:
        file["jets/pt"].attrs["units"] = "MeV"
    with pytest.raises(ConfigError, match=r"part_1\.h5: stated units: found jets/pt, but part_0"):
        open_sources(paths)
    source = open_sources(paths, Layout(units={"pt": "GeV"}))
    assert source.read(0, 0, 6).columns["pt"].tolist() == [30, 20, 10] * 2


def test_labels_of_other_names(write_all, jagged):
    paths = write_all(jagged, jagged)
    for path, classes in zip(paths, ('["a", "b"]', '["b", "a"]'), strict=True):
        with h5py.File(path, "a") as file:
            file.attrs["classes"] = classes
    with pytest.raises(ConfigError, match=r"part_1\.h5: label 0 is called 'b' here and 'a' in an"):
        open_sources(paths)


def test_images_of_other_shapes(write_all, images):
    other = {**images, "images": images["images"][..., :5]}
    with pytest.raises(
        ConfigError, match=r"part_1\.h5: image shape: found \(3, 5, 5\), but part_0"
    ):
        open_sources(write_all(images, other))


def test_a_damaged_file_among_good_ones(write_all, jagged):
    paths = write_all(jagged, jagged, jagged)
    paths[1].write_bytes(paths[1].read_bytes()[:1000])
    with pytest.raises(DataError, match=r"part_1\.h5: cannot be read"):
        open_sources(paths)


def test_no_events_at_all(write_all, padded):
    none = {name: values[:0] for name, values in padded.items()}
    with pytest.raises(DataError, match="hold no events"):
        open_sources(write_all(none, none))
    assert open_sources(write_all(none, padded)).samples[0].n_events == 3
