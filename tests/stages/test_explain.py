import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from detcnn.cli.main import app
from detcnn.errors import ConfigError, DataError, OutputExistsError
from detcnn.events.images import as_dense
from detcnn.stages import explain, preprocess, train
from detcnn.stages.explain import ExplainOptions
from detcnn.stages.trained import show
from detcnn.storage.reader import open_store
from detcnn.training.attribution import grad_cam, saliency
from detcnn.training.export import read_model


@pytest.fixture(scope="module")
def explained(trained, tmp_path_factory):
    output = tmp_path_factory.mktemp("explained") / "explanation"
    with pytest.MonkeyPatch.context() as patch:
        drawn = []
        patch.setattr(explain, "write_figure", lambda figure, folder, name: drawn.append(name))
        result = explain.run(
            trained.path / "model", output=output, options=ExplainOptions(n_events=20)
        )
    return result, drawn


@pytest.fixture
def _undrawn(monkeypatch):
    """Draw nothing, which takes longest."""
    monkeypatch.setattr(explain, "write_figure", lambda *_: None)
    monkeypatch.setattr(explain, "write_report", lambda *_: None)


def numbers(result):
    with np.load(result.artifact.path / "explanation.npz") as arrays:
        return dict(arrays)


def test_a_page_with_every_part(explained):
    result, drawn = explained
    page = result.report.read_text()
    for title in ("Saliency, average", "Grad-CAM, average", "Occlusion, average", "Kernels of"):
        assert title in page
    assert drawn[:4] == ["mean-saliency", "mean-grad_cam", "mean-occlusion", "events"]
    assert "kernels" in drawn
    told = json.loads((result.artifact.path / "explanation.json").read_text())
    assert told["layer"] == result.told["layer"]
    assert list(told["events"]) == ["best gluon", "worst gluon", "best quark", "worst quark"]


def test_the_numbers_are_those_of_the_methods(explained, trained):
    found = numbers(explained[0])
    split = open_store(trained.path / "images" / "images.zarr").splits["test"]
    images = as_dense(split.images().take(found["rows"])).values
    np.testing.assert_array_equal(found["labels"], split.label[found["rows"]])
    assert np.bincount(found["labels"]).tolist() == [10, 10]
    model = read_model(trained.path / "model").model
    np.testing.assert_allclose(found["saliency"], saliency(model, images), rtol=1e-4, atol=1e-7)
    layer = explained[0].told["layer"]
    np.testing.assert_allclose(
        found["grad_cam"], grad_cam(model, images, layer), rtol=1e-4, atol=1e-7
    )
    weights = model.network.trunk.block1.convolution.weight
    np.testing.assert_array_equal(
        found["kernels/trunk.block1.convolution"], weights.detach().numpy()
    )
    assert found["occlusion"].shape == (20, 2, 9, 9)


def test_the_best_and_the_worst_are(explained):
    found, told = numbers(explained[0]), explained[0].told
    for k, name in enumerate(("gluon", "quark")):
        own = found["labels"] == k
        scores = dict(zip(found["rows"][own].tolist(), found["scores"][own, k], strict=True))
        assert scores[told["events"][f"best {name}"]] == max(scores.values())
        assert scores[told["events"][f"worst {name}"]] == min(scores.values())


@pytest.mark.usefixtures("_undrawn")
def test_chosen_events_without_occlusion(trained, tmp_path):
    split = open_store(trained.path / "images" / "images.zarr").splits["validation"]
    options = ExplainOptions(
        n_events=4, events=(7, 2), occlusion=False, layer="trunk.block1.convolution"
    )
    result = explain.run(
        trained.path / "model",
        images=trained.path / "images",
        split="validation",
        output=tmp_path / "out",
        options=options,
    )
    names = ("gluon", "quark")
    assert result.told["events"] == {f"{names[split.label[n]]}, event {n}": n for n in (7, 2)}
    assert "occlusion" not in numbers(result)
    assert {2, 7} <= set(numbers(result)["rows"].tolist())
    assert numbers(result)["maps/trunk.block1"].shape[0] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": (1000,)}, "--event 1000: the test split has the events 0 to"),
        ({"layer": "head"}, "--layer head: expected a layer that makes maps: trunk.block1"),
    ],
)
def test_what_is_not_there_is_refused_and_leaves_nothing(trained, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        explain.run(
            trained.path / "model", output=tmp_path / "out", options=ExplainOptions(**options)
        )
    assert not list(tmp_path.iterdir())


def test_images_are_found_beside_the_model_or_must_be_named(trained, tmp_path):
    shutil.copytree(trained.path / "model", tmp_path / "model")
    manifest = tmp_path / "model" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["environment"]["images"] = str(tmp_path / "gone")
    manifest.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="trained on are neither at .*gone nor at .*--images"):
        explain.run(tmp_path / "model", output=tmp_path / "out")
    with pytest.raises(DataError, match="no such artifact"):
        explain.run(tmp_path / "model", images=tmp_path / "no", output=tmp_path / "out")
    shutil.copytree(trained.path / "images", tmp_path / "images")
    assert show(tmp_path / "model", None, split="test").images.path == tmp_path / "images"
    # Others of the same name are not taken for them.
    manifest = tmp_path / "images" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "digest": "0" * 64}))
    with pytest.raises((ConfigError, DataError)):
        show(tmp_path / "model", None, split="test")


@pytest.mark.parametrize(
    ("network", "kernels"),
    [
        ("dense, options: {sizes: [4]}", {"kernels/trunk.dense1.linear": [4, 2, 9, 9]}),
        ("particlenet, options: {points: 8, neighbours: 4, width: 0.1}", {}),
    ],
    ids=["dense", "particlenet"],
)
def test_a_network_without_maps_has_no_grad_cam(
    folder, load, tmp_path, monkeypatch, network, kernels
):
    monkeypatch.setattr(explain, "write_figure", lambda *_: None)
    network = f"train.network={{name: {network}}}"
    more = "train.epochs=1", "train.augment=[]", "train.standardise=null"
    study = load(folder, network, *more)
    images = folder.path / "images"
    preprocess.run(study.preprocess, base=folder.path, output=images)
    train.run(study.train, images=images, output=folder.path / "model")
    result = explain.run(
        folder.path / "model", output=tmp_path / "out", options=ExplainOptions(n_events=4)
    )
    assert result.told["layer"] is None
    arrays = result.told["arrays"]
    assert "grad_cam" not in arrays
    assert {name: arrays[name] for name in arrays if name.startswith("kernels/")} == kernels
    assert "The network makes no maps" in result.report.read_text()


def test_an_output_that_is_there_is_kept(trained, tmp_path):
    with pytest.raises(OutputExistsError, match="--overwrite"):
        explain.run(trained.path / "model", output=tmp_path)
    # What is asked of is looked at first.
    with pytest.raises(DataError, match="images"):
        explain.run(trained.path / "images", output=tmp_path)


@pytest.mark.usefixtures("_undrawn")
def test_the_command_line(trained, tmp_path):
    def detcnn(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    arguments = ("explain", trained.path / "model", "-o", tmp_path / "out", "--no-occlusion")
    result = detcnn(*arguments, "--events", "4", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["report"] == str(tmp_path / "out" / "report.html")
    assert told["numbers"]["saliency"] == "4x2x9x9"
    wrong = detcnn(*arguments, "--split", "tset")
    assert (wrong.exit_code, wrong.stdout) == (2, "")


def test_what_is_no_classifier_is_refused_before_any_work(trained_otherwise, tmp_path):
    with pytest.raises(ConfigError, match="has learned regression, and .* classifications alone"):
        explain.run(trained_otherwise, output=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
