"""What preprocessing leaves out, and what it does to images once they are pixels."""

import math

import h5py
import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.stages import predict, preprocess, train
from detcnn.storage.reader import open_store
from detcnn.storage.schema import ChannelInfo


@pytest.fixture
def run(folder, load):
    def run(*overrides, output="images", **options):
        study = load(folder, *overrides)
        return preprocess.run(
            study.preprocess, base=folder.path, output=folder.path / output, **options
        ).artifact

    return run


def column(artifact, name):
    """Return a column of all splits, in the order of the input's rows."""
    splits = open_store(artifact.path / "images.zarr").splits.values()
    row = np.concatenate([split.column("row") for split in splits])
    return np.concatenate([split.column(name) for split in splits])[np.argsort(row)]


# Selection


def test_events_outside_are_dropped_and_counted_by_reason(run, toy_jets):
    jets = toy_jets(300)
    pt, n = jets["jets/pt"].astype(np.float32), np.diff(jets["jets/offsets"])
    artifact = run("preprocess.select={pt: [90, 160], n_constituents: [6, null]}")
    is_in_pt = (pt >= 90) & (pt < 160)
    is_kept = is_in_pt & (n >= 6)
    assert 0 < np.count_nonzero(is_kept) < np.count_nonzero(is_in_pt) < 300
    np.testing.assert_array_equal(column(artifact, "row"), np.flatnonzero(is_kept))
    contents = artifact.manifest.contents
    assert contents["n_read"] == 300
    # An event that two windows shut out is counted for the first.
    assert contents["n_dropped"] == {
        "label of no class": 0,
        "pt outside [90, 160)": 300 - np.count_nonzero(is_in_pt),
        "n_constituents below 6": np.count_nonzero(is_in_pt & (n < 6)),
    }


def test_an_event_of_no_class_is_counted_for_that(run, folder, toy_jets):
    jets = toy_jets(300)
    jets["jets/label"][::3] = 2
    folder.write(jets)
    heavy = jets["jets/pt"].astype(np.float32) >= 200
    classes = "preprocess.classes={gluon: 0, quark: 1}"
    artifact = run(classes, "preprocess.select={pt: [null, 200]}")
    assert artifact.manifest.contents["n_dropped"] == {
        "label of no class": 100,
        "pt not below 200": np.count_nonzero(heavy & (jets["jets/label"] < 2)),
    }


def test_observables_can_be_selected_on(run):
    everything = column(run(), "jet_width")
    middle = float(np.median(everything))
    artifact = run(f"preprocess.select={{jet_width: [null, {middle}]}}", output="narrow")
    np.testing.assert_array_equal(column(artifact, "jet_width"), everything[everything < middle])


def test_a_selection_does_not_depend_on_partitions(run):
    select = "preprocess.select={pt: [90, 160]}"
    whole = run(select, "preprocess.events_per_partition=300")
    parts = run(select, "preprocess.events_per_partition=40", output="parts")
    assert whole.manifest.contents["n_dropped"] == parts.manifest.contents["n_dropped"]
    np.testing.assert_array_equal(column(whole, "event_id"), column(parts, "event_id"))


def test_what_is_outside_the_images_counts_for_the_events_that_stay(run):
    narrow = "preprocess.image.grid.width=0.1"
    everything = run(narrow)
    limit = float(np.quantile(column(everything, "jet_width"), 0.7))
    select = f"preprocess.select={{jet_width: [null, {limit}]}}"
    kept = run(narrow, select, output="narrow").manifest.contents
    whole = everything.manifest.contents
    assert 0 < kept["pt_fraction_outside"] < 0.95 * whole["pt_fraction_outside"]
    assert 0 < kept["n_constituents_outside"] < 0.7 * whole["n_constituents_outside"]


def test_a_class_of_which_nothing_is_left_is_named(run, toy_jets):
    # Gluons have at least nine constituents, quarks fewer than ten.
    jets = toy_jets(300)
    n_gluons = np.count_nonzero(jets["jets/label"] == 0)
    message = (
        r"preprocess\.select leaves nothing of class 'gluon' "
        rf"\(n_constituents not below 9: {n_gluons}\): widen it"
    )
    with pytest.raises(DataError, match=message):
        run("preprocess.select={n_constituents: [null, 9]}")


