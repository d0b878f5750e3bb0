import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from detcnn.config.simulate import SimulateImagesConfig
from detcnn.errors import ConfigError, OutputExistsError
from detcnn.events.images import as_dense
from detcnn.progress import SilentProgress
from detcnn.simulation.fits_file import read_keywords
from detcnn.simulation.image_file import read_images
from detcnn.simulation.whole_file import read_attributes
from detcnn.sources.base import Layout
from detcnn.sources.opening import open_source
from detcnn.stages.simulate_images import run

CONFIG = SimulateImagesConfig(study="neutrino", events=7, events_per_piece=3, seed=4)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Interrupter(SilentProgress):
    """Presses Ctrl-C after so many pieces."""

    def __init__(self, after):
        self.after, self.n_pieces, self.messages = after, 0, []

    def task(self, name, *, total=None, unit=""):
        return self

    def advance(self, amount=1.0, *, note=None):
        self.n_pieces += 1
        if self.n_pieces == self.after:
            raise KeyboardInterrupt

    def finish(self):
        pass

    def info(self, message):
        self.messages.append(message)

    warn = info


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "deep" / "unbroken.h5"
    result = run(CONFIG, output=path, workers=1)
    assert result.n_events == 7
    assert list(result.classes) == ["nue_cc", "numu_cc", "nc"]
    assert [p.name for p in path.parent.iterdir()] == ["unbroken.h5"]
    return path


def test_two_workers_make_the_same_file(tmp_path: Path, unbroken):
    run(CONFIG, output=tmp_path / "two.h5", workers=2)
    assert digest(tmp_path / "two.h5") == digest(unbroken)


def test_another_seed_makes_another(tmp_path: Path, unbroken):
    other = CONFIG.model_copy(update={"seed": 5, "events": 3})
    run(other, output=tmp_path / "other.h5", workers=1)
    images = read_images(tmp_path / "other.h5").images
    assert not np.array_equal(images, read_images(unbroken).images[:3])


def test_an_interrupted_run_shows_what_it_has_and_goes_on(tmp_path: Path, unbroken):
    path = tmp_path / "images.h5"
    listener = Interrupter(after=2)
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, output=path, workers=1, progress=listener)
    assert f"{path} has 6 of 7 events" in listener.messages[0]
    assert not read_attributes(path)["complete"]
    assert len(read_images(path).images) == 6
    again = Interrupter(after=-1)
    run(CONFIG, output=path, workers=1, progress=again)
    assert again.messages == ["going on: 2 of 3 pieces are done"]
    assert digest(path) == digest(unbroken)


def test_the_file_tells_where_its_images_come_from(unbroken: Path):
    attributes = read_attributes(unbroken)
    assert attributes["complete"]
    assert (attributes["format"], attributes["format_version"]) == ("detcnn images", 2)
    assert (attributes["study"], attributes["seed"]) == ("neutrino", 4)
    assert json.loads(attributes["classes"]) == ["nue_cc", "numu_cc", "nc"]
    assert json.loads(attributes["config"]) == CONFIG.identity()
    assert json.loads(attributes["settings"])["plane_pitch_cm"] == 6.6


def test_events_are_numbered_through_the_file_and_apart_from_other_seeds(
    unbroken: Path, tmp_path: Path
):
    ids = read_images(unbroken).columns["event_id"]
    assert (ids & 0xFFFFFFFF).tolist() == list(range(7))
    assert len(set(ids >> 32)) == 1
    assert np.all(ids >= 0)
    other = tmp_path / "other.h5"
    run(CONFIG.model_copy(update={"seed": 5}), output=other, workers=1)
    assert not set(ids.tolist()) & set(read_images(other).columns["event_id"].tolist())


def test_an_existing_file_is_refused(unbroken: Path):
    before = digest(unbroken)
    with pytest.raises(OutputExistsError, match="exists already"):
        run(CONFIG, output=unbroken, workers=1)
    assert digest(unbroken) == before


def test_an_unknown_name_is_told_with_those_that_are_known(tmp_path: Path):
    config = CONFIG.model_copy(update={"study": "nothing"})
    with pytest.raises(ConfigError, match=r"'nothing'.*neutrino"):
        run(config, output=tmp_path / "x.h5")
    assert not list(tmp_path.iterdir())


# FITS

FRAMES = SimulateImagesConfig(study="ccd", events=3, events_per_piece=1, seed=4)


def test_frames_in_fits_are_those_in_hdf5(tmp_path: Path):
    fits, hdf5 = tmp_path / "frames.fits", tmp_path / "frames.h5"
    assert dict(run(FRAMES, output=fits, workers=1).classes) == {"exposure": 3}
    run(FRAMES, output=hdf5, workers=1)
    expected = read_images(hdf5)
    source = open_source(fits, Layout(kind="images", images={"images": "exposure"}))
    table = source.read(0, 0, 3)
    np.testing.assert_array_equal(as_dense(table.images).values, expected.images)
    for name in ("event_id", "n_decays", "decay_energy_sum"):
        np.testing.assert_array_equal(table.columns[name], expected.columns[name])
    keywords, attributes = read_keywords(fits), read_attributes(hdf5)
    assert keywords["complete"]
    assert keywords["bunit"] == "keV"
    for name in ("digest", "seed", "study"):
        assert keywords[name] == attributes[name]


def test_an_interrupted_run_of_fits_goes_on(tmp_path: Path):
    for name, after in (("whole.fits", -1), ("broken.fits", 2)):
        listener = Interrupter(after)
        if after > 0:
            with pytest.raises(KeyboardInterrupt):
                run(FRAMES, output=tmp_path / name, workers=1, progress=listener)
            assert not read_keywords(tmp_path / name)["complete"]
        run(FRAMES, output=tmp_path / name, workers=1)
    assert digest(tmp_path / "broken.fits") == digest(tmp_path / "whole.fits")
    with pytest.raises(OutputExistsError, match="exists already"):
        run(FRAMES, output=tmp_path / "whole.fits", workers=1)


def test_images_that_are_no_frames_are_refused_as_fits(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"x\.fits: FITS files hold frames.*'neutrino'.*\.h5"):
        run(CONFIG, output=tmp_path / "x.fits")
    assert not list(tmp_path.iterdir())
