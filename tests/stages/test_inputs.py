"""What a study says of its input files."""

import json
from dataclasses import fields

import pytest

from detcnn.config.loading import check_study, load_study
from detcnn.errors import ConfigError
from detcnn.sources.base import Clustering, Layout, PixelTruth
from detcnn.stages.preprocessing.inputs import input_files, layout_of, open_sources

TOLD = {
    "layout": "lists",
    "class": "QCD",
    "constituents": {"px": "part_px"},
    "offsets": "offsets",
    "columns": {"pt": "jet_pt"},
    "event_id": ["run", "event"],
    "one_hot": ["label_a", "label_b"],
    "hits": {"x": "hit_x"},
    "hit_event": "hit_event",
    "event_number": "number",
    "images": {"A": ""},
    "channels": {"light": "photons", "time": "arrival"},
    "channel_units": {"time": "ns"},
    "axes": ["layer", "eta", "phi"],
    "channels_last": True,
    "pixels": {
        "mask": {"column": "/photons", "classes": ["noise", "signal"], "above": 0.5, "of": "image"}
    },
    "points": {"decays": "places"},
    "units": {"pt": "MeV"},
    "tree": "Events",
    "collection": "FatJet",
    "radius": 0.8,
    "allow_links": True,
    "clustering": {"radius": 1.0, "algorithm": "kt", "min_pt": 20.0, "max_eta": 2, "n_hardest": 2},
}


def source(**told):
    content = {"name": "x", "preprocess": {"sources": [{"path": "a.h5", **told}]}}
    return check_study(content, where="here").preprocess.sources[0]


def test_a_study_can_say_all_there_is_to_say():
    layout = layout_of(source(**TOLD))
    assert layout == Layout(
        kind="lists",
        class_name="QCD",
        constituents={"px": "part_px"},
        offsets="offsets",
        columns={"pt": "jet_pt"},
        event_id=("run", "event"),
        one_hot=("label_a", "label_b"),
        hits={"x": "hit_x"},
        hit_event="hit_event",
        event_number="number",
        images={"A": ""},
        channels={"light": "photons", "time": "arrival"},
        channel_units={"time": "ns"},
        axes=("layer", "eta", "phi"),
        channels_last=True,
        pixels={"mask": PixelTruth("/photons", ("noise", "signal"), 0.5, "image")},
        points={"decays": "places"},
        units={"pt": "MeV"},
        tree="Events",
        collection="FatJet",
        radius=0.8,
        allow_links=True,
        clustering=Clustering(radius=1.0, algorithm="kt", min_pt=20.0, max_eta=2.0, n_hardest=2),
    )
    silent = Layout()
    # Not a matter of the study, but of what is done with it.
    for field in (field for field in fields(Layout) if field.name != "may_lack_truth"):
        assert getattr(layout, field.name) != getattr(silent, field.name), field.name


def test_a_study_that_says_nothing():
    assert layout_of(source()) == Layout()


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"path": []}, "path"),
        ({"path": [3]}, r"path.*found \[?3"),
        ({"clustering": {}}, "clustering.radius' is missing"),
        ({"clustering": {"radius": 0}}, "clustering.radius: .*greater than 0"),
        ({"layout": "heap"}, "'jagged', 'lists', 'padded' or 'images'"),
    ],
)
def test_what_a_study_cannot_say(told, fault):
    with pytest.raises(ConfigError, match=fault):
        source(**told)


def test_files_of_each_source(folder, toy_jets):
    for name in ("a_1.h5", "a_2.h5", "b.h5"):
        folder.write(toy_jets(300), name)
    study = json.loads(folder.study.read_text())
    study["preprocess"]["sources"] = [{"path": ["b.h5", "a_*.h5"]}, {"path": "jets.h5"}]
    folder.study.write_text(json.dumps(study))
    config = load_study(folder.study).preprocess
    files = input_files(config, base=folder.path)
    assert [[path.name for path in paths] for paths in files] == [
        ["b.h5", "a_1.h5", "a_2.h5"],
        ["jets.h5"],
    ]
    sources = open_sources(config, base=folder.path)
    assert [s.samples[0].n_events for s in sources] == [900, 300]
