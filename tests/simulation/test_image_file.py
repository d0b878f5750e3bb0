import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from detcnn.errors import DataError, StorageError
from detcnn.simulation.columns import ColumnType
from detcnn.simulation.image_file import read_images, write_images
from detcnn.simulation.image_sample import ImageDefinition, ImageSample
from detcnn.simulation.whole_file import read_attributes


def make_sample(n_events, *, seed=0, first_id=0):
    rng = np.random.default_rng(seed)
    return ImageSample(
        images=rng.random((n_events, 2, 4, 5), dtype=np.float32),
        truth={
            "mask": rng.integers(0, 3, (n_events, 2, 4, 5), dtype=np.uint8),
            "charge": rng.random((n_events, 1, 4, 5), dtype=np.float32),
        },
        columns={
            "label": rng.integers(0, 2, n_events, dtype=np.int8),
            "energy": rng.random(n_events, dtype=np.float32),
            "event_id": first_id + np.arange(n_events),
        },
        points={"decays": rng.random((n_events, 3, 2), dtype=np.float32)},
        point_values={"decay_energy": rng.random((n_events, 3), dtype=np.float32)},
    )


DEFINITION = ImageDefinition(
    name="toy",
    classes=("a", "b"),
    channels={"x-z": "MeV", "y-z": "MeV"},
    axes=("plane", "cell"),
    truth={"mask": ("background", "track", "shower"), "charge": ()},
    columns={
        "label": ColumnType("|i1", "1", "index into the classes of the file"),
        "energy": ColumnType("<f4", "GeV", "true energy"),
    },
    generate=lambda n_events, rng: make_sample(n_events),
)


def test_images_come_back_as_they_were_block_after_block(tmp_path: Path):
    blocks = [make_sample(30), make_sample(7, seed=1, first_id=30)]
    write_images(tmp_path / "images.h5", blocks, DEFINITION, {})
    found = read_images(tmp_path / "images.h5")
    np.testing.assert_array_equal(
        found.images, np.concatenate([block.images for block in blocks]), strict=True
    )
    for name in ("mask", "charge"):
        both = np.concatenate([block.truth[name] for block in blocks])
        np.testing.assert_array_equal(found.truth[name], both, strict=True)
    for part, name in (("points", "decays"), ("point_values", "decay_energy")):
        both = np.concatenate([getattr(block, part)[name] for block in blocks])
        np.testing.assert_array_equal(getattr(found, part)[name], both, strict=True)
    assert found.columns["event_id"].tolist() == list(range(37))
    assert found.columns["label"].dtype == np.int8


def test_equal_content_gives_equal_bytes(tmp_path: Path):
    for name in ("a.h5", "b.h5"):
        write_images(tmp_path / name, [make_sample(50)], DEFINITION, {"seed": 3})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_the_file_explains_itself(tmp_path: Path):
    write_images(tmp_path / "images.h5", [make_sample(1)], DEFINITION, {"classes": ["a", "b"]})
    attributes = read_attributes(tmp_path / "images.h5")
    assert attributes["classes"] == '["a", "b"]'
    assert list(attributes["classes_of_mask"]) == ["background", "track", "shower"]
    assert "classes_of_charge" not in attributes
    with h5py.File(tmp_path / "images.h5") as file:
        assert file["images"].attrs["units"] == "MeV"
        assert json.loads(file["images"].attrs["channels"]) == {"x-z": "MeV", "y-z": "MeV"}
        assert file["images"].attrs["meaning"] == "(event, channel, plane, cell)"
        assert file["truth/mask"].attrs["units"] == "1"
        assert file["truth/charge"].attrs["units"] == "MeV"
        assert file["points/decays"].attrs["units"] == "pixel"
        assert file["events/energy"].attrs["units"] == "GeV"
        assert file["events/energy"].attrs["meaning"] == "true energy"


def test_a_failing_block_leaves_nothing(tmp_path: Path):
    def blocks():
        yield make_sample(5)
        raise DataError("piece 2 is damaged")

    with pytest.raises(DataError, match="piece 2"):
        write_images(tmp_path / "images.h5", blocks(), DEFINITION, {})
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(StorageError, match=r"nowhere/images\.h5.*No such file"):
        write_images(tmp_path / "nowhere" / "images.h5", [make_sample(1)], DEFINITION, {})


def test_a_truncated_file_and_another_are_refused(tmp_path: Path):
    path = tmp_path / "images.h5"
    write_images(path, [make_sample(20)], DEFINITION, {})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"images\.h5: is no file of images, or damaged"):
        read_images(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(DataError, match=r"other\.h5: is no file of images"):
        read_images(tmp_path / "other.h5")
