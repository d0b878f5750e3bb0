import json
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detcnn.artifacts.kinds import IMAGES
from detcnn.artifacts.publishing import build_artifact
from detcnn.errors import ConfigError, DataError
from detcnn.events.images import SparseImages
from detcnn.quality.findings import CHECKS
from detcnn.stages import audit, preprocess
from detcnn.storage.reader import open_store
from detcnn.storage.schema import SPLITS, STORE
from detcnn.storage.writer import SplitWriter, create_store

# Files are written over and over; each example writes its own.
REUSED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12
)


@pytest.fixture
def look(folder):
    """Audit jets, changed as asked."""

    def look(jets, **options):
        folder.write(jets)
        return audit.run(folder.path / "jets.h5", **options)

    return look


def of(found, check):
    return [finding for finding in found.findings if finding.check == check]


def troubles(found):
    return {finding.check for finding in found.findings if finding.severity == "trouble"}


# Files


def test_a_healthy_file_is_looked_at_from_all_sides(look, toy_jets):
    found = look(toy_jets(300))
    assert found.kind == "input file"
    assert found.n_events == 300
    assert found.verdict != "trouble"
    of_truth = {check for check in CHECKS if check.startswith("truth-")}
    made = {finding.check for finding in found.findings}
    assert made == CHECKS.keys() - {"integrity", "leakage"} - of_truth
    (balance,) = of(found, "class-balance")
    n_quarks = int(toy_jets(300)["jets/label"].sum())
    assert balance.message == f"all: gluon {300 - n_quarks}, quark {n_quarks}"
    (ids,) = of(found, "event-ids")
    assert (ids.severity, ids.count) == ("fine", 150)


def set_value(name, value):
    def change(jets, event):
        row = jets["jets/offsets"][event] if name.startswith("constituents") else event
        jets[name][row] = value

    return change


def repeat(jets, event):
    first, last = jets["jets/offsets"][event : event + 2]
    for name in [name for name in jets if name.startswith("constituents")]:
        jets[name] = np.concatenate([jets[name], jets[name][first:last]])
    jets["jets/offsets"] = np.append(jets["jets/offsets"], len(jets["constituents/pt"]))
    for name in [name for name in jets if name.startswith("jets") and "offsets" not in name]:
        jets[name] = np.append(jets[name], jets[name][event])


def empty(jets, event):
    first, last = jets["jets/offsets"][event : event + 2]
    for name in [name for name in jets if name.startswith("constituents")]:
        jets[name] = np.delete(jets[name], np.s_[first:last])
    jets["jets/offsets"][event + 1 :] -= last - first


PLANTED = {
    "nan": set_value("constituents/eta", np.nan),
    "infinity": set_value("constituents/phi", -np.inf),
    "negative": set_value("constituents/pt", -0.5),
    "unreadable": set_value("jets/pt", np.nan),
    "empty-events": empty,
    "duplicates": repeat,
}


@REUSED
@given(
    check=st.sampled_from(sorted(PLANTED)),
    event=st.integers(0, 99),
    at_once=st.sampled_from([7, 64, 1000]),
)
def test_a_planted_fault_is_found_and_named(look, toy_jets, folder, check, event, at_once):
    jets = {name: values.copy() for name, values in toy_jets(100).items()}
    PLANTED[check](jets, event)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "_EVENTS_AT_ONCE", at_once)
        found = look(jets)
    assert troubles(found) == {check}
    (finding,) = [f for f in of(found, check) if f.severity == "trouble"]
    place = f"{folder.path / 'jets.h5'}: jets"
    assert finding.count == 1
    if check == "unreadable":
        # What a reader refuses is named by it.
        assert f"{folder.path / 'jets.h5'}: dataset 'jets/pt', event {event}:" in finding.where
        assert found.n_events == 99
    else:
        assert finding.where.startswith(f"{place}, event {event}")
    if check in ("nan", "infinity", "negative"):
        assert finding.where.endswith(f", event {event}, constituent 0")
        assert "constituents/" in finding.message
    if check == "duplicates":
        assert finding.where == f"{place}, event {event} and {place}, event 100"


