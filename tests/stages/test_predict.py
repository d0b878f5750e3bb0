import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from detcnn.artifacts.kinds import SCORES
from detcnn.artifacts.manifest import write_manifest
from detcnn.artifacts.opening import open_artifact
from detcnn.config.evaluate import OcclusionConfig, VariationsConfig
from detcnn.errors import DataError, OutputExistsError
from detcnn.evaluation.occlusion import occlusion_from_table
from detcnn.events.images import as_dense
from detcnn.stages import predict, preprocess, train
from detcnn.storage import reader
from detcnn.storage.reader import open_store
from detcnn.storage.tables import read_parquet
from detcnn.training import occlusion
from detcnn.training.export import read_model


@pytest.fixture
def run(trained, tmp_path):
    def run(split="test", **options):
        options = {
            "model": trained.path / "model",
            "images": trained.path / "images",
            "output": tmp_path / "scores",
            **options,
        }
        return predict.run(split=split, **options)

    return run


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_scores_are_those_of_the_split_and_of_the_best_weights(run, trained, tmp_path, split):
    run(split)
    table = pq.read_table(tmp_path / "scores" / "scores.parquet").to_pydict()
    stored = open_store(trained.path / "images" / "images.zarr").splits[split]
    np.testing.assert_array_equal(table["column_row"], stored.column("row"))
    np.testing.assert_array_equal(table["column_event_id"], stored.column("event_id"))
    np.testing.assert_array_equal(table["label"], stored.label)
    np.testing.assert_array_equal(table["weight"], stored.weight)
    import torch

    model = read_model(trained.path / "model", which="best").model
    with torch.inference_mode():
        values = torch.from_numpy(as_dense(stored.images()).values)
        expected = torch.softmax(model(values), dim=1).numpy()
    found = np.stack([table["score_0"], table["score_1"]], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_blocks_give_the_same_scores(run, trained, tmp_path, monkeypatch):
    run("train")
    monkeypatch.setattr(reader, "_IMAGES_AT_ONCE", 50)
    run("train", output=tmp_path / "blocks")
    whole, blocks = (
        pq.read_table(tmp_path / name / "scores.parquet").to_pydict()
        for name in ("scores", "blocks")
    )
    np.testing.assert_allclose(blocks.pop("score_1"), whole.pop("score_1"), rtol=1e-5)
    np.testing.assert_allclose(blocks.pop("score_0"), whole.pop("score_0"), rtol=1e-5)
    assert blocks == whole


def test_scores_are_used_again_until_model_images_or_split_change(
    run, trained, load, tmp_path, Listener
):
    first = run(update=True)
    assert not first.was_there
    again = run(update=True)
    assert again.was_there
    assert again.artifact.manifest == first.artifact.manifest
    study = load(trained, "train.seed=5", "train.epochs=1")
    train.run(study.train, images=trained.path / "images", output=tmp_path / "model")
    changed = run(update=True, model=tmp_path / "model")
    assert not changed.was_there
    assert changed.artifact.manifest.digest != first.artifact.manifest.digest
    assert not run("validation", update=True, model=tmp_path / "model").was_there
    assert run("validation", update=True, model=tmp_path / "model", confidence=0.9).was_there
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "scores"]


def test_existing_scores_are_refused(run):
    run()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        run()
    assert not run(overwrite=True).was_there


def test_using_scores_again_never_replaces_something_else(run, trained):
    with pytest.raises(DataError, match="holds model, expected scores"):
        run(update=True, output=trained.path / "model")


def test_images_that_the_model_was_not_made_for_are_refused(run, folder, load, tmp_path):
    for name, override, words in (
        ("larger", "preprocess.image.grid.pixels=11", r"image shape \[2, 11, 11\].*\[2, 9, 9\]"),
        ("swapped", "preprocess.classes=[quark, gluon]", r"classes.*'quark', 'gluon'"),
    ):
        images = folder.path / name
        config = load(folder, override).preprocess
        preprocess.run(config, base=folder.path, output=images)
        with pytest.raises(DataError, match=words):
            run(images=images)
    assert list(tmp_path.glob("scores*")) == []


