import os
import subprocess
import sys
from pathlib import Path

import pytest

from detcnn.artifacts import manifest as manifest_module
from detcnn.artifacts.kinds import METRICS
from detcnn.artifacts.opening import iter_damaged, open_artifact
from detcnn.artifacts.publishing import build_artifact
from detcnn.errors import ConfigError, DataError, OutputExistsError, StorageError


def building(target, *, overwrite=False):
    return build_artifact(target, kind=METRICS, identity="ab" * 32, overwrite=overwrite)


def finish(builder):
    return builder.publish(stage="evaluate", config={}, inputs=[], contents={}, circumstances={})


def stop(target, error):
    """Be stopped by an error with one file written."""
    with building(target) as builder:
        (builder.folder / "a").write_text("x")
        raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_publish(tmp_path, publish):
    artifact = publish(tmp_path / "deep" / "metrics", "text")
    assert names(tmp_path / "deep") == ["metrics"]
    assert names(artifact.path) == ["manifest.json", "metrics.json", "report.html", "tables"]


def test_digest_depends_on_content_alone(tmp_path, publish, monkeypatch):
    here = publish(tmp_path / "here", "text").manifest
    monkeypatch.setattr(manifest_module.socket, "gethostname", lambda: "elsewhere")
    monkeypatch.setattr(sys, "argv", ["another", "command"])
    there = publish(tmp_path / "there" / "deeper", "text").manifest
    assert here.environment["host"] != there.environment["host"]
    assert here.digest == there.digest
    assert publish(tmp_path / "other", "test").manifest.digest != here.digest


def test_nothing_is_visible_before_it_is_whole(tmp_path):
    with building(tmp_path / "metrics") as builder:
        (builder.folder / "a").write_text("x")
        assert names(tmp_path) == ["metrics.part-abababababab"]
        finish(builder)
    assert names(tmp_path) == ["metrics"]


@pytest.mark.parametrize("name", ["manifest.json", ".lock"])
def test_a_payload_may_have_any_name_below_the_top(tmp_path, name):
    with building(tmp_path / "metrics") as builder:
        (builder.folder / "site").mkdir()
        (builder.folder / "site" / name).write_text("x")
        artifact = finish(builder)
    assert [file.path for file in artifact.manifest.payload] == [f"site/{name}"]


def test_an_existing_artifact_is_refused(tmp_path, publish):
    publish(tmp_path / "metrics", "old")
    with (
        pytest.raises(OutputExistsError, match="metrics: exists already: use --overwrite"),
        building(tmp_path / "metrics"),
    ):
        pass
    assert names(tmp_path) == ["metrics"]


def test_an_artifact_that_appears_meanwhile_is_refused(tmp_path, publish):
    with building(tmp_path / "metrics") as builder:
        old = publish(tmp_path / "metrics", "old")
        with pytest.raises(OutputExistsError):
            finish(builder)
    assert open_artifact(tmp_path / "metrics") == old


def test_overwrite_replaces_only_when_complete(tmp_path, publish):
    old = publish(tmp_path / "metrics", "old")
    with building(tmp_path / "metrics", overwrite=True) as builder:
        assert open_artifact(old.path) == old
        new = finish(builder)
    assert new.manifest.payload == ()
    assert names(tmp_path) == ["metrics"]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: p.mkdir(),
        lambda p: p.write_text("precious"),
        lambda p: (p.mkdir(), (p / "manifest.json").write_text('{"name": "a web page"}')),
    ],
    ids=["folder", "file", "web page"],
)
def test_what_is_foreign_is_never_replaced(tmp_path, make):
    target = tmp_path / "metrics"
    make(target)
    before = names(target) if target.is_dir() else target.read_text()
    with (
        pytest.raises(OutputExistsError, match="no detcnn artifact, so it is not replaced"),
        building(target, overwrite=True),
    ):
        pass
    assert (names(target) if target.is_dir() else target.read_text()) == before


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path, publish):
    publish(tmp_path / "disk" / "metrics", "old")
    link = tmp_path / "metrics"
    link.symlink_to(tmp_path / "disk" / "metrics")
    publish(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "disk" / "metrics" / "report.html").read_text() == "new"
    assert names(tmp_path / "disk") == ["metrics"]


def test_a_link_to_nothing_is_filled(tmp_path, publish):
    link = tmp_path / "metrics"
    link.symlink_to(tmp_path / "disk" / "metrics")
    publish(link, "new")
    assert (link / "report.html").read_text() == "new"


@pytest.mark.parametrize("error", [DataError, ConfigError])
def test_an_error_that_would_come_again_leaves_nothing(tmp_path, error):
    with pytest.raises(error):
        stop(tmp_path / "metrics", error)
    assert names(tmp_path) == []