def test_an_unknown_column_is_refused_before_work_starts(run, folder):
    message = r"preprocess\.select: no column 'mas' in the input; there are: .*jet_mass.*, pt, "
    with pytest.raises(ConfigError, match=message):
        run("preprocess.select={mas: [65, 95]}")
    assert [path.name for path in folder.path.iterdir() if "images" in path.name] == []


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("[95, 65]", "preprocess.select.pt: low 95 is not below high 65"),
        ("[65, 65]", "preprocess.select.pt: low 65 is not below high 65"),
        ("[null, null]", "preprocess.select.pt: neither end is given"),
        ("[65]", "'preprocess.select.pt.1' is missing"),
        ("65", "preprocess.select.pt: "),
        ("[65, heavy]", "preprocess.select.pt.1: "),
    ],
)
def test_a_window_that_cannot_be_is_refused(folder, load, window, message):
    with pytest.raises(ConfigError, match=message):
        load(folder, f"preprocess.select={{pt: {window}}}")


# Steps of images

READY = (
    "preprocess.sources=[{path: pictures.h5}]",
    "preprocess.classes=[A, B]",
    "preprocess.image=null",
    "preprocess.events_per_partition=30",
)


@pytest.fixture
def pictures(folder):
    """Write sparse ready images and return them, (image, row, column)."""
    rng = np.random.default_rng(3)
    values = rng.random((100, 8, 6, 1)) * (rng.random((100, 8, 6, 1)) < 0.2)
    values[7] = 0
    folder.write({"A": values[:40], "B": values[40:]}, "pictures.h5")
    return values[..., 0]


def in_order(artifact):
    splits = open_store(artifact.path / "images.zarr").splits.values()
    found = {}
    for split in splits:
        images = split.images()
        for i, row in enumerate(split.column("row")):
            flat = np.zeros(math.prod(images.shape), dtype=np.float32)
            one = slice(images.offsets[i], images.offsets[i + 1])
            flat[images.pixel[one]] = images.value[one]
            found[row] = flat.reshape(images.shape)
    return [found[row] for row in sorted(found)]


def test_ready_images_go_through_their_steps(run, pictures):
    steps = (
        "[{step: crop, pixels: [5, 4]}, {step: flip, axis: rows}, {step: scale, by: sqrt}, "
        "{step: normalise, by: max}]"
    )
    artifact = run(*READY, f"preprocess.image_steps={steps}", "preprocess.encoding=sparse")
    for picture, image in zip(pictures, in_order(artifact), strict=True):
        cut = picture[2:7, 1:5]
        if cut[:2].sum() > cut[3:].sum():
            cut = cut[::-1]
        expected = np.sqrt(cut) / (np.sqrt(cut.max()) or 1)
        np.testing.assert_allclose(image[0], expected, rtol=1e-5, atol=1e-7)
    contents = artifact.manifest.contents
    assert contents["image_shape"] == [1, 5, 4]
    axes = [(axis["name"], axis["low"], axis["high"]) for axis in contents["axes"]]
    assert axes == [("row", 2.0, 7.0), ("column", 1.0, 5.0)]
    meaning = "as in the input file, sqrt, normalised by max"
    assert contents["channels"] == [{"name": "channel_0", "unit": "1", "meaning": meaning}]
    blank = sum(not picture[2:7, 1:5].any() for picture in pictures)
    assert contents["n_empty_images"] == blank > 0


def test_channels_are_those_that_the_file_states(run, folder, pictures):
    with h5py.File(folder.path / "pictures.h5", "a") as file:
        file.attrs["channels"] = ["charge"]
        for name in ("A", "B"):
            file[name].attrs["units"] = "fC"
    scale = "preprocess.image_steps=[{step: scale, by: asinh, unit: 2}]"
    for overrides, unit, meaning in (
        ([], "fC", "as in the input file, in fC"),
        ([scale], "1", "as in the input file, in fC, asinh of multiples of 2 fC"),
    ):
        artifact = run(*READY, *overrides, overwrite=True)
        schema = open_store(artifact.path / "images.zarr").schema
        assert schema.channels == (ChannelInfo("charge", unit, meaning),)


