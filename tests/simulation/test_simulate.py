import fcntl
import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("pythia8mc")

from detcnn.config.simulate import SimulateConfig
from detcnn.errors import DataError, OutputExistsError, StorageError
from detcnn.progress import SilentProgress
from detcnn.simulation.jet_file import read_jets
from detcnn.simulation.pythia import GeneratedJets, Tally
from detcnn.simulation.whole_file import read_attributes
from detcnn.stages import simulate
from detcnn.stages.simulate import run

CONFIG = SimulateConfig(jets_per_class=25, jets_per_piece=10, seed=4)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Listener(SilentProgress):
    """Counts jets, keeps messages, and presses Ctrl-C after so many pieces."""

    interrupt_after: int = -1
    n_pieces: int = 0
    n_jets: float = 0
    total: float | None = None
    messages: list[str] = field(default_factory=list)

    def task(self, name, *, total=None, unit=""):
        self.total = total
        return self

    def advance(self, amount=1.0, *, note=None):
        self.n_jets += amount
        self.n_pieces += 1
        if self.n_pieces == self.interrupt_after:
            raise KeyboardInterrupt

    def finish(self):
        pass

    def info(self, message):
        self.messages.append(message)

    warn = info


@pytest.fixture
def quick(monkeypatch, make_jets):
    """Jets without physics; returns the list of the pieces that were made."""
    made = []

    def generate(definition, label, *, seed, piece, n_jets, calorimeter):
        made.append((label, piece))
        jets = make_jets(
            n_jets,
            seed=100 * seed + 10 * piece + label,
            label=label,
            first_id=1000 * label + 10 * piece,
        )
        return GeneratedJets(jets, Tally(jets=n_jets, events=3 * n_jets, vetoed=n_jets))

    monkeypatch.setattr(simulate, "generate_jets", generate)
    return made


@pytest.fixture
def unbroken(tmp_path, quick):
    path = tmp_path / "unbroken.h5"
    run(CONFIG, output=path, workers=1)
    quick.clear()
    return path


def test_real_jets_are_the_same_from_any_number_of_workers(tmp_path: Path):
    config = SimulateConfig(jets_per_class=2, jets_per_piece=2, seed=5)
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    result = run(config, output=one, workers=1)
    run(config, output=two, workers=2)
    assert digest(one) == digest(two)
    assert result.n_jets == 4

    jets = read_jets(one)
    assert sorted(jets.columns["label"]) == [0, 0, 1, 1]
    assert len(set(jets.columns["event_id"])) == 4
    assert np.all(jets.columns["pt"] >= 500)


@pytest.mark.usefixtures("quick")
def test_the_file_tells_where_its_jets_come_from(tmp_path: Path):
    path = tmp_path / "deep" / "jets.h5"
    result = run(CONFIG, output=path, workers=1)
    attributes = read_attributes(path)
    assert attributes["complete"]
    assert attributes["generator_version"]
    assert json.loads(attributes["classes"]) == ["gluon", "quark"]
    assert json.loads(attributes["config"]) == CONFIG.identity()
    assert "PDFinProcess:nQuarkIn = 3" in json.loads(attributes["settings"])["quark"]
    assert "PDFinProcess:nQuarkIn = 3" not in json.loads(attributes["settings"])["gluon"]
    assert json.loads(attributes["statistics"])["gluon"]["vetoed"] == 25
    assert result.tallies == (Tally(jets=25, events=75, vetoed=25),) * 2
    assert [p.name for p in path.parent.iterdir()] == ["jets.h5"]


def test_every_head_of_the_file_is_balanced(unbroken: Path):
    label = read_jets(unbroken).columns["label"]
    for stop in (20, 40, 50):
        assert 2 * label[:stop].sum() == stop
    assert 0 < label[:8].sum() < 8


def test_every_jet_of_every_piece_is_there_once(unbroken: Path):
    ids = sorted(read_jets(unbroken).columns["event_id"])
    assert ids == [*range(25), *range(1000, 1025)]


@pytest.mark.parametrize("n_pieces", [1, 2, 3, 4, 5])
def test_an_interrupted_run_shows_what_it_has_and_goes_on(tmp_path, quick, unbroken, n_pieces):
    path = tmp_path / "jets.h5"
    listener = Listener(interrupt_after=n_pieces)
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, output=path, workers=1, progress=listener)
    if n_pieces == 1:
        assert not path.exists()
        assert "too few jets for a file yet" in listener.messages[0]
    else:
        n_jets = 10 * (n_pieces // 2)
        assert not read_attributes(path)["complete"]
        assert np.bincount(read_jets(path).columns["label"]).tolist() == [n_jets, n_jets]
        assert f"has {n_jets} of 25 jets per class" in listener.messages[0]
    assert "run the same command again" in listener.messages[0]

    again = Listener()
    run(CONFIG, output=path, workers=1, progress=again)
    assert digest(path) == digest(unbroken)
    assert len(quick) == len(set(quick)) == 6
    assert again.messages == [f"going on: {n_pieces} of 6 pieces are done"]
    assert again.n_jets == again.total == 50
    assert not list(tmp_path.glob("*.part-*"))


def test_an_incomplete_file_of_another_configuration_is_kept(tmp_path: Path, quick):
    path = tmp_path / "jets.h5"
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, output=path, workers=1, progress=Listener(interrupt_after=2))
    before = digest(path)
    other = CONFIG.model_copy(update={"seed": 5})
    with pytest.raises(OutputExistsError, match="exists already"):
        run(other, output=path, workers=1)
    assert digest(path) == before


