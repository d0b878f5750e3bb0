"""What the parts of a judgement are, of scores made up here."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from detcnn.config.evaluate import EvaluateConfig
from detcnn.stages import judge


def case(table, *, classes=("a", "b"), task=None, **options):
    n_events = len(table["label"])
    own = {
        "weight": np.ones(n_events, np.float32),
        "column_event_id": np.arange(n_events),
        "column_source": np.zeros(n_events, np.int64),
    }
    config = EvaluateConfig.model_validate_json(json.dumps({"replicas": 10, **options}))
    store = SimpleNamespace(path="images.zarr", schema=SimpleNamespace(classes=classes))
    return judge._Case(
        config=config, task=task or {}, scores=None, store=store, frames=None, table=own | table
    )


def energies(n_of_class, **options):
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(len(n_of_class)), n_of_class)
    truth = {name: rng.uniform(1, 9, len(label)) for name in ("energy", "depth")}
    table = {
        "label": label,
        **{f"column_{name}": values for name, values in truth.items()},
        **{f"prediction_{name}": values + label + 1 for name, values in truth.items()},
    }
    return case(
        table,
        classes=[f"class {i}" for i in range(len(n_of_class))],
        task={"targets": ["energy", "depth"]},
        resolution={"by_class": True, "terms": []},
        **options,
    )


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(judge, "regression_sections", lambda evaluation: ())


def test_each_target_keeps_its_numbers_of_each_class():
    numbers = judge._regression(energies([30, 20])).numbers
    assert set(numbers) == {"energy", "depth", "class 0", "class 1"}
    for number, n_events in enumerate((30, 20)):
        of_class = numbers[f"class {number}"]
        assert set(of_class) == {"energy", "depth"}
        for name, judged in of_class.items():
            assert (judged["name"], judged["n_events"]) == (name, n_events)
            assert judged["absolute"]["mean"]["value"] == pytest.approx(number + 1)
    assert numbers["depth"]["depth"]["n_events"] == 50


def test_classes_of_few_events_are_left_out_with_the_reason():
    bins = [{"column": "energy", "bins": 3, "low": 2}]
    judged = judge._regression(energies([40, 1, 0, 2], efficiency_bins=bins))
    for name in ("class 1", "class 2"):
        for of_target in judged.numbers[name].values():
            assert "expected two or more" in of_target["unjudged"]
    assert judged.numbers["class 3"]["energy"]["n_events"] == 2
    assert {row["task"] for row in judged.rows} >= {"class 0", "class 3"}
    assert not {row["task"] for row in judged.rows} & {"class 1", "class 2"}
    assert any(
        what == "class 2, depth" and "not judged: 0" in text for what, text in judged.headline
    )
    assert any("Not judged" in section.lead for section in judged.sections)
