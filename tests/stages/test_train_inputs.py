"""A network that is told event columns beside the image."""

import numpy as np
import pytest
import torch

from detcnn.artifacts.opening import open_artifact
from detcnn.errors import ConfigError, DataError
from detcnn.events.images import as_dense
from detcnn.stages import explain, predict, symmetry, train, training_plan
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE
from detcnn.storage.tables import read_parquet
from detcnn.training.export import read_model

INPUTS = ("pt", "n_constituents")


@pytest.fixture(scope="module")
def told(trained, load, tmp_path_factory):
    """A model that is told the inputs, trained on the images of a study."""
    output = tmp_path_factory.mktemp("told") / "model"
    study = load(trained, f"train.inputs=[{', '.join(INPUTS)}]", "train.mixup={alpha: 0.2}")
    train.run(study.train, images=trained.path / "images", output=output)
    return output


def scores_of(model, images, output):
    predict.run(model=model, images=images, split="test", output=output)
    table = read_parquet(output / "scores.parquet")
    return np.stack([table["score_0"], table["score_1"]], axis=1)


def test_they_are_standardised_by_the_training_split(trained, told):
    split = open_store(trained.path / "images" / STORE).splits["train"]
    layer = read_model(told).model.extra_standardise
    for i, name in enumerate(INPUTS):
        values = split.column(name).astype(np.float64)
        assert layer.mean[0, i] == pytest.approx(values.mean(), rel=1e-5)
        assert layer.scale[0, i] == pytest.approx(values.std(), rel=1e-5)
    assert open_artifact(told).manifest.contents["inputs"] == list(INPUTS)


def test_scores_are_those_of_the_model_with_the_columns_of_each_event(trained, told, tmp_path):
    images = trained.path / "images"
    split = open_store(images / STORE).splits["test"]
    model = read_model(told).model
    values = torch.from_numpy(as_dense(split.images()).values)
    extra = np.stack([split.column(name).astype(np.float32) for name in INPUTS], axis=1)
    with torch.inference_mode():
        expected = model(values, torch.from_numpy(extra)).softmax(dim=1).numpy()
        shuffled = model(values, torch.from_numpy(extra[::-1].copy())).softmax(dim=1).numpy()
    found = scores_of(told, images, tmp_path / "scores")
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - shuffled).max() > 1e-4


def test_what_a_told_network_looks_at(trained, told, tmp_path, monkeypatch):
    """Nothing is moved, so the scores stay: those that it is told the same of as in prediction."""
    for stage in (explain, symmetry):
        monkeypatch.setattr(stage, "write_figure", lambda *_: None)
    images = trained.path / "images"
    options = explain.ExplainOptions(n_events=8)
    found = explain.run(told, images=images, output=tmp_path / "explained", options=options)
    content = np.load(found.artifact.path / "explanation.npz")
    assert {"saliency", "grad_cam", "occlusion"} <= {name.split("/")[0] for name in content.files}
    moved = symmetry.run(
        told, name="shift", images=images, output=tmp_path / "moved", amounts=[0], n_events=50
    )
    (response,) = moved.responses
    assert response.mean_change == pytest.approx(0, abs=1e-6)


def test_a_column_that_is_not_there(trained, load, tmp_path):
    study = load(trained, "train.inputs=[n_vertices]")
    with pytest.raises(DataError, match="no column 'n_vertices'; there are: "):
        train.run(study.train, images=trained.path / "images", output=tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("pt, pt", "pt is named twice"),
        ("event_id", "event_id says where an event comes from"),
        ("row", "row says where an event comes from"),
    ],
)
def test_columns_that_say_nothing(trained, load, tmp_path, names, message):
    study = load(trained, f"train.inputs=[{names}]")
    with pytest.raises(ConfigError, match=message):
        train.run(study.train, images=trained.path / "images", output=tmp_path / "model")


def test_the_truth_among_the_inputs_is_told(trained, load, Listener):
    split = open_store(trained.path / "images" / STORE).splits["train"]
    listener = Listener()
    store = open_store(trained.path / "images" / STORE)
    training_plan._check_inputs(["pt"], store, listener)
    assert not listener.said
    truth = split.label.astype(np.float32)
    column = type(split).column
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(split), "column", lambda s, name: truth if name == "truth" else column(s, name)
        )
        training_plan._check_inputs(["truth"], store, listener)
    (said,) = listener.said
    assert "truth alone tells" in said
    assert "AUC of 1.0000" in said