def test_an_existing_file_is_refused_before_any_work(tmp_path: Path, quick, unbroken):
    before = digest(unbroken)
    with pytest.raises(OutputExistsError, match=r"unbroken\.h5: exists already: use --overwrite"):
        run(CONFIG, output=unbroken, workers=1)
    assert not quick
    assert digest(unbroken) == before
    assert list(tmp_path.iterdir()) == [unbroken]


def test_a_foreign_file_and_a_folder_are_refused(tmp_path: Path, quick):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        run(CONFIG, output=tmp_path / "notes.txt", workers=1)
    with pytest.raises(OutputExistsError, match="is a folder"):
        run(CONFIG, output=tmp_path, workers=1, overwrite=True)
    assert not quick


@pytest.mark.usefixtures("quick")
def test_overwrite_replaces_a_file(tmp_path: Path, unbroken):
    path = tmp_path / "jets.h5"
    path.write_text("old")
    run(CONFIG, output=path, workers=1, overwrite=True)
    assert digest(path) == digest(unbroken)


@pytest.mark.usefixtures("quick")
def test_a_file_that_appears_during_the_run_is_kept(tmp_path: Path):
    path = tmp_path / "jets.h5"

    class Intruder(Listener):
        def finish(self):
            path.write_text("theirs")

    with pytest.raises(OutputExistsError):
        run(CONFIG, output=path, workers=1, progress=Intruder())
    assert path.read_text() == "theirs"


def test_a_second_run_on_the_same_output_is_refused(tmp_path: Path, quick):
    path = tmp_path / "jets.h5"

    class Rival(Listener):
        def advance(self, amount=1.0, *, note=None):
            with pytest.raises(OutputExistsError, match="another process is writing it"):
                run(CONFIG, output=path, workers=1)
            super().advance(amount)

    listener = Rival()
    run(CONFIG, output=path, workers=1, progress=listener)
    assert listener.n_pieces == len(quick) == 6


def test_file_systems_without_locks_work(tmp_path: Path, quick, unbroken, monkeypatch):
    def no_locks(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    run(CONFIG, output=tmp_path / "jets.h5", workers=1)
    assert digest(tmp_path / "jets.h5") == digest(unbroken)


def test_a_damaged_piece_is_named(tmp_path: Path, quick):
    path = tmp_path / "jets.h5"
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, output=path, workers=1, progress=Listener(interrupt_after=3))
    (piece,) = tmp_path.glob("*.part-*/gluon-000001.h5")
    piece.write_bytes(piece.read_bytes()[:1000])
    before = digest(path)
    with pytest.raises(DataError, match=r"gluon-000001\.h5"):
        run(CONFIG, output=path, workers=1)
    assert digest(path) == before


def test_a_full_disk_keeps_the_finished_pieces(tmp_path: Path, quick, unbroken, monkeypatch):
    path = tmp_path / "jets.h5"
    write = simulate.write_jets

    def fail_at_the_end(target, blocks, attributes):
        if target.name == "merged.h5":
            raise StorageError(f"{target}: cannot be written: No space left on device")
        write(target, blocks, attributes)

    monkeypatch.setattr(simulate, "write_jets", fail_at_the_end)
    with pytest.raises(StorageError, match="No space left"):
        run(CONFIG, output=path, workers=1)
    assert not path.exists()
    monkeypatch.setattr(simulate, "write_jets", write)
    run(CONFIG, output=path, workers=1)
    assert len(quick) == 6
    assert digest(path) == digest(unbroken)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, quick):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written: Not a directory"):
        run(CONFIG, output=tmp_path / "file" / "jets.h5", workers=1)


def test_hdf5_alone_can_read_the_file(unbroken: Path):
    with h5py.File(unbroken) as file:
        offsets = file["jets/offsets"][:]
        assert offsets[0] == 0
        assert offsets[-1] == len(file["constituents/pt"])
        assert len(offsets) == 1 + len(file["jets/label"]) == 51


def test_overwriting_that_is_interrupted_leaves_the_complete_file(tmp_path, quick, unbroken):
    path = tmp_path / "jets.h5"
    shutil.copy(unbroken, path)
    listener = Listener(interrupt_after=2)
    other = CONFIG.model_copy(update={"seed": 5})
    with pytest.raises(KeyboardInterrupt):
        run(other, output=path, workers=1, overwrite=True, progress=listener)
    assert digest(path) == digest(unbroken)
    assert "is left as it was" in listener.messages[0]
    run(other, output=path, workers=1, overwrite=True)
    assert read_attributes(path)["complete"]
    assert digest(path) != digest(unbroken)
