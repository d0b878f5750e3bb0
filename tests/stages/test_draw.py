import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.events.images import as_dense
from detcnn.stages import draw
from detcnn.storage.reader import open_store

PNG = b"\x89PNG"


@pytest.fixture
def pictures(monkeypatch):
    """What was asked to be drawn, in place of drawing it."""
    drawn = []

    def remember(images, *, grid, channels, units):
        drawn.append((images, grid, channels, units))

    monkeypatch.setattr(draw, "images_figure", remember)

    monkeypatch.setattr(draw, "write_figure", lambda *_: {"png": "figure.png"})
    return drawn


def test_figures_are_written(folder, tmp_path):
    made = draw.run(folder.path / "jets.h5", folder=tmp_path / "new" / "figures")
    assert [path.name for path in made] == ["averages.png", "events.png"]
    assert all(path.read_bytes().startswith(PNG) for path in made)
    assert all(path.with_suffix(".pdf").exists() for path in made)


def test_averages_of_a_store_are_those_of_its_training_split(trained, tmp_path, pictures):
    draw.run(trained.path / "images", folder=tmp_path)
    (averages, grid, channels, units), (singles, *_) = pictures
    store = open_store(trained.path / "images" / "images.zarr")
    for k, name in enumerate(("gluon", "quark")):
        np.testing.assert_allclose(averages[name], store.statistics["class_mean"][k], rtol=1e-5)
    assert grid == store.schema.grid
    assert (channels, units) == (["charged_pt", "count"], ["1", "1"])
    assert list(singles) == [f"{name}, event {i}" for name in ("gluon", "quark") for i in (1, 2)]
    split = store.splits["train"]
    second = np.flatnonzero(split.label == 1)[1]
    expected = as_dense(split.images(second, second + 1)).values[0]
    np.testing.assert_array_equal(singles["quark, event 2"], expected)


def test_constituents_are_drawn_with_a_preset(folder, tmp_path, pictures, toy_jets):
    jets = toy_jets(300)
    draw.run(folder.path / "jets.h5", folder=tmp_path)
    (averages, grid, channels, units), _ = pictures
    assert (channels, units, grid.shape) == (["pt"], ["GeV"], (33, 33))
    owner = np.repeat(jets["jets/label"], np.diff(jets["jets/offsets"]))
    for k, name in enumerate(("gluon", "quark")):
        # Nearly all of the pT is in the image.
        total = jets["constituents/pt"][owner == k].sum() / np.sum(jets["jets/label"] == k)
        assert averages[name].sum() == pytest.approx(total, rel=0.02)
    draw.run(folder.path / "jets.h5", folder=tmp_path, preset="aligned_pt")
    assert pictures[2][1].rows.high == 1.0


def test_ready_images_and_jets_without_labels_are_drawn(folder, tmp_path, pictures, toy_jets):
    values = np.random.default_rng(0).random((7, 5, 6, 1))
    folder.write({"A": values, "B": 2 * values}, "pictures.h5")
    draw.run(folder.path / "pictures.h5", folder=tmp_path)
    np.testing.assert_allclose(pictures[0][0]["B"][0], 2 * values.mean(axis=0)[..., 0], rtol=1e-6)
    jets = toy_jets(20)
    del jets["jets/label"]
    folder.write(jets)
    draw.run(folder.path / "jets.h5", folder=tmp_path)
    assert list(pictures[2][0]) == ["jets"]


def test_what_cannot_be_drawn_makes_no_folder(folder, trained, tmp_path, toy_jets):
    jets = toy_jets(20)
    jets["constituents/pt"][3] = np.nan
    bad = folder.write(jets, "bad.h5")
    for path, preset, error, words in (
        (bad, None, DataError, r"bad\.h5: event 0.*pt is nan"),
        (folder.path / "jets.h5", "nothing", ConfigError, "'nothing'.*komiske2017"),
        (trained.path / "model", None, DataError, "holds model, expected images"),
    ):
        with pytest.raises(error, match=words):
            draw.run(path, folder=tmp_path / "figures", preset=preset)
    assert not (tmp_path / "figures").exists()


def with_rapidity(jets):
    return {name.replace("/eta", "/rapidity"): values for name, values in jets.items()}


def test_rapidity_is_drawn_where_there_is_no_eta(folder, tmp_path, pictures, toy_jets):
    folder.write(with_rapidity(toy_jets(300)))
    draw.run(folder.path / "jets.h5", folder=tmp_path)
    assert pictures[0][1].rows.name == "rapidity"


@pytest.mark.parametrize(
    ("preset", "fault"),
    [("top2019", "no constituent column 'eta', .*longitudinal: rapidity"), ("komiske2017", "")],
)
def test_a_preset_that_needs_eta(folder, tmp_path, pictures, toy_jets, preset, fault):
    folder.write(with_rapidity(toy_jets(300)))
    if not fault:
        draw.run(folder.path / "jets.h5", folder=tmp_path, preset=preset)
        return
    with pytest.raises(ConfigError, match=fault):
        draw.run(folder.path / "jets.h5", folder=tmp_path, preset=preset)


def test_files_of_a_pattern_are_drawn_together(folder, tmp_path, pictures, toy_jets):
    folder.write(toy_jets(200), "part_1.h5")
    folder.write(toy_jets(300, seed=1), "part_2.h5")
    draw.run(folder.path / "part_*.h5", folder=tmp_path)
    assert set(pictures[0][0]) == {"gluon", "quark"}