def test_sources_that_state_other_units(run, folder):
    rng = np.random.default_rng(5)
    for name, unit in (("a", "fC"), ("b", None), ("c", "e")):
        folder.write({"images": rng.random((40, 8, 6, 1))}, f"{name}.h5")
        with h5py.File(folder.path / f"{name}.h5", "a") as file:
            if unit is not None:
                file["images"].attrs["units"] = unit

    def sources(*names):
        each = ", ".join(f"{{path: {name}.h5, class: {name}}}" for name in names)
        return [f"preprocess.sources=[{each}]", "preprocess.classes=[]", *READY[2:]]

    schema = open_store(run(*sources("a", "b")).path / "images.zarr").schema
    assert [channel.unit for channel in schema.channels] == ["fC"]
    told = r"c\.h5: the channels are channel_0 \[e\], but those of a\.h5 channel_0 \[fC\]: give"
    with pytest.raises(ConfigError, match=told):
        run(*sources("a", "b", "c"), overwrite=True)


def test_images_of_other_steps_are_other_images(run, folder, load, pictures, tmp_path):
    plain = run(*READY)
    study = load(folder, *READY)
    model = train.run(study.train, images=plain.path, output=tmp_path / "model").artifact
    scaled = run(*READY, "preprocess.image_steps=[{step: scale}]", output="scaled")
    with pytest.raises(DataError, match="channels .* but the model"):
        predict.run(model=model.path, images=scaled.path, split="test", output=tmp_path / "scores")
    flipped = run(*READY, "preprocess.image_steps=[{step: flip}]", output="flipped")
    with pytest.raises(DataError, match=r"image \{'image_steps'.* but the model"):
        predict.run(model=model.path, images=flipped.path, split="test", output=tmp_path / "scores")


def test_the_identity_of_images_tells_blocks_and_units(folder, load):
    def identity(steps):
        study = load(folder, *READY, f"preprocess.image_steps={steps}").preprocess
        return preprocess.image_identity(study, base=folder.path)["image_steps"]

    different = [
        "[{step: downsample, pixels: 2}]",
        "[{step: downsample, pixels: [2, 1]}]",
        "[{step: downsample, pixels: 2, by: mean}]",
        "[{step: scale, by: asinh, unit: 2}]",
        "[{step: scale, by: asinh, unit: 3}]",
        "[{step: scale, by: sqrt}]",
    ]
    told = [identity(steps) for steps in different]
    assert all(told.count(one) == 1 for one in told)
    # As it was before there were units: models of that time take such images.
    assert told[-1] == [{"step": "scale", "by": "sqrt"}]


def test_what_blocks_and_units_mean_is_told(run, pictures):
    steps = "[{step: downsample, pixels: [4, 3]}, {step: scale, by: asinh, unit: 0.5}]"
    contents = run(*READY, f"preprocess.image_steps={steps}").manifest.contents
    (channel,) = contents["channels"]
    of = "as in the input file, sum of 4x3 pixels, asinh of multiples of 0.5"
    assert channel["meaning"] == of
    assert contents["image_shape"] == [1, 2, 2]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            [*READY, "preprocess.image_steps=[{step: rotate, by: second_subjet}]"],
            "preprocess.image_steps: ready images have no subjets: rotate by principal_axis",
        ),
        (
            [*READY, "preprocess.image_steps=[{step: crop, pixels: 7}]"],
            "image_steps: crop to 7x7 pixels: the image has 8x6",
        ),
        (
            [*READY, "preprocess.image_steps=[{step: downsample, pixels: 3}]"],
            "downsample blocks of 3x3 pixels: .* 8x6, which they do not fill: crop it to 6x6 first",
        ),
        (
            ["preprocess.image_steps=[{step: scale}]"],
            "jets.h5: holds constituents: give their image's steps as preprocess.image.image_steps",
        ),
        (
            ["preprocess.image.image_steps=[{step: crop, pixels: 10}]"],
            "image_steps: crop to 10x10 pixels: the image has 9x9",
        ),
    ],
)
def test_steps_that_cannot_be_are_refused(run, pictures, overrides, message):
    with pytest.raises(ConfigError, match=message):
        run(*overrides)


def test_constituents_go_through_a_published_preset(run):
    artifact = run(
        "preprocess.image={preset: deoliveira2016_l2}",
        "preprocess.image.image_steps.2.axis=both",
    )
    contents = artifact.manifest.contents
    assert contents["encoding"] == "dense"
    assert contents["image_shape"] == [1, 25, 25]
    assert contents["image"]["image_steps"][2]["axis"] == "both"
    (channel,) = contents["channels"]
    of = "sum of pT, all constituents, pixels above 0.1 GeV, normalised by l2"
    assert channel["meaning"] == of
    for split in open_store(artifact.path / "images.zarr").splits.values():
        squares = (split.images().values.astype(np.float64) ** 2).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(squares, 1, rtol=1e-5)
