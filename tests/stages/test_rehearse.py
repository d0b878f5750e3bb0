import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.stages import rehearse, train


@pytest.fixture
def run(trained, load):
    def run(*overrides, **options):
        options = {"images": trained.path / "images"} | options
        return rehearse.run(load(trained, *overrides).train, **options)

    return run


def files_in(folder):
    return sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_a_rehearsal_says_what_a_training_would_be(run, trained, load, tmp_path):
    before = files_in(trained.path)
    found = run()
    assert files_in(trained.path) == before
    contents = train.run(
        load(trained, "train.epochs=1").train,
        images=trained.path / "images",
        output=tmp_path / "model",
    ).artifact.manifest.contents
    assert found.n_parameters == found.n_trained == contents["n_parameters"]
    assert found.network == contents["network"]
    assert list(found.image_shape) == contents["image_shape"]
    assert found.n_outputs == 2
    assert found.precision == contents["precision"]
    assert found.n_images["train"] == contents["n_training_events"] == 192
    assert found.n_steps == 6
    assert len(found.losses) == 4
    assert found.images_per_second > 0
    assert found.peak_memory > 2**24
    assert found.seconds_per_epoch == pytest.approx(192 / found.images_per_second)


def test_it_makes_the_steps_that_the_training_would_make(run):
    first, *others = run("train.accumulate=5").losses
    assert len(others) == 1
    assert run("train.accumulate=5").losses == (first, *others)
    assert run("train.batch_size=1000").n_steps == 1
    assert len(run("train.batch_size=1000").losses) == 1


@pytest.mark.parametrize(
    ("override", "error", "words"),
    [
        ("train.network.options.blocks=[{filters: 4, kernel: 12}]", ConfigError, "9x9"),
        ("train.monitor=accurracy", ConfigError, "accuracy"),
        ("train.augment=[{policy: elastic, max_pixels: 5}]", ConfigError, "less than 0.66"),
        ("train.start={model: nowhere}", DataError, "nowhere"),
    ],
)
def test_what_cannot_be_trained_cannot_be_rehearsed(run, override, error, words):
    with pytest.raises(error, match=words):
        run(override)


RESNET = "train.network={name: resnet18, options: {width: 0.1, stem: imagenet}}"


def test_a_lone_last_image_is_normalised_as_in_prediction(run):
    # 192 training images in batches of 191, and maps of one pixel at the end.
    assert len(run(RESNET, "train.batch_size=191").losses) == 2


def test_batches_of_one_image_have_no_statistics(run):
    with pytest.raises(ConfigError, match="batch_size: batches of one image, .*norm: group"):
        run(RESNET, "train.batch_size=1")
    group = RESNET.replace("width", "norm: group, width")
    assert run(group, "train.batch_size=1", "train.max_events=4").losses


def test_a_network_that_reads_filled_pixels(run):
    with pytest.raises(ConfigError, match="standardised images do not tell: set train.standardise"):
        run("train.network={name: particlenet}")
    small = "train.network={name: particlenet, options: {width: 0.1, points: 8, neighbours: 4}}"
    assert run(small, "train.standardise=null", "train.max_events=40").losses


@pytest.mark.parametrize("stages", ["-1", "true"])
def test_stages_that_cannot_be_frozen(run, stages):
    with pytest.raises(ConfigError, match="freeze"):
        run(f"train.start={{model: model, freeze: {stages}}}")
