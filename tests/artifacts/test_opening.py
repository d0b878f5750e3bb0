import pytest

from detcnn.artifacts.kinds import IMAGES, METRICS, MODEL
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import is_artifact, iter_damaged, open_artifact
from detcnn.errors import DataError


@pytest.fixture
def artifact(tmp_path, publish):
    return publish(tmp_path / "metrics", "text")


def test_open(artifact):
    again = open_artifact(artifact.path, expected=METRICS)
    assert again == artifact
    assert [file.path for file in again.manifest.payload] == [
        "metrics.json",
        "report.html",
        "tables/roc.csv",
    ]
    assert list(iter_damaged(again)) == []


def test_as_input(artifact):
    assert artifact.as_input("scores") == Input("scores", "metrics", artifact.manifest.digest)


@pytest.mark.parametrize("name", ["metrics.json", "tables/roc.csv"])
def test_a_missing_file(artifact, name):
    (artifact.path / name).unlink()
    with pytest.raises(DataError, match=f"the file {name} is missing"):
        open_artifact(artifact.path)


def test_a_short_file(artifact):
    (artifact.path / "report.html").write_text("tex")
    with pytest.raises(DataError, match=r"report\.html has 3 bytes instead of 4"):
        open_artifact(artifact.path)


def test_a_changed_file_of_equal_size_is_found_by_its_checksum(artifact):
    (artifact.path / "report.html").write_text("test")
    assert list(iter_damaged(open_artifact(artifact.path))) == ["report.html"]


def test_strange_files_are_left_alone(artifact):
    (artifact.path / "notes.txt").write_text("mine")
    assert open_artifact(artifact.path) == artifact


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="no such artifact: make it with 'detcnn preprocess'"):
        open_artifact(tmp_path / "images", expected=IMAGES)


@pytest.mark.parametrize("name", ["metrics", "run[1]", "**"])
def test_half_written(tmp_path, name):
    part = tmp_path / f"{name}.part-0123456789ab"
    part.mkdir()
    with pytest.raises(DataError, match=r"not there, only the unfinished .*part-0123456789ab"):
        open_artifact(tmp_path / name)
    with pytest.raises(DataError, match="command .* again, a training with --resume, and it will"):
        open_artifact(tmp_path / name, expected=MODEL)
    with pytest.raises(DataError, match="half-written: run the .* a training with --resume$"):
        open_artifact(part)


def test_a_name_that_only_looks_half_written(tmp_path, publish):
    assert publish(tmp_path / "my.part-two", "text").path.name == "my.part-two"


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: p.write_text("x")])
def test_not_an_artifact(tmp_path, make):
    make(tmp_path / "a")
    assert not is_artifact(tmp_path / "a")
    with pytest.raises(DataError, match=r"not a detcnn artifact \(no manifest\.json\)"):
        open_artifact(tmp_path / "a")


@pytest.mark.parametrize("text", ["", "[]", '{"name": "a web page", "icons": []}', "[" * 100_000])
def test_a_manifest_of_something_else(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert not is_artifact(tmp_path)
    with pytest.raises(DataError, match="not a manifest"):
        open_artifact(tmp_path)


def test_a_damaged_artifact_is_one(artifact):
    path = artifact.path / "manifest.json"
    path.write_text(path.read_text().replace('"evaluate"', '"train"'))
    assert is_artifact(artifact.path)
    with pytest.raises(DataError, match="was altered"):
        open_artifact(artifact.path)