def test_wrong_units_are_found(look, toy_jets):
    jets = toy_jets(300)
    jets["constituents/phi"] = np.rad2deg(jets["constituents/phi"])
    jets["jets/pt"] = jets["jets/pt"] * 1000
    found = look(jets)
    assert troubles(found) == {"angle-units", "momentum-units"}
    assert of(found, "angle-units")[0].message.startswith("constituents/phi goes up to ")


def test_an_event_of_another_energy_is_found(look, toy_jets):
    jets = toy_jets(300)
    jets["jets/pt"][41] = 1e9
    found = look(jets)
    (finding,) = of(found, "window")
    assert (finding.severity, finding.count) == ("warning", 1)
    assert ", event 41: 1e+09" in finding.where


def test_truth_and_constants_are_told(look, toy_jets):
    jets = toy_jets(300)
    jets["jets/truth"] = np.where(jets["jets/label"], 21, -3)
    jets["jets/run"] = np.full(300, 7)
    found = look(jets)
    assert "truth (quark: 1.0000)" in of(found, "separating-columns")[0].message
    assert of(found, "constant-columns")[0].message.endswith(": run")
    assert found.verdict == "warning"


def test_trouble_that_is_accepted_is_a_warning(look, toy_jets):
    jets = toy_jets(100)
    repeat(jets, 3)
    jets["constituents/eta"][0] = np.nan
    assert troubles(look(jets, accept=("duplicates",))) == {"nan"}
    found = look(jets, accept=("duplicates", "nan"))
    assert found.verdict == "warning"
    assert of(found, "duplicates")[0].remedy == "known, and accepted"
    with pytest.raises(ConfigError, match="no check is called 'duplicate': expected one of integ"):
        look(jets, accept=("duplicate",))


def test_findings_do_not_depend_on_blocks(look, toy_jets, monkeypatch):
    jets = toy_jets(300)
    for event, plant in ((7, "nan"), (250, "nan"), (90, "duplicates"), (91, "empty-events")):
        PLANTED[plant](jets, event)
    whole = look(jets)
    for at_once in (13, 64):
        monkeypatch.setattr(audit, "_EVENTS_AT_ONCE", at_once)
        assert look(jets) == whole


def test_a_file_without_classes_is_looked_at(look, toy_jets):
    jets = toy_jets(100)
    del jets["jets/label"]
    found = look(jets)
    assert found.verdict != "trouble"
    assert of(found, "class-balance") == []


def test_the_image_decides_what_is_outside(look, toy_jets, folder):
    jets = toy_jets(200)
    jets["constituents/eta"] += np.where(np.arange(len(jets["constituents/eta"])) % 2, 3, -3)
    (finding,) = of(look(jets), "outside-grid")
    assert finding.severity == "warning"
    assert "--preset" in finding.remedy
    (finding,) = of(look(jets, preset="jet_pt"), "outside-grid")
    assert finding.severity == "trouble"
    assert "outside the image of 0.8 in eta by 0.8 in phi" in finding.message


def test_ready_images_are_looked_at(folder):
    values = np.random.default_rng(0).exponential(1, (400, 8, 8, 1)).astype(np.float32)
    folder.write({"A": values[:200], "B": values[200:]}, "pictures.h5")
    path = folder.path / "pictures.h5"
    found = audit.run(path)
    assert found.verdict == "fine"
    assert of(found, "pixel-collisions") == []
    values[3, 2, 5], values[210, 2, 5] = np.inf, -1
    values[4, 1, 6] = 0
    values[201] = values[4]
    values[205] = 0
    values[200:, 1, 6] = 0
    folder.write({"A": values[:200], "B": values[200:]}, "pictures.h5")
    found = audit.run(path)
    assert troubles(found) == {
        "unreadable",
        "negative",
        "duplicates",
        "empty-events",
        "dead-pixels",
    }
    assert "'A', event 3" in of(found, "unreadable")[0].where
    assert of(found, "unreadable")[0].count == 1
    assert of(found, "negative")[0].where == f"{path}: B, event 10, row 2, column 5"
    assert of(found, "duplicates")[0].where == f"{path}: A, event 4 and {path}: B, event 1"
    assert of(found, "duplicates")[0].message.endswith("in several classes")
    assert of(found, "dead-pixels")[0].where == "B, channel channel_0, row 1, column 6"


