import math
import os
import resource
import tracemalloc

import h5py
import numpy as np
import pytest

from detcnn.artifacts.opening import iter_damaged, open_artifact
from detcnn.errors import ConfigError, DataError, OutputExistsError
from detcnn.events.identity import split_indices
from detcnn.scaleout.pool import run_tasks
from detcnn.stages import preprocess
from detcnn.stages.preprocessing import partitions
from detcnn.storage import writer
from detcnn.storage.reader import open_store

SPLITS = {"train": 0.6, "validation": 0.2, "test": 0.2}


@pytest.fixture
def run(folder, load):
    def run(*overrides, output="images", **options):
        study = load(folder, *overrides)
        return preprocess.run(
            study.preprocess, base=folder.path, output=folder.path / output, **options
        )

    return run


@pytest.fixture
def stored(folder, run):
    """Run and return the store."""

    def stored(*overrides, output="images", **options):
        run(*overrides, output=output, **options)
        return open_store(folder.path / output / "images.zarr")

    return stored


def events(store):
    """Row in the file to (split, image, training weight)."""
    found = {}
    for name, split in store.splits.items():
        images, weight = dense(split.images()), split.training_weight
        for i, row in enumerate(split.column("row")):
            found[row] = (name, images[i], weight[i])
    return found


def dense(images):
    values = np.zeros((images.n_images, math.prod(images.shape)), dtype=np.float32)
    for i in range(images.n_images):
        one = slice(images.offsets[i], images.offsets[i + 1])
        values[i, images.pixel[one]] = images.value[one]
    return values.reshape(-1, *images.shape)


def slow_image(pt, eta, phi, charge):
    """The study's image of one jet, constituent by constituent."""
    total = sum(pt)
    eta_0 = sum(p * e for p, e in zip(pt, eta, strict=True)) / total
    phi_0 = sum(p * f for p, f in zip(pt, phi, strict=True)) / total
    image = np.zeros((2, 9, 9))
    for p, e, f, q in zip(pt, eta, phi, charge, strict=True):
        row, column = math.floor((e - eta_0 + 0.45) / 0.1), math.floor((f - phi_0 + 0.45) / 0.1)
        if 0 <= row < 9 and 0 <= column < 9:
            image[0, row, column] += p / total if q else 0
            image[1, row, column] += 1
    return image


# What is in the store


def test_images_and_columns_equal_a_slow_path(stored, toy_jets):
    jets = toy_jets(300)
    found = events(stored())
    assert len(found) == 300
    for row in (0, 1, 57, 150, 299):
        one = slice(jets["jets/offsets"][row], jets["jets/offsets"][row + 1])
        expected = slow_image(
            *(jets[f"constituents/{name}"][one].tolist() for name in ("pt", "eta", "phi", "charge"))
        )
        np.testing.assert_allclose(found[row][1], expected, rtol=1e-5)