def test_a_failed_removal_does_not_hide_the_error(tmp_path, monkeypatch):
    def busy(*_, **__):
        raise OSError(16, os.strerror(16))

    monkeypatch.setattr("os.rmdir", busy)
    with pytest.raises(DataError):
        stop(tmp_path / "metrics", DataError)


@pytest.mark.parametrize(
    ("error", "seen"),
    [(KeyboardInterrupt,) * 2, (OSError, StorageError), (RuntimeError,) * 2],
)
def test_any_other_error_keeps_the_work(tmp_path, error, seen):
    with pytest.raises(seen):
        stop(tmp_path / "metrics", error)
    with building(tmp_path / "metrics") as builder:
        assert (builder.folder / "a").read_text() == "x"
        finish(builder)


def test_work_of_another_identity_is_not_taken_up(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stop(tmp_path / "metrics", KeyboardInterrupt)
    with build_artifact(
        tmp_path / "metrics", kind=METRICS, identity="cd" * 32, overwrite=False
    ) as builder:
        assert not (builder.folder / "a").exists()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(StorageError, match=r"file/metrics\.part-.* cannot be written: Not a dir"),
        building(tmp_path / "file" / "metrics"),
    ):
        pass


def test_another_process_holds_the_lock(tmp_path, program):
    target = tmp_path / "metrics"
    with subprocess.Popen(
        [sys.executable, program, "hold", target],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "writing\n"
        with (
            pytest.raises(OutputExistsError, match="another process is writing it"),
            build_artifact(target, kind=METRICS, identity=f"{0:064x}", overwrite=False),
        ):
            pass
        other.communicate("go on\n")
    # Its lock went with it.
    with build_artifact(target, kind=METRICS, identity=f"{0:064x}", overwrite=False) as builder:
        finish(builder)


@pytest.mark.parametrize("is_made_anew", [False, True])
def test_a_lock_that_went_away_with_its_folder_is_no_lock(tmp_path, monkeypatch, is_made_anew):
    target = tmp_path / "metrics"

    def published_meanwhile(*_):
        folder = target.with_name("metrics.part-abababababab")
        folder.rename(target)
        if is_made_anew:
            folder.mkdir()
            (folder / ".lock").touch()

    monkeypatch.setattr("detcnn.artifacts.publishing.fcntl.flock", published_meanwhile)
    with pytest.raises(OutputExistsError, match="another process"), building(target):
        pass


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr("detcnn.artifacts.publishing.fcntl.flock", no_locks)
    with building(tmp_path / "metrics") as builder:
        finish(builder)


@pytest.mark.parametrize("blow", ["kill", "ENOSPC"])
def test_struck_at_any_file_operation(tmp_path, program, publish, blow, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    done = subprocess.run(
        [sys.executable, program, "strike", tmp_path, blow],
        capture_output=True,
        text=True,
        check=True,
    )
    n_operations = int(done.stdout)
    assert n_operations > 30
    found = {"old": 0, "new": 0, "absent": 0}
    for number in range(n_operations):
        target = tmp_path / str(number) / "metrics"
        state = _state(target)
        found[state] += 1
        publish(target, "new")
        assert _state(target) == "new"
        assert names(target.parent) == ["metrics"], number
    assert found["old"] > 20
    assert found["new"] > 2
    assert found["absent"] == 1


def _state(target: Path) -> str:
    if not target.exists():
        # Between the two renames: the old one stands aside, the new one is complete.
        (aside,) = target.parent.glob("metrics.old-*")
        (part,) = target.parent.glob("metrics.part-*")
        assert (part / "manifest.json").exists()
        assert (aside / "report.html").read_text() == "old"
        return "absent"
    artifact = open_artifact(target)
    assert list(iter_damaged(artifact)) == []
    return (target / "report.html").read_text()


def publish_beside_scratch(target):
    with building(target) as builder:
        pieces = builder.folder / "pieces"
        was_there = pieces.exists()
        pieces.mkdir(exist_ok=True)
        (pieces / "0").write_text("x")
        (builder.folder / "a").write_text("y")
        artifact = builder.publish(
            stage="s", config={}, inputs=[], contents={}, circumstances={}, scratch=["pieces"]
        )
    return artifact, was_there


def test_scratch_is_kept_until_all_is_published(tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(28, os.strerror(28))

    target = tmp_path / "metrics"
    with monkeypatch.context() as broken:
        broken.setattr("detcnn.artifacts.publishing.write_manifest", no_room)
        with pytest.raises(StorageError, match="cannot be written: No space left"):
            publish_beside_scratch(target)
    artifact, was_there = publish_beside_scratch(target)
    assert was_there
    assert names(target) == ["a", "manifest.json"]
    assert [file.path for file in artifact.manifest.payload] == ["a"]