@pytest.mark.parametrize("name", ["nothing.h5", "text.h5"])
def test_what_cannot_be_read_at_all_is_an_error(folder, name):
    (folder.path / "text.h5").write_text("pt eta phi\n")
    with pytest.raises(DataError, match=name):
        audit.run(folder.path / name)


# Studies


def two_files(folder, toy_jets, *overrides, first=100, second=100):
    """A study of a file a class, of different events unless told otherwise."""
    for name, label, n in (("quark", 1, first), ("gluon", 0, second)):
        jets = toy_jets(n, seed=label + 5)
        del jets["jets/label"]
        jets["jets/event_id"] += 10**6 * label
        folder.write(jets, f"{name}.h5")
    sources = [{"path": f"{name}.h5", "class": name} for name in ("gluon", "quark")]
    return [f"preprocess.sources={json.dumps(sources)}", *overrides]


def test_a_study_is_looked_at_as_a_whole(folder, load, toy_jets):
    study = load(folder, *two_files(folder, toy_jets))
    found = audit.run(folder.study, study=study)
    assert found.kind == "inputs of a study"
    assert found.n_events == 200
    assert found.verdict != "trouble"
    assert [finding.message.split(":")[0] for finding in of(found, "class-balance")] == [
        "train",
        "validation",
        "test",
    ]
    assert of(found, "leakage")[0].severity == "fine"
    assert "0.9 in eta by 0.9 in phi" in of(found, "outside-grid")[0].message


def test_an_event_in_two_files_is_found(folder, load, toy_jets):
    overrides = two_files(folder, toy_jets)
    with (
        h5py.File(folder.path / "gluon.h5") as gluons,
        h5py.File(folder.path / "quark.h5", "r+") as quarks,
    ):
        n_shared = int(gluons["jets/offsets"][1])
        jets = {name: np.asarray(quarks[f"jets/{name}"]) for name in quarks["jets"]}
        constituents = {name: np.asarray(values) for name, values in quarks["constituents"].items()}
        for name, values in constituents.items():
            del quarks[f"constituents/{name}"]
            quarks[f"constituents/{name}"] = np.concatenate(
                [gluons[f"constituents/{name}"][:n_shared], values[jets["offsets"][1] :]]
            )
        quarks["jets/offsets"][1:] = jets["offsets"][1:] - jets["offsets"][1] + n_shared
    found = audit.run(folder.study, study=load(folder, *overrides))
    assert troubles(found) <= {"duplicates", "leakage"}
    (finding,) = [f for f in of(found, "duplicates") if "classes" in f.message]
    places = [f"{folder.path / name}.h5: jets, event 0" for name in ("gluon", "quark")]
    assert finding.where == " and ".join(places)


def test_ids_that_start_anew_in_each_file_are_a_warning(folder, load, toy_jets):
    overrides = two_files(folder, toy_jets)
    with h5py.File(folder.path / "quark.h5", "r+") as file:
        file["jets/event_id"][...] -= 10**6
    found = audit.run(folder.study, study=load(folder, *overrides))
    (finding,) = [f for f in of(found, "event-ids") if f.severity != "fine"]
    assert (finding.severity, finding.count) == ("warning", 150)


def test_files_of_one_source_are_named_each(folder, load, toy_jets):
    jets = toy_jets(100)
    folder.write(jets, "part_a.h5")
    jets["jets/event_id"] += 1000
    jets["constituents/eta"][jets["jets/offsets"][8]] = np.inf
    folder.write(jets, "part_b.h5")
    study = load(folder, "preprocess.sources.0.path=part_*.h5")
    found = audit.run(folder.study, study=study)
    assert of(found, "infinity")[0].where == (
        f"{folder.path / 'part_b.h5'}: jets, event 8, constituent 0"
    )
    (finding,) = [f for f in of(found, "duplicates") if "files" in f.message]
    assert finding.count == 99


def test_a_window_that_the_study_states_is_kept(folder, load, toy_jets):
    pt = toy_jets(300)["jets/pt"]
    n_outside = int(np.count_nonzero((pt < 50) | (pt >= 300)))
    study = load(folder, "audit.window={pt: [50, 300]}")
    found = audit.run(folder.study, study=study)
    (finding,) = of(found, "window")
    assert (finding.severity, finding.count) == ("trouble", n_outside)
    assert "pt outside [50, 300), the window that the study states" in finding.message
    study = load(folder, "audit={window: {pt: [50, 300]}, accept: [window]}")
    assert audit.run(folder.study, study=study).verdict == "warning"


