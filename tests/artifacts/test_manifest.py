import json

import pytest

from detcnn.artifacts import manifest as module
from detcnn.artifacts.kinds import IMAGES, KINDS, METRICS
from detcnn.artifacts.manifest import (
    MANIFEST,
    Input,
    Manifest,
    PayloadFile,
    describe_environment,
    read_manifest,
    write_manifest,
)
from detcnn.errors import DataError


@pytest.fixture
def manifest():
    return Manifest(
        kind="metrics",
        format_version=METRICS.version,
        stage="evaluate",
        identity="ef" * 32,
        config={"level": 0.683, "bins": [1, 2]},
        inputs=(Input("scores", "scores", "ab" * 32),),
        contents={"auc": 0.9},
        payload=(PayloadFile("metrics.json", 3, "cd" * 32),),
        environment=describe_environment(),
    )


def altered(manifest, folder, **changes):
    """Write a manifest, then change entries of the file."""
    write_manifest(manifest, folder)
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**content, **changes}))


def test_kinds_are_named_as_they_are_known():
    assert {name: kind.name for name, kind in KINDS.items()} == {n: n for n in KINDS}
    known = {"images", "model", "scores", "metrics", "comparison", "validation"}
    assert KINDS.keys() == known | {"learning_rates", "feature_maps", "explanation"}


def test_round_trip(manifest, tmp_path):
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path, expected=METRICS) == manifest


def test_digest_leaves_out_time_and_place(manifest):
    environment = manifest.environment | {"written": "tomorrow", "host": "elsewhere"}
    elsewhere = Manifest(
        **{name: getattr(manifest, name) for name in Manifest.__slots__}
        | {"environment": environment}
    )
    assert elsewhere.digest == manifest.digest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stage", "train"),
        ("identity", "00" * 32),
        ("config", {"level": 0.95, "bins": [1, 2]}),
        ("inputs", ()),
        ("contents", {"auc": 0.8}),
        ("payload", (PayloadFile("metrics.json", 3, "ce" * 32),)),
    ],
)
def test_digest_covers_all_else(manifest, name, value):
    fields = {field: getattr(manifest, field) for field in Manifest.__slots__}
    assert Manifest(**fields | {name: value}).digest != manifest.digest


def test_environment_names_the_libraries_that_are_there(monkeypatch):
    monkeypatch.setattr(module, "_LIBRARIES", ("numpy", "no-such-library"))
    versions = describe_environment()["versions"]
    assert {"detcnn", "python", "numpy"} == versions.keys()


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "train"},
        {"contents": {"auc": 1.0}},
        {"contents": {"auc": float("nan")}},
        {"inputs": []},
        {"digest": "0" * 64},
    ],
)
def test_an_altered_manifest_is_refused(manifest, tmp_path, change):
    altered(manifest, tmp_path, **change)
    with pytest.raises(DataError, match=r"manifest\.json: (was altered|not a manifest)"):
        read_manifest(tmp_path)


def test_environment_may_change(manifest, tmp_path):
    altered(manifest, tmp_path, environment={})
    assert read_manifest(tmp_path).environment == {}


def test_another_kind_is_refused(manifest, tmp_path):
    write_manifest(manifest, tmp_path)
    with pytest.raises(DataError, match="holds metrics, expected images as made by 'detcnn pre"):
        read_manifest(tmp_path, expected=IMAGES)


@pytest.mark.parametrize("version", [0, METRICS.version + 1, "1", None])
def test_another_format_is_refused_with_a_remedy(manifest, tmp_path, version):
    altered(manifest, tmp_path, format_version=version)
    with pytest.raises(DataError, match=f"of format {version}.* make it again with 'detcnn eval"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"3",
        b"{}",
        b'{"digest": 1, "kind": []}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_garbage_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_bytes(text)
    with pytest.raises(DataError, match="not a manifest that detcnn"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "change", [{"kind": "pictures"}, {"extra": 1}, {"payload": [{"path": "a"}]}, {"inputs": None}]
)
def test_a_foreign_layout_is_refused(manifest, tmp_path, change):
    altered(manifest, tmp_path, **change)
    with pytest.raises(DataError, match="not a manifest that detcnn"):
        read_manifest(tmp_path)


def test_missing_manifest(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_manifest(tmp_path)
