import json

import numpy as np
import pytest
from typer.testing import CliRunner

from detcnn.cli.main import app
from detcnn.errors import ConfigError, DataError, OutputExistsError
from detcnn.events.images import DenseImages, as_dense
from detcnn.kernels import warps
from detcnn.stages import symmetry
from detcnn.storage.csv_tables import read_csv
from detcnn.storage.reader import open_store
from detcnn.training.export import read_model
from detcnn.training.prediction import predict
from detcnn.training.tasks import Classification


def run(trained, output, **options):
    return symmetry.run(trained.path / "model", output=output, **options)


def test_responses_are_those_of_changed_images(trained, tmp_path):
    result = run(trained, tmp_path / "out", name="shift", amounts=(2, -1), n_events=1000)
    assert [r.amount for r in result.responses] == [-1, 0, 2]
    split = open_store(trained.path / "images" / "images.zarr").splits["test"]
    values = as_dense(split.images()).values
    model, task = read_model(trained.path / "model").model, Classification(2)
    own = np.arange(len(values)), split.label
    before = predict(model, task, DenseImages(values))[own]
    moved = warps.shift(values, np.zeros(len(values), int), np.full(len(values), 2))
    change = predict(model, task, DenseImages(moved))[own].astype(float) - before
    assert result.responses[2].mean_change == pytest.approx(change.mean(), abs=1e-6)
    assert result.responses[2].mean_size == pytest.approx(np.abs(change).mean(), abs=1e-6)
    assert result.responses[1].mean_size == 0
    table = read_csv(tmp_path / "out" / "symmetry.csv")
    assert float(table[2]["mean_change"]) == result.responses[2].mean_change
    assert (tmp_path / "out" / "symmetry.png").read_bytes().startswith(b"\x89PNG")
    assert "Response to shift" in result.report.read_text()


@pytest.mark.parametrize("name", ["rotate", "mirror", "zoom"])
def test_every_symmetry_runs(trained, tmp_path, name, monkeypatch):
    monkeypatch.setattr(symmetry, "write_figure", lambda *_: None)
    result = run(trained, tmp_path / "out", name=name, n_events=20)
    told = json.loads((tmp_path / "out" / "symmetry.json").read_text())
    assert len(told["responses"]) == len(result.responses) >= 4
    assert told["performance"] == "AUC"


def test_what_cannot_be_leaves_nothing(trained, tmp_path):
    for options, message in (
        ({"name": "turn"}, "--symmetry turn"),
        ({"name": "zoom", "amounts": (-1,)}, "--amount -1: expected 0.111111 to 9"),
        ({"name": "zoom", "amounts": (1, float("nan"))}, "--amount nan: expected 0.111111 to 9"),
        ({"name": "shift", "amounts": (1e300,)}, "expected a whole number, -9 to 9"),
        ({"name": "boost"}, "--symmetry boost: these images are centred, .* --symmetry shift"),
    ):
        with pytest.raises(ConfigError, match=message):
            run(trained, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_the_command_line(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(symmetry, "write_figure", lambda *_: None)

    def detcnn(*words):
        arguments = ["explain", str(trained.path / "model"), "-o", str(tmp_path / "out"), *words]
        return CliRunner().invoke(app, arguments)

    result = detcnn("--symmetry", "mirror")
    assert result.exit_code == 0, result.stderr
    header, *lines = result.stdout.splitlines()
    assert header.split()[:2] == ["mirror", "AUC"]
    assert [line.split()[0] for line in lines[:4]] == ["as", "rows", "columns", "both"]
    told = json.loads(detcnn("--symmetry", "rotate", "-a", "30", "--overwrite", "--json").stdout)
    assert [row["amount"] for row in told["responses"]] == [0, 30]
    wrong = detcnn("--amount", "3")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "--amount: of which --symmetry?" in wrong.stderr
    for words in (("--layer", "head"), ("--event", "1"), ("--no-occlusion",)):
        wrong = detcnn("--symmetry", "rotate", *words)
        assert (wrong.exit_code, wrong.stdout) == (2, "")
        assert f"{words[0]}: --symmetry has no such option" in wrong.stderr


def test_what_is_no_model_is_told_before_the_output_is_there(trained, tmp_path):
    with pytest.raises(DataError, match="images"):
        symmetry.run(trained.path / "images", name="shift", output=tmp_path)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        run(trained, tmp_path, name="shift")


def test_what_is_no_classifier_is_refused_before_any_work(trained_otherwise, tmp_path):
    with pytest.raises(ConfigError, match="has learned regression, and .* classifications alone"):
        symmetry.run(trained_otherwise, output=tmp_path / "out", name="mirror")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
