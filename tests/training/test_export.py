import csv
import json

import numpy as np
import pytest
import torch

from detcnn.errors import DataError
from detcnn.training.export import ModelDescription, read_model, write_model
from detcnn.training.history import EpochRecord
from detcnn.training.prediction import predict
from detcnn.training.tasks import Classification


@pytest.fixture
def description(architecture):
    return ModelDescription(
        task="classification",
        architecture=architecture,
        classes=("gluon", "quark"),
        images={"channels": ["charged_pt", "charged_count"], "grid": {"rows": 9}},
    )


@pytest.fixture
def folder(tmp_path, description, new_model):
    best, last = new_model().state_dict(), new_model().state_dict()
    last["network.head.bias"] = last["network.head.bias"] + torch.tensor([1.0, 0.0])
    history = [
        EpochRecord(
            epoch=epoch,
            train_loss=0.1 * epoch,
            validation={"loss": 0.2, "auc": 0.3},
            learning_rate=1e-3,
            n_images=9,
            seconds=np.random.default_rng().random(),
            is_best=epoch == 1,
        )
        for epoch in (1, 2)
    ]
    write_model(tmp_path, description, best=best, last=last, history=history)
    return tmp_path


def test_a_model_comes_back_with_the_same_scores(folder, description, new_model, images):
    trained = read_model(folder)
    assert trained.description == description
    assert not trained.model.training
    scores = predict(trained.model, Classification(2), images)
    assert np.array_equal(scores, predict(new_model(), Classification(2), images))


def test_best_and_last_are_told_apart(folder):
    best, last = read_model(folder), read_model(folder, which="last")
    assert best.model.network.head.bias.tolist() == [0.0, 0.0]
    assert last.model.network.head.bias.tolist() == [1.0, 0.0]


def test_history_is_a_table_without_times(folder):
    with (folder / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["train_loss"]) == 0.2
    assert list(rows[0]) == [
        "epoch",
        "train_loss",
        "validation_loss",
        "validation_auc",
        "learning_rate",
    ]


def test_equal_models_give_equal_files(folder, description, new_model, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    channels_last = new_model().to(memory_format=torch.channels_last).state_dict()
    write_model(other, description, best=channels_last, last=channels_last, history=[])
    for name in ("model.json", "best.safetensors"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_a_missing_or_foreign_description_is_refused(folder):
    (folder / "model.json").write_text("[]")
    with pytest.raises(DataError, match=r"model\.json: not a readable model description"):
        read_model(folder)
    (folder / "model.json").unlink()
    with pytest.raises(DataError, match=r"model\.json: not a readable model description"):
        read_model(folder)


def test_weights_of_another_network_are_refused(folder):
    content = json.loads((folder / "model.json").read_text())
    content["architecture"]["options"]["dense"] = [16]
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"best\.safetensors: does not hold the weights"):
        read_model(folder)


def test_truncated_weights_are_refused(folder):
    path = folder / "last.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"last\.safetensors: does not hold the weights"):
        read_model(folder, which="last")