def test_columns_stay_with_their_events(stored, toy_jets):
    jets = toy_jets(300)
    for split in stored().splits.values():
        row = split.column("row")
        np.testing.assert_array_equal(split.label, jets["jets/label"][row])
        np.testing.assert_array_equal(split.column("event_id"), row // 2)
        np.testing.assert_allclose(split.column("pt"), jets["jets/pt"][row], rtol=1e-6)
        n_constituents = np.diff(jets["jets/offsets"])[row]
        np.testing.assert_array_equal(split.column("n_constituents"), n_constituents)


def test_ready_images_are_stored_as_they_are(stored, folder):
    rng = np.random.default_rng(3)
    values = {"A": rng.random((40, 5, 6, 1)), "B": rng.random((60, 5, 6, 1))}
    folder.write(values, "pictures.h5")
    overrides = [
        "preprocess.sources=[{path: pictures.h5}]",
        "preprocess.classes=[A, B]",
        "preprocess.image=null",
        "preprocess.events_per_partition=30",
    ]
    store = stored(*overrides)
    sparse = stored(*overrides, "preprocess.encoding=sparse", output="sparse")
    assert (store.schema.encoding, sparse.schema.encoding) == ("dense", "sparse")
    everything = np.concatenate([values["A"], values["B"]])
    for name, split in store.splits.items():
        # Rows count through the samples of a file.
        expected = everything[split.column("row"), None, :, :, 0].astype(np.float32)
        np.testing.assert_array_equal(split.images().values, expected)
        np.testing.assert_array_equal(dense(sparse.splits[name].images()), expected)
        np.testing.assert_array_equal(split.label, split.column("row") >= 40)


def test_events_of_no_class_are_left_out_and_counted(run, folder, toy_jets):
    jets = toy_jets(300)
    jets["jets/label"][::10] = 7
    folder.write(jets)
    contents = run().artifact.manifest.contents
    assert contents["n_dropped"] == {"label of no class": 30}
    assert sum(n for counts in contents["n_events"].values() for n in counts.values()) == 270


# Splits


def test_jets_of_one_event_are_in_one_split(stored):
    ids = {name: set(split.column("event_id")) for name, split in stored().splits.items()}
    assert all(ids.values())
    assert not ids["train"] & ids["validation"]
    assert not ids["train"] & ids["test"]
    assert not ids["validation"] & ids["test"]


def test_a_larger_sample_keeps_the_split_of_a_smaller_one(stored, folder, toy_jets):
    small = events(stored())
    folder.write(toy_jets(500))
    large = events(stored(output="large"))
    assert len(large) == 500
    assert all(large[row][0] == split for row, (split, _, _) in small.items())


def test_a_split_without_a_share_is_empty(stored):
    share = "preprocess.split={train: 0.7, validation: 0.3, test: 0}"
    store = stored(share)
    assert store.splits["test"].n_events == 0
    assert store.splits["test"].images().n_images == 0


def test_statistics_and_weights_come_from_the_training_split_alone(stored, folder, toy_jets):
    overrides = [
        "preprocess.planing={column: pt, bins: 4, low: 0, high: 400}",
        "preprocess.image.align=[]",
        "preprocess.image.grid.width=6",
    ]

    def changed(which):
        """Make jets of the training split, or all others, harder and drop some quarks of them."""
        jets = toy_jets(300)
        split = split_indices(jets["jets/event_id"], SPLITS)
        chosen = (split == 0) == (which == "train")
        jets["constituents/pt"][np.repeat(chosen, np.diff(jets["jets/offsets"]))] *= 1.5
        jets["jets/pt"][chosen] *= 1.5
        quarks = np.flatnonzero(chosen & (jets["jets/label"] == 1))
        jets["jets/label"][quarks[: len(quarks) // 3]] = 7
        folder.write(jets)
        return learnt(stored(*overrides, output=which))

    def learnt(store):
        return {**store.statistics, "weight": store.splits["train"].training_weight}

    before = learnt(stored(*overrides))
    others, train = changed("others"), changed("train")
    for name, expected in before.items():
        np.testing.assert_array_equal(others[name], expected)
        assert train[name].shape != expected.shape or not np.allclose(train[name], expected)


def test_statistics_are_those_of_the_stored_images(stored):
    store = stored()
    images, label = dense(store.splits["train"].images()), store.splits["train"].label
    np.testing.assert_allclose(store.statistics["mean"], images.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(store.statistics["std"], images.std(axis=0), rtol=1e-4, atol=1e-7)
    for k in (0, 1):
        expected = images[label == k].mean(axis=0)
        np.testing.assert_allclose(store.statistics["class_mean"][k], expected, rtol=1e-5)


def test_classes_weigh_the_same_in_training_and_the_mean_weight_is_one(stored, folder, toy_jets):
    jets = toy_jets(300)
    jets["jets/label"] *= np.arange(300) % 3 == 0
    jets["jets/weight"] = np.random.default_rng(0).random(300)
    folder.write(jets)
    split = stored().splits["train"]
    totals = np.bincount(split.label, weights=split.training_weight)
    np.testing.assert_allclose(totals, split.n_events / 2, rtol=1e-5)
    unbalanced = stored("preprocess.balance_classes=false", output="other").splits["train"]
    ratio = unbalanced.training_weight / unbalanced.weight
    np.testing.assert_allclose(ratio, unbalanced.n_events / unbalanced.weight.sum(), rtol=1e-5)


# Workers, partitions, interruptions


def test_workers_do_not_change_the_digest(run, monkeypatch):
    small = "preprocess.events_per_partition=30"
    one = run(small, workers=1, output="1/images").artifact.manifest
    shared = []

    def share(function, tasks, **options):
        shared.extend(tasks)
        run_tasks(function, tasks, **options)

    monkeypatch.setattr(partitions, "run_tasks", share)
    threads = run(small, workers=2, output="2/images").artifact.manifest
    assert len(shared) == 1
    # So little work is otherwise done before a second process has started.
    monkeypatch.setattr(partitions, "_SECONDS_OF_THREADS", 0.0)
    processes = run(small, workers=2, output="3/images").artifact.manifest
    assert len(shared) > 3
    for other in (threads, processes):
        assert one.digest == other.digest
        assert one.payload == other.payload


def test_partitions_do_not_change_what_an_event_becomes(stored):
    first = stored()
    other = stored("preprocess.events_per_partition=37", output="other")
    expected = events(first)
    for row, (split, image, weight) in events(other).items():
        assert split == expected[row][0]
        np.testing.assert_array_equal(image, expected[row][1])
        assert weight == pytest.approx(expected[row][2], rel=1e-6)
    for name, values in first.statistics.items():
        np.testing.assert_allclose(other.statistics[name], values, rtol=1e-12, atol=1e-12)


def test_killed_at_any_file_operation_it_goes_on_to_the_same_bytes(killed, folder):
    report = killed("preprocess", folder.study, points=3, seed=20261)
    for end in report["killed"]:
        assert end["died"], end
        assert end["digest"] == report["digest"], end
        assert end["left"] == ["output", "result"], end


def test_interrupted_it_keeps_what_is_done(run, Listener, folder):
    def interrupt():
        raise KeyboardInterrupt

    expected = run(output="unbroken/images")
    # One step tells what was there before, and each piece is one.
    with pytest.raises(KeyboardInterrupt):
        run(progress=Listener(at=3, act=interrupt))
    assert not (folder.path / "images").exists()
    listener = Listener()
    result = run(progress=listener)
    assert (result.n_resumed, result.n_partitions) == (2, 3)
    assert listener.said == ["going on: 2 of 3 partitions are done"]
    assert result.artifact.manifest.digest == expected.artifact.manifest.digest


def test_memory_is_set_by_partitions_and_not_by_the_input(folder, run, toy_jets, monkeypatch):
    monkeypatch.setattr(writer, "_EVENTS_PER_CHUNK", 256)
    monkeypatch.setattr(writer, "_PIXELS_PER_CHUNK", 4096)
    monkeypatch.setattr(writer, "_CHUNKS_PER_SHARD", 1)

    def peak(n_jets):
        folder.write(toy_jets(n_jets))
        tracemalloc.start()
        run("preprocess.events_per_partition=250", output=f"images-{n_jets}")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(500)
    assert peak(3000) < 1.5 * peak(750)


def test_many_pieces_need_few_open_files(run):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_open = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 40, hard))
    try:
        result = run("preprocess.events_per_partition=3")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert result.n_partitions == 100


# What cannot be


def nan_pt(jets):
    jets["constituents/pt"][jets["jets/offsets"][271] + 2] = np.nan


def negative_pt(jets):
    jets["constituents/pt"][jets["jets/offsets"][271] + 2] = -1


def one_class(jets):
    jets["jets/label"][:] = 1


def rare_class(jets):
    # Event 5 is in the training split.
    jets["jets/label"][:] = np.arange(300) // 2 != 5


def no_weight(jets):
    jets["jets/weight"] = (jets["jets/label"] == 0).astype(float)


def no_label(jets):
    del jets["jets/label"]


def nothing_in_them(jets):
    jets["constituents/pt"][:] = 0


def no_eta(jets):
    jets["constituents/rapidity"] = jets.pop("constituents/eta")


def as_it_is(jets):
    pass


@pytest.mark.parametrize(
    ("change", "override", "error", "words"),
    [
        (nan_pt, "", DataError, ("jets.h5", "event 135", "constituent 2", "pt is nan")),
        (negative_pt, "", DataError, ("jets.h5", "event 135", "constituent 2", "pt is -1.0")),
        (one_class, "", ConfigError, ("gluon",)),
        (rare_class, "", DataError, ("absent from the validation split", "preprocess.split.salt")),
        (no_weight, "", DataError, ("'quark'", "add up to 0", "more than 0")),
        (nothing_in_them, "image.channels.1.weight=pt", DataError, ("300 images are empty", "pT")),
        (no_eta, "", ConfigError, ("jets.h5", "'eta'", "set longitudinal: rapidity")),
        (no_label, "", ConfigError, ("jets.h5", "nothing tells the class", "columns.label")),
        (as_it_is, "classes=[top, gluon]", ConfigError, ("'top'", "gluon, quark")),
        (as_it_is, "classes={gluon: 0, top: 6}", ConfigError, ("'top'", "6")),
        (as_it_is, "image=null", ConfigError, ("jets.h5", "constituents", "preprocess.image")),
        (as_it_is, "split.train=0.7", ConfigError, ("train 0.7", "1.1")),
        (
            as_it_is,
            "planing={column: mass, low: 0, high: 1}",
            ConfigError,
            ("preprocess.planing.column", "'mass'", "pt"),
        ),
        (
            as_it_is,
            "planing={column: pt, low: 5000, high: 6000}",
            DataError,
            ("planing", "5000", "6000"),
        ),
        (
            as_it_is,
            "sources=[{path: jets.h5}, {path: pictures.h5}]",
            ConfigError,
            ("jets.h5: constituents", "pictures.h5: (1, 5, 6)"),
        ),
        (as_it_is, "sources=[{path: pictures.h5}]", ConfigError, ("leave out preprocess.image",)),
        (as_it_is, "sources=[{path: none.h5}]", DataError, ("none.h5", "no such file")),
        (as_it_is, "sources=[{path: empty.h5}]", DataError, ("empty.h5",)),
        (
            as_it_is,
            "sources=[{path: jets.h5}, {path: unlabelled.h5}]",
            ConfigError,
            ("unlabelled.h5", "nothing tells the class"),
        ),
    ],
)
def test_an_impossible_input_leaves_nothing_behind(
    folder, run, toy_jets, change, override, error, words
):
    jets = toy_jets(300)
    change(jets)
    folder.write(jets)
    folder.write({"A": np.ones((9, 5, 6, 1)), "B": np.ones((9, 5, 6, 1))}, "pictures.h5")
    folder.write(
        {name: v[:1] if "offsets" in name else v[:0] for name, v in jets.items()}, "empty.h5"
    )
    unlabelled = toy_jets(20)
    del unlabelled["jets/label"]
    folder.write(unlabelled, "unlabelled.h5")
    before = sorted(folder.path.iterdir())
    with pytest.raises(error) as caught:
        run(*[f"preprocess.{override}"] * bool(override))
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert sorted(folder.path.iterdir()) == before


def test_an_existing_output_is_refused_and_survives_a_failure(run, folder, toy_jets):
    before = run().artifact.manifest
    with pytest.raises(OutputExistsError, match="--overwrite"):
        run()
    jets = toy_jets(300)
    nan_pt(jets)
    folder.write(jets)
    with pytest.raises(DataError):
        run(overwrite=True)
    artifact = open_artifact(folder.path / "images")
    assert artifact.manifest == before
    assert not list(iter_damaged(artifact))
    folder.write(toy_jets(200))
    assert run(overwrite=True).artifact.manifest.contents["n_read"] == 200
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "images",
        "jets.h5",
        "study.yaml",
    ]


def test_an_update_makes_only_what_would_be_different(run, folder, toy_jets):
    manifest = folder.path / "images" / "manifest.json"
    first = run(update=True).artifact.manifest
    written = manifest.stat().st_mtime_ns
    for overrides in [(), ("train.epochs=7",), ("preprocess.sources.0.path=./jets.h5",)]:
        assert run(*overrides, update=True).artifact.manifest == first
    assert manifest.stat().st_mtime_ns == written
    assert run("preprocess.split.salt=1", update=True).artifact.manifest.digest != first.digest
    folder.write(toy_jets(200))
    assert run(update=True).artifact.manifest.contents["n_read"] == 200


def test_labels_named_differently_need_label_values(stored, folder, toy_jets):
    with_names = folder.write(toy_jets(300))
    without = folder.write(toy_jets(200, seed=1), "unnamed.h5")
    with h5py.File(without, "a") as file:
        del file.attrs["classes"]
    sources = f"preprocess.sources=[{{path: {with_names}}}, {{path: {without}}}]"
    with pytest.raises(ConfigError, match=r"label 0 is called '0' here and 'gluon'.*label value"):
        stored(sources)
    store = stored(sources, "preprocess.classes={gluon: 0, quark: 1}")
    assert sum(split.n_events for split in store.splits.values()) == 500
    assert set(store.splits["train"].column("source")) == {0, 1}
