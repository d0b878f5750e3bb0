import numpy as np
import pytest

from detcnn.evaluation.export import learned_rows, plain
from detcnn.evaluation.inputs import scored_events
from detcnn.evaluation.learned import evaluate_learned
from detcnn.evaluation.roc import roc_curve
from detcnn.evaluation.working_points import working_points


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 2
    signal = rng.beta(2 + labels, 3 - labels)
    return scored_events(np.stack([1 - signal, signal], axis=1), labels, classes=["bkg", "sig"])


def evaluate(events, columns):
    value = events.scores[:, 1]
    roc = roc_curve(value, events.labels == 1)
    return evaluate_learned(
        events,
        value,
        columns,
        background=["bkg"],
        working_points=working_points(roc, targets=[0.3, 0.5], n_draws=10),
        n_replicas=50,
    )


def test_the_preferred_columns_are_taken(events):
    x = np.random.default_rng(1).random(300)
    names = ["mass", "n_constituents", "jet_mass", "jet_multiplicity", "pt"]
    columns = {name: (i + 1) * x for i, name in enumerate(names)}
    found = evaluate(events, columns)
    assert [profile.column for profile in found.profiles] == ["jet_mass", "jet_multiplicity"]
    assert found.sculpting.column == "jet_mass"
    del columns["jet_mass"], columns["jet_multiplicity"]
    found = evaluate(events, columns)
    assert [profile.column for profile in found.profiles] == ["mass", "n_constituents"]


def test_what_is_not_there_is_left_out(events):
    found = evaluate(events, {"pt": np.ones(300), "mass": np.full(300, np.nan)})
    assert found.profiles == ()
    assert found.sculpting is None
    assert learned_rows(found) == []


def test_only_the_mass_of_the_background_is_looked_at(events):
    mass = np.where(events.labels == 1, 80.0, events.scores[:, 1])
    found = evaluate(events, {"mass": mass})
    assert found.sculpting.n_events == 150
    for cut in found.sculpting.cuts:
        expected = np.count_nonzero((events.labels == 0) & (events.scores[:, 1] >= cut.threshold))
        assert cut.n_events == expected


def test_numbers_have_rows_of_their_own(events):
    found = evaluate(events, {"mass": events.scores[:, 1] * 100})
    rows = learned_rows(found)
    assert [(row["quantity"], row["target"]) for row in rows] == [
        ("sculpting_from_all", 0.3),
        ("sculpting_from_failing", 0.3),
        ("sculpting_from_all", 0.5),
        ("sculpting_from_failing", 0.5),
    ]
    assert rows[0]["value"] == plain(found)["sculpting"]["cuts"][0]["from_all"]["interval"]["value"]
    assert rows[1]["value"] > 0.9
    for row, cut in zip(rows[1::2], found.sculpting.cuts, strict=True):
        assert row["p_value"] == cut.from_failing.p_value < 0.05