def test_events_that_the_study_drops_are_not_compared(folder, load, toy_jets):
    pt = toy_jets(300)["jets/pt"]
    n_cut = int(np.count_nonzero((pt < 50) | (pt >= 300)))
    study = load(folder, "preprocess.select={pt: [50, 300]}")
    found = audit.run(folder.study, study=study)
    dropped = [f for f in of(found, "window") if "preprocess.select" in f.message]
    assert [(f.severity, f.count) for f in dropped] == [("fine", n_cut)]
    assert sum(finding.count for finding in of(found, "class-balance")) == 300 - n_cut


def test_a_window_of_no_column_is_an_error(folder, load):
    study = load(folder, "audit.window={energy: [1, 2]}")
    with pytest.raises(ConfigError, match="no column 'energy', of which a window"):
        audit.run(folder.study, study=study)


def test_a_window_upside_down_is_an_error(folder, load):
    with pytest.raises(ConfigError, match="pt: 2 is not below 1"):
        load(folder, "audit.window={pt: [2, 1]}")


# Images


@pytest.fixture(scope="module")
def images(make_folder, load):
    folder = make_folder(200)
    study = load(folder, "preprocess.observables=[]")
    preprocess.run(study.preprocess, base=folder.path, output=folder.path / "images")
    return folder.path / "images"


def test_healthy_images_are_looked_at_from_all_sides(images):
    found = audit.run(images)
    assert found.kind == "detcnn images"
    assert found.n_events == 200
    assert found.verdict != "trouble"
    expected = {"integrity", "leakage", "unreadable", "nan", "dead-pixels", "outside-grid"}
    assert {finding.check for finding in found.findings} >= expected
    assert "0.9 in eta by 0.9 in phi" in of(found, "outside-grid")[0].message


def test_a_flipped_bit_is_found(images, tmp_path):
    copy = shutil.copytree(images, tmp_path / "images")
    (shard,) = (copy / STORE / "train" / "images" / "value").rglob("c/0")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    found = audit.run(copy)
    assert troubles(found) == {"integrity", "unreadable"}
    assert of(found, "integrity")[0].where == str(shard)
    assert of(found, "integrity")[0].count == 1


def rewritten(images, folder, change):
    """The same artifact with other contents, published as properly as the first."""
    store = open_store(images / STORE)
    parts = {}
    for name, split in store.splits.items():
        read = split.images()
        parts[name] = {
            "offsets": read.offsets,
            "pixel": read.pixel,
            "value": read.value,
            "label": split.label,
            "weight": split.weight,
            "training_weight": split.training_weight,
            "columns": {column: split.column(column) for column in split.column_names},
        }
    change(parts)
    manifest = json.loads((images / "manifest.json").read_bytes())
    with build_artifact(folder / "changed", kind=IMAGES, identity="x", overwrite=False) as builder:
        group = create_store(builder.folder / STORE, store.schema)
        statistics = group.create_group("statistics")
        for name, values in store.statistics.items():
            statistics.create_array(name, data=values)
        for name in SPLITS:
            part = parts[name]
            writer = SplitWriter(
                group,
                name,
                store.schema,
                n_events=len(part["label"]),
                n_filled=len(part["pixel"]),
                columns={column: values.dtype for column, values in part["columns"].items()},
            )
            writer.append(
                SparseImages(part["offsets"], part["pixel"], part["value"], store.schema.shape),
                label=part["label"],
                weight=part["weight"],
                training_weight=part["training_weight"],
                columns=part["columns"],
            )
            writer.close()
        builder.publish(
            stage="preprocess",
            config={},
            inputs=[],
            contents=manifest["contents"],
            circumstances={},
        )
    return folder / "changed"


def leak(parts):
    """Put the first training event in the place of the first test event."""
    train, test = parts["train"], parts["test"]
    n, m = train["offsets"][1], test["offsets"][1]
    for name in ("pixel", "value"):
        test[name] = np.concatenate([train[name][:n], test[name][m:]])
    test["offsets"][1:] += n - m
    test["label"][0] = train["label"][0]


