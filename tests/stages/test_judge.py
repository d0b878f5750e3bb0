"""What the parts of a judgement are, of scores made up here."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from detcnn.config.evaluate import EvaluateConfig
from detcnn.plotting.report import Section
from detcnn.stages.judging import regression, segmentation
from detcnn.stages.judging.case import Case
from detcnn.stages.judging.judgement import Judgement, named
from detcnn.stages.judging.units import ToldUnits


def case(table, *, classes=("a", "b"), task=None, **options):
    n_events = len(table["label"])
    own = {
        "weight": np.ones(n_events, np.float32),
        "column_event_id": np.arange(n_events),
        "column_source": np.zeros(n_events, np.int64),
    }
    config = EvaluateConfig.model_validate_json(json.dumps({"replicas": 10, **options}))
    store = SimpleNamespace(path="images.zarr", schema=SimpleNamespace(classes=classes))
    return Case(
        config=config,
        task=task or {},
        scores=None,
        store=store,
        frames=None,
        table=own | table,
        units=ToldUnits({}, config.units),
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
    for of, name in ((regression, "regression"), (segmentation, "segmentation")):
        monkeypatch.setattr(of, f"{name}_sections", lambda *_: ())
    monkeypatch.setattr(segmentation, "objects_sections", lambda evaluation: ())
    monkeypatch.setattr(segmentation, "segmentation_display", lambda displays, **of: None)


def test_each_target_keeps_its_numbers_of_each_class():
    numbers = regression.judge(energies([30, 20])).numbers
    assert set(numbers) == {"energy", "depth", "class 0", "class 1"}
    for number, n_events in enumerate((30, 20)):
        of_class = numbers[f"class {number}"]
        assert set(of_class) == {"energy", "depth"}
        for name, judged in of_class.items():
            assert (judged["name"], judged["n_events"]) == (name, n_events)
            assert judged["absolute"]["mean"]["value"] == pytest.approx(number + 1)
    assert numbers["depth"]["n_events"] == 50


def test_images_of_one_class_do_not_tell_it():
    of_one = energies([30])
    table = {name: values for name, values in of_one.table.items() if name != "label"}
    numbers = regression.judge(replace(of_one, table=table)).numbers
    assert numbers["energy"]["n_events"] == 30
    assert numbers["class 0"]["energy"]["n_events"] == 30


def test_classes_of_few_events_are_left_out_with_the_reason():
    bins = [{"column": "energy", "bins": 3, "low": 2}]
    judged = regression.judge(energies([40, 1, 0, 2], efficiency_bins=bins))
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


class Maps:
    """What is said of pixels, as `FrameMaps` tells it."""

    def __init__(self, said, valid, n_classes):
        self.said, self.of_pixels, self.n_classes = said, valid, n_classes

    def iter_ranges(self):
        yield from ((i, i + 1) for i in range(len(self.said)))

    def read(self, start, stop):
        maps = np.stack([self.said[start:stop] == i for i in range(self.n_classes)], axis=1)
        return maps.reshape(stop - start, -1, *maps.shape[3:]).astype(np.float32)

    def classes(self, maps):
        return maps.reshape(len(maps), self.n_classes, -1, *maps.shape[2:]).argmax(axis=1)

    def valid(self, start, stop):
        return self.of_pixels[start:stop]


def objects_of(
    monkeypatch,
    images,
    truth,
    said,
    valid=None,
    classes=("background", "hit"),
    table=None,
    **of_task,
):
    """Judge what was said of pixels, shape (n_events, planes, rows, columns)."""
    valid = np.ones(truth.shape, bool) if valid is None else valid
    monkeypatch.setattr(segmentation, "FrameMaps", lambda *of: Maps(said, valid, len(classes)))
    monkeypatch.setattr(segmentation, "display_section", lambda of, draw, n_events: draw() or ())
    of_table = case(
        table or {"label": np.zeros(len(truth), np.int64)},
        task={"classes": classes, "planes": truth.shape[1], "truth": "mask", **of_task},
        objects=[{"of": classes[1], "value": "charge"}],
    )
    frames = SimpleNamespace(
        images=lambda start, stop: images[start:stop],
        truth=lambda name, start, stop: truth[start:stop],
        first_rows=lambda event_id: np.arange(len(event_id)),
    )
    scores = SimpleNamespace(path=None)
    return segmentation.judge(replace(of_table, frames=frames, scores=scores))


def test_pixels_that_do_not_count_make_no_objects(monkeypatch):
    truth = np.zeros((2, 1, 4, 6), np.float32)
    truth[:, 0, 0, :2] = 1
    said = truth.astype(int)
    truth[:, 0, 2, 2:4] = 255
    said[:, 0, 2, 2:4] = 1
    # Nothing was asked of the last column, where an object would be.
    valid = np.ones(truth.shape, bool)
    valid[..., 5] = False
    truth[:, 0, 0, 5] = said[:, 0, 3, 5] = 1
    judged = objects_of(monkeypatch, np.ones((2, 1, 4, 6), np.float32), truth, said, valid)
    found = judged.numbers["objects hit"]
    assert (found["n_true"], found["n_found"]) == (2, 2)
    assert (found["efficiency"]["value"], found["purity"]["value"]) == (1, 1)


@pytest.mark.parametrize(
    ("n_channels", "of_task", "sums"),
    [
        (2, {"of_channels": True}, (1, 10)),
        (2, {"of_channels": False}, (11, 11)),
        (3, {"of_channels": False}, (111, 111)),
        # Scores of before it was said.
        (2, {}, (1, 10)),
        (3, {}, (111, 111)),
    ],
)
def test_objects_have_the_charge_of_their_plane(monkeypatch, n_channels, of_task, sums):
    images = np.zeros((1, n_channels, 4, 4), np.float32)
    images[:] = np.array([1, 10, 100])[:n_channels, np.newaxis, np.newaxis]
    truth = np.zeros((1, 2, 4, 4), np.float32)
    # At one place in both planes; in the second it is found, and one more in the first.
    truth[0, :, 1, 1] = 1
    said = np.zeros(truth.shape, int)
    said[0, 1, 1, 1] = said[0, 0, 3, 3] = 1
    judged = objects_of(monkeypatch, images, truth, said, **of_task).numbers["objects hit"]
    assert (judged["n_true"], judged["n_found"]) == (2, 2)
    assert (judged["efficiency"]["value"], judged["purity"]["value"]) == (0.5, 0.5)
    edges = judged["efficiency_by_value"]["edges"]
    assert (edges[0], edges[-1]) == pytest.approx((min(sums), max(sums)))


def test_a_class_without_true_objects_is_left_out_with_the_reason(monkeypatch):
    nothing = np.zeros((2, 1, 4, 4), np.float32)
    nothing[1, 0, 0, 0] = 2
    judged = objects_of(
        monkeypatch, nothing, nothing, nothing.astype(int), classes=("background", "hit", "track")
    )
    assert judged.numbers["objects hit"] == {"unjudged": "no true object in 2 events"}
    assert ("hit", "not judged: no true object in 2 events") in judged.headline


def test_events_that_are_shown_have_their_ids(monkeypatch):
    shown = []
    monkeypatch.setattr(
        segmentation, "segmentation_display", lambda displays, **of: shown.extend(displays)
    )
    truth = np.zeros((3, 1, 4, 4), np.float32)
    truth[:, 0, 0, :2] = 1
    said = truth.astype(int)
    said[1, 0, 0, 0] = 0
    table = {"label": np.zeros(3, np.int64), "column_event_id": np.array([70, 71, 72])}
    objects_of(monkeypatch, np.ones(truth.shape, np.float32), truth, said, table=table)
    words = [(one.title.split(":")[0], one.title.split("\n")[1]) for one in shown]
    assert words == [("best", "event 70"), ("median", "event 72"), ("worst", "event 71")]


def test_names_are_said_once_and_as_they_are(monkeypatch):
    def one(name):
        return Judgement(
            title=name,
            numbers={name: 1},
            rows=[{"of": name}],
            sections=(Section(f"Regression: {name}"), Section(f"{name} against its truth")),
            headline=((f"{name}: bias", "0"),),
        )

    same, other = named(one("e_em"), "e_em"), named(one("e_em"), "energy")
    assert [s.title for s in same.sections][:1] == ["Regression: e_em"]
    assert same.headline == (("e_em: bias", "0"),)
    assert [s.title for s in other.sections] == [
        "Regression: e_em: energy",
        "e_em against its truth: energy",
    ]
    assert other.headline == (("energy, e_em: bias", "0"),)
    judged = regression.judge(energies([30, 20], units={"energy": "GeV"}))
    lines = [what for what, _ in judged.headline]
    assert lines[:4] == [
        "energy: bias [GeV]",
        "energy: resolution [GeV]",
        "energy: relative bias",
        "energy: relative resolution",
    ]
