import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from detcnn.config.simulate import SimulateImagesConfig
from detcnn.errors import ConfigError, OutputExistsError
from detcnn.progress import SilentProgress
from detcnn.simulation.image_file import read_images
from detcnn.simulation.whole_file import read_attributes
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
    assert (attributes["format"], attributes["format_version"]) == ("detcnn images", 1)
    assert (attributes["study"], attributes["seed"]) == ("neutrino", 4)
    assert json.loads(attributes["classes"]) == ["nue_cc", "numu_cc", "nc"]
    assert json.loads(attributes["config"]) == CONFIG.identity()
    assert json.loads(attributes["settings"])["plane_pitch_cm"] == 6.6


def test_events_are_numbered_by_piece(unbroken: Path):
    ids = read_images(unbroken).columns["event_id"]
    assert ids.tolist() == [0, 1, 2, *(1 << 24 | i for i in range(3)), 2 << 24]


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
