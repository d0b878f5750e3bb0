"""Faults that public jet-image code is known to have, and that no image here may have."""

import json

import numpy as np
import pytest
import torch

from detcnn.config.preprocess import ImageConfig
from detcnn.config.presets import IMAGE_PRESETS, expand_preset
from detcnn.config.train import TrainConfig
from detcnn.events.images import DenseImages, as_dense
from detcnn.events.table import EventTable
from detcnn.imaging.geometric_steps import Crop, Downsample, FlipImage, RotateImage
from detcnn.imaging.image_steps import apply_image_steps
from detcnn.imaging.projection import project
from detcnn.imaging.statistics import pixel_sums
from detcnn.imaging.value_steps import NormaliseImage, ScalePixels, Threshold
from detcnn.models.standardise import Standardise
from detcnn.stages.preprocessing.recipes import build_recipe, image_grid


def recipe_of(preset, **changes):
    section = json.dumps(expand_preset({"preset": preset, **changes}))
    return build_recipe(ImageConfig.model_validate_json(section))


def jets(lengths, *, phi=0.0, seed=1):
    """Return jets of so many constituents about an azimuth, in [-π, π)."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    eta = rng.normal(0, 0.2, n)
    azimuth = phi + rng.normal(0, 0.2, n)
    return EventTable(
        np.cumsum([0, *lengths]),
        {
            "pt": rng.exponential(20, n),
            "eta": eta,
            "rapidity": eta.copy(),
            "phi": (azimuth + np.pi) % (2 * np.pi) - np.pi,
            "pdgid": rng.choice([211, -211, 22, 130, 13], n),
        },
    )


def images_of(table, recipe):
    return as_dense(project(table, recipe).images).values


@pytest.mark.parametrize("preset", IMAGE_PRESETS)
class TestEveryPreset:
    def test_a_jet_astride_pi_looks_like_any_other(self, preset):
        recipe = recipe_of(preset)
        # By whole pixels to just below π, because one preset centres on the nearest pixel, and a
        # full turn is no whole number of them.
        turn = np.pi // recipe.grid.columns.pixel_width * recipe.grid.columns.pixel_width
        here, there = jets([30, 40, 25], phi=-0.12), jets([30, 40, 25], phi=-0.12 + turn)
        azimuths = there.constituents["phi"][:30]
        assert azimuths.min() < -2
        assert azimuths.max() > 2
        expected = images_of(here, recipe)
        assert np.abs(expected).sum(axis=(1, 2, 3)).min() > 0
        np.testing.assert_allclose(images_of(there, recipe), expected, rtol=1e-4, atol=1e-5)

    def test_an_empty_jet_is_a_blank_image_and_harms_no_other(self, preset):
        recipe = recipe_of(preset)
        full = images_of(jets([30, 9, 25]), recipe)
        mixed = images_of(jets([0, 30, 0, 0, 9, 25, 0]), recipe)
        np.testing.assert_array_equal(mixed[[1, 4, 5]], full)
        assert not mixed[[0, 2, 3, 6]].any()
        nothing = project(jets([0, 0]), recipe)
        assert nothing.is_empty.tolist() == [True, True]
        assert project(jets([]), recipe).images.n_images == 0

    def test_a_jet_of_one_constituent_is_an_image(self, preset):
        images = images_of(jets([1]), recipe_of(preset))
        assert np.isfinite(images).all()
        assert images.any()

    def test_the_callers_events_stay_as_they_are(self, preset):
        table = jets([30, 0, 9], phi=3.1)
        before = {name: column.copy() for name, column in table.constituents.items()}
        for column in (table.offsets, *table.constituents.values()):
            column.setflags(write=False)
        project(table, recipe_of(preset))
        for name, column in table.constituents.items():
            np.testing.assert_array_equal(column, before[name])


STEPS = (
    RotateImage("principal_axis"),
    FlipImage("both"),
    NormaliseImage("l2"),
    ScalePixels("log1p"),
    ScalePixels("asinh", 0.1),
    Crop(6, 5),
    Downsample(2, 1),
    Threshold(0.5),
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_the_callers_images_stay_as_they_are(step):
    values = np.random.default_rng(1).random((4, 2, 12, 7), dtype=np.float32)
    before = values.copy()
    options = {"grid": image_grid((2, 12, 7), None), "is_normalised": np.ones(2, dtype=np.bool_)}
    changed = apply_image_steps(DenseImages(values), [step], **options).images
    np.testing.assert_array_equal(values, before)
    assert not np.array_equal(changed.values, before)
    values.setflags(write=False)
    again = apply_image_steps(DenseImages(values), [step, *STEPS], **options).images
    assert not np.shares_memory(again.values, values)


class TestSquares:
    """An image divided by ΣI² in place of its root has squares that add up to 1/ΣI²."""

    def test_of_an_image_normalised_by_l2_add_up_to_one(self):
        images = images_of(jets([30, 9, 25]), recipe_of("deoliveira2016_l2"))
        np.testing.assert_allclose((images**2).sum(axis=(1, 2, 3)), 1, rtol=1e-5)

    def test_of_constituents_normalised_by_l2_add_up_to_one(self):
        recipe = recipe_of("jet_pt", align=[{"step": "normalise", "by": "l2"}])
        images = images_of(jets([30, 9, 25]), recipe)
        np.testing.assert_allclose((images**2).sum(axis=(1, 2, 3)), 1, rtol=1e-5)

    def test_the_scale_of_the_image_does_not_matter(self):
        images = np.random.default_rng(2).random((3, 1, 7, 7), dtype=np.float32)
        options = {"grid": image_grid((1, 7, 7), None), "is_normalised": np.array([True])}
        small, large = (
            apply_image_steps(DenseImages(images * scale), [NormaliseImage("l2")], **options).images
            for scale in (np.float32(1), np.float32(1000))
        )
        np.testing.assert_allclose(large.values, small.values, rtol=1e-5)


class TestStandardisation:
    def test_moves_and_divides_every_channel(self):
        images = project(jets([30] * 200), recipe_of("komiske2017")).images
        sums = pixel_sums(images, np.zeros(200, dtype=np.int64), n_classes=1)
        layer = Standardise.from_statistics(sums.mean, sums.std, floor=1e-5, relative_floor=0.0)
        given = torch.from_numpy(as_dense(images).values)
        before = given.clone()
        found = layer(given).numpy()
        assert torch.equal(given, before)
        expected = (before.numpy() - sums.mean) / (sums.std + 1e-5)
        np.testing.assert_allclose(found, expected, atol=1e-3)
        for channel in range(3):
            is_filled = sums.std[channel] > 0.01
            assert is_filled.any()
            pixels = found[:, channel, is_filled]
            np.testing.assert_allclose(pixels.mean(axis=0), 0, atol=1e-3)
            np.testing.assert_allclose(pixels.std(axis=0), 1, atol=2e-3)

    def test_happens_unless_it_is_switched_off(self):
        options = TrainConfig().standardise
        assert options is not None
        layer = Standardise.from_statistics(
            np.ones((1, 2, 2)),
            np.full((1, 2, 2), 4.0),
            floor=options.floor,
            relative_floor=options.relative_floor,
        )
        assert not torch.equal(layer(torch.full((1, 1, 2, 2), 9.0)), torch.full((1, 1, 2, 2), 9.0))