def test_an_empty_split_is_an_error(run, folder, load, tmp_path):
    config = load(folder, "preprocess.split={train: 0.8, validation: 0.2, test: 0}").preprocess
    preprocess.run(config, base=folder.path, output=folder.path / "images")
    with pytest.raises(DataError, match="the test split is empty"):
        run(images=folder.path / "images")
    assert list(tmp_path.glob("scores*")) == []


def test_scores_that_are_not_numbers_are_an_error(run, trained, tmp_path):
    from safetensors.numpy import load_file, save_file

    broken = shutil.copytree(trained.path / "model", tmp_path / "model")
    weights = load_file(broken / "best.safetensors")
    weights = {name: np.full_like(values, np.nan) for name, values in weights.items()}
    weights["standardise.mean"][:], weights["standardise.scale"][:] = 0, 1
    save_file(weights, broken / "best.safetensors")
    with pytest.raises(DataError, match="test split, from image 0: .*not finite"):
        run(model=broken)
    assert list(tmp_path.glob("scores*")) == []


def test_a_score_says_what_it_was_made_from(run, trained):
    manifest = run().artifact.manifest
    made_from = {entry.role: entry.digest for entry in manifest.inputs}
    for role in ("model", "images"):
        text = (trained.path / role / "manifest.json").read_text()
        assert made_from[role] == json.loads(text)["digest"]


def test_images_of_another_definition_are_refused(run, trained, load, tmp_path):
    # Of the same shape and classes, but not what the model was trained on.
    for override in ("preprocess.image.grid.width=1.8", "preprocess.image.align=[]"):
        study = load(trained, override)
        images = preprocess.run(
            study.preprocess, base=trained.path, output=tmp_path / "images", overwrite=True
        )
        with pytest.raises(DataError, match="use the images that the model was made for"):
            run(images=images.artifact.path)
    assert not (tmp_path / "scores").exists()


def test_images_divided_in_another_way_are_warned_of(run, trained, load, tmp_path, Listener):
    study = load(trained, "preprocess.split.salt=1")
    preprocess.run(study.preprocess, base=trained.path, output=tmp_path / "images")
    listener = Listener()
    run(images=tmp_path / "images", progress=listener)
    ids = {}
    for folder, split in ((trained.path, "train"), (tmp_path, "test")):
        store = open_store(folder / "images" / "images.zarr")
        ids[split] = store.splits[split].column("event_id")
    n_seen = np.isin(ids["test"], ids["train"]).sum()
    assert n_seen
    assert any(f" {n_seen} of the {len(ids['test'])} events" in text for text in listener.said)


def test_occlusion_maps_are_those_of_the_model(run, trained, tmp_path):
    """Take all images of the split and empty one patch of each by hand."""
    result = run(occlusion=OcclusionConfig(events=10_000, patch=3))
    made = {"patch": 3, "stride": 3, "empty": "zero"}
    assert result.artifact.manifest.contents["occlusion"] == made
    maps = occlusion_from_table(read_parquet(tmp_path / "scores" / "occlusion.parquet"))
    stored = open_store(trained.path / "images" / "images.zarr").splits["test"]
    label = stored.label
    np.testing.assert_array_equal(maps.n_images, np.bincount(label))
    import torch

    model = read_model(trained.path / "model").model
    values = torch.from_numpy(as_dense(stored.images()).values)
    emptied = values.clone()
    emptied[:, :, 3:6, 0:3] = 0
    with torch.inference_mode():
        change = (model(emptied).softmax(1) - model(values).softmax(1)).numpy()
    for i, k in np.ndindex(2, 2):
        expected = change[label == i, k].mean()
        np.testing.assert_allclose(maps.mean[i, k, 3:6, 0:3], expected, atol=1e-6)
        assert abs(maps.mean[i, k]).max() > 1e-5


def test_the_sample_of_the_maps_is_a_function_of_its_seed(run, tmp_path, monkeypatch):
    def maps(name, seed=1):
        config = OcclusionConfig(events=13, patch=3, seed=seed)
        run("train", output=tmp_path / name, occlusion=config)
        return occlusion_from_table(read_parquet(tmp_path / name / "occlusion.parquet"))

    first = maps("1")
    assert first.n_images.tolist() == [6, 6]
    monkeypatch.setattr(reader, "_IMAGES_AT_ONCE", 50)
    np.testing.assert_allclose(maps("2").mean, first.mean, atol=1e-6)
    assert abs(maps("3", seed=2).mean - first.mean).max() > 1e-4


