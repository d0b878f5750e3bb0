"""Arrays that others wrote, and files of labels, through whole stages."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detcnn.artifacts.opening import open_artifact
from detcnn.cli.main import app
from detcnn.config.preprocess import PreprocessConfig
from detcnn.stages import inspect, preprocess
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def shared(name):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not here")
    return DATA / name


def preprocessed(output, **source):
    split = {"train": 1, "validation": 0, "test": 0}
    config = PreprocessConfig.model_validate_json(json.dumps({"sources": [source], "split": split}))
    preprocess.run(config, base=output.parent, output=output)
    return open_artifact(output)


def test_mnist(tmp_path):
    path = shared("mnist_t10k/t10k-images-idx3-ubyte.gz")
    found = inspect.run(path)
    assert found.kind == "idx, ready images"
    assert found.facts["image_shape"] == [1, 28, 28]
    assert found.facts["class_labels"] == {str(digit): digit for digit in range(10)}
    artifact = preprocessed(tmp_path / "images", path=str(path))
    assert artifact.manifest.contents["n_read"] == 10_000
    assert [entry.name for entry in artifact.manifest.inputs] == [
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ]
    store = open_store(artifact.path / STORE)
    assert np.bincount(store.splits["train"].label).tolist()[:3] == [980, 1135, 1032]


def test_satellite_images_have_no_classes():
    for name, words in (
        ("scenes_dev", "nothing tells the class of its events: name a label dataset"),
        ("land_use", "dataset 'land_use' of shape (101, 100, 1) could be images or the features"),
    ):
        path = shared(f"sentinel2_scenes/{name}.npy")
        done = CliRunner().invoke(app, ["inspect", str(path)])
        assert done.exit_code == 0
        assert words in " ".join(done.stderr.split())


def test_satellite_images_of_a_class(tmp_path):
    path = shared("sentinel2_scenes/scenes_dev.npy")
    np.save(tmp_path / "date.npy", np.array([0, 1, 1]))
    (tmp_path / "scenes_dev.npy").write_bytes(path.read_bytes())
    artifact = preprocessed(
        tmp_path / "images", path="scenes_dev.npy", columns={"label": "date.npy"}
    )
    assert artifact.manifest.contents["n_read"] == 3


def test_other_labels_make_other_images(tmp_path):
    rng = np.random.default_rng(1)
    np.save(tmp_path / "pictures.npy", rng.random((60, 8, 8)).astype(np.float32))
    digests = []
    for i in range(2):
        np.save(tmp_path / "labels.npy", (np.arange(60) + i) % 2)
        artifact = preprocessed(
            tmp_path / f"images{i}",
            path="pictures.npy",
            layout="images",
            columns={"label": "labels.npy"},
        )
        digests.append([entry.digest for entry in artifact.manifest.inputs])
    assert digests[0][0] == digests[1][0]
    assert digests[0][1] != digests[1][1]