def share_id(parts):
    parts["test"]["columns"]["event_id"][4] = parts["train"]["columns"]["event_id"][9]


def plant_nan(parts):
    parts["validation"]["value"][0] = np.nan


def plant_weight(parts):
    parts["train"]["training_weight"][3] = np.inf


def plant_label(parts):
    parts["test"]["label"][0] = 5


def test_images_are_rewritten_as_they_were(images, tmp_path):
    path = rewritten(images, tmp_path, lambda parts: None)
    told = [
        [(f.check, f.severity, f.count, f.message) for f in audit.run(artifact).findings]
        for artifact in (path, images)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("change", "check", "where"),
    [
        (leak, "leakage", "train, event 0 and {path}: test, event 0"),
        (share_id, "leakage", "train, event"),
        (plant_nan, "nan", "validation, event 0, row "),
        (plant_weight, "infinity", "train, event 3"),
        (plant_label, "integrity", "test"),
    ],
)
def test_faults_in_published_images_are_found(images, tmp_path, change, check, where):
    path = rewritten(images, tmp_path, change)
    found = audit.run(path)
    # An event in the place of another changes the counts of the classes, too.
    assert check in troubles(found) <= {check, "integrity"}
    (finding,) = [f for f in of(found, check) if f.severity == "trouble"]
    assert finding.where.startswith(f"{path}: {where.format(path=path)}")


def test_charges_may_be_negative_in_images(folder, load):
    channels = [{"name": "q", "weight": "charge"}, {"name": "pt"}]
    study = load(folder, f"preprocess.image.channels={json.dumps(channels)}")
    preprocess.run(study.preprocess, base=folder.path, output=folder.path / "images")
    store = open_store(folder.path / "images" / STORE)
    assert store.splits["train"].images().value.min() < 0
    assert "negative" not in troubles(audit.run(folder.path / "images"))


def test_other_artifacts_are_refused(trained):
    with pytest.raises(DataError, match="holds model, expected images"):
        audit.run(trained.path / "model")


# What is no fault of an event


def with_rapidity(jets):
    return {name.replace("/eta", "/rapidity"): values for name, values in jets.items()}


def test_rapidity_is_looked_at_where_there_is_no_eta(look, toy_jets):
    found = look(with_rapidity(toy_jets(300)))
    assert "unreadable" not in troubles(found)
    (outside,) = of(found, "outside-grid")
    assert "in rapidity" in outside.message


@pytest.mark.parametrize("preset", ["top2019", "komiske2017"])
def test_a_preset_that_the_file_cannot_serve_is_refused(look, toy_jets, preset):
    jets = with_rapidity(toy_jets(300))
    del jets["constituents/charge"]
    told = {"top2019": "'eta'.*set longitudinal: rapidity", "komiske2017": "'charge'"}
    with pytest.raises(ConfigError, match=rf"jets\.h5: .*{told[preset]}"):
        look(jets, preset=preset)


def test_a_study_that_the_file_cannot_serve_is_refused(folder, load, toy_jets):
    folder.write(with_rapidity(toy_jets(300)))
    with pytest.raises(ConfigError, match="set longitudinal: rapidity"):
        audit.run(folder.study, study=load(folder))


# Ids


@pytest.mark.parametrize("n_jets", [30, 300])
def test_all_events_under_one_id_are_trouble(folder, load, look, toy_jets, n_jets):
    jets = toy_jets(n_jets)
    jets["jets/event_id"][:] = 7
    assert "event-ids" in troubles(look(jets))
    found = audit.run(folder.study, study=load(folder))
    assert {"event-ids", "class-balance"} <= troubles(found)
    (first, *_) = [f for f in of(found, "class-balance") if f.severity == "trouble"]
    assert first.message.startswith("no events of gluon in ")


def test_a_split_without_a_share_may_be_empty(folder, load, toy_jets):
    folder.write(toy_jets(300))
    study = load(folder, "preprocess.split={train: 0.8, validation: 0.2, test: 0}")
    assert "class-balance" not in troubles(audit.run(folder.study, study=study))