def test_maps_are_made_again_when_they_are_asked_for_in_another_way(run, tmp_path):
    config = OcclusionConfig(events=4, patch=3)
    assert not (run().artifact.path / "occlusion.parquet").exists()
    assert not run(update=True, occlusion=config).was_there
    assert run(update=True, occlusion=config).was_there
    changed = config.model_copy(update={"stride": 2})
    result = run(update=True, occlusion=changed)
    assert not result.was_there
    assert result.artifact.manifest.contents["occlusion"]["stride"] == 2


def test_a_full_image_is_emptied_to_the_mean_of_training(run, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("detcnn.stages.trained.MOST_SPARSE", 0.0)
    seen = []
    monkeypatch.setattr(
        occlusion, "iter_occlusion", lambda *_, empty, **__: (seen.append(empty), iter(()))[1]
    )
    with pytest.raises(ValueError, match="zip"):
        run(occlusion=OcclusionConfig(events=4))
    mean = open_store(trained.path / "images" / "images.zarr").statistics["mean"]
    np.testing.assert_allclose(seen[0], mean, rtol=1e-6)
    assert seen[0].any()


def test_scores_of_the_format_before_are_refused_with_the_remedy(run):
    artifact = run().artifact
    write_manifest(replace(artifact.manifest, format_version=3), artifact.path)
    with pytest.raises(DataError, match="format 3, .*reads format 4: .*'detcnn predict'"):
        open_artifact(artifact.path, expected=SCORES)
    assert not run(update=True).was_there


# Several models, several variations


def scores_of(result):
    table = read_parquet(result.artifact.path / predict.TABLE)
    return np.stack([table["score_0"], table["score_1"]], axis=1).astype(np.float64)


@pytest.fixture(scope="module")
def second(trained, load, tmp_path_factory):
    """Another model of the same study."""
    output = tmp_path_factory.mktemp("second") / "model"
    study = load(trained, "train.seed=8", "train.epochs=1")
    train.run(study.train, images=trained.path / "images", output=output)
    return output


def test_scores_of_several_models_are_averaged(run, second, tmp_path):
    few = OcclusionConfig(events=4)
    one = run(occlusion=few)
    other = run(model=second, output=tmp_path / "2", occlusion=few)
    both = run(further=[second], output=tmp_path / "both", occlusion=few)
    expected = (scores_of(one) + scores_of(other)) / 2
    np.testing.assert_allclose(scores_of(both), expected, rtol=1e-6)
    maps = [
        occlusion_from_table(read_parquet(r.artifact.path / predict.OCCLUSION)).mean
        for r in (one, other, both)
    ]
    np.testing.assert_allclose(maps[2], (maps[0] + maps[1]) / 2, rtol=1e-5, atol=1e-9)
    assert [entry.role for entry in both.artifact.manifest.inputs] == ["model", "model", "images"]
    assert run(further=[second], output=tmp_path / "both", occlusion=few, update=True).was_there
    assert not run(output=tmp_path / "both", occlusion=few, update=True).was_there


def test_every_model_must_fit_the_images(run, trained, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        run(further=[tmp_path / "nowhere"])
    with pytest.raises(DataError, match="holds images, expected model"):
        run(further=[trained.path / "images"])


def test_variations_are_part_of_what_scores_are(run, tmp_path):
    tta = VariationsConfig.model_validate_json(
        json.dumps({"augment": [{"policy": "rotate"}], "draws": 2})
    )
    plain, varied = run(), run(tta=tta, output=tmp_path / "varied")
    assert not np.allclose(scores_of(plain), scores_of(varied), atol=1e-4)
    np.testing.assert_allclose(scores_of(varied).sum(axis=1), 1, rtol=1e-6)
    assert run(tta=tta, output=tmp_path / "varied", update=True).was_there
    again = run(tta=tta, output=tmp_path / "again")
    assert again.artifact.manifest.digest == varied.artifact.manifest.digest
    assert not run(output=tmp_path / "varied", update=True).was_there
