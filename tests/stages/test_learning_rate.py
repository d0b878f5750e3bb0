import pytest

from detcnn.errors import OutputExistsError
from detcnn.plotting.style import write_figure
from detcnn.stages import learning_rate
from detcnn.storage.csv_tables import read_csv


@pytest.fixture
def run(trained, load, tmp_path, monkeypatch):
    monkeypatch.setattr(learning_rate, "write_figure", lambda *_: None)

    def run(*overrides, **options):
        study = load(trained, "train.optimiser.learning_rate=1e-3", *overrides)
        options = {"n_steps": 60, "output": tmp_path / "rates"} | options
        return learning_rate.run(study.train, images=trained.path / "images", **options)

    return run


def test_a_search_leaves_a_table_a_figure_and_no_model(run, tmp_path, monkeypatch):
    monkeypatch.setattr(learning_rate, "write_figure", write_figure)
    result = run()
    manifest = result.artifact.manifest
    assert {file.path for file in manifest.payload} == {
        "learning_rates.csv",
        "learning_rates.png",
        "learning_rates.pdf",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["rates"]
    rows = read_csv(result.artifact.path / "learning_rates.csv")
    assert [float(row["learning_rate"]) for row in rows] == [
        point.learning_rate for point in result.points
    ]
    assert manifest.contents["suggested"] == result.suggestion.suggested
    assert manifest.contents["n_steps"] == len(rows)


def test_a_search_is_a_function_of_the_study_but_for_the_rate(run, tmp_path):
    first = run()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        run()
    again = run("train.optimiser.learning_rate=0.5", overwrite=True)
    assert again.points == first.points
    other = run("train.seed=2", overwrite=True)
    assert other.points != first.points
