import numpy as np
import pytest
import torch

from detcnn.errors import DataError
from detcnn.events.images import DenseImages
from detcnn.imaging.augmentation import DropPixels, Noise, augment
from detcnn.imaging.geometric_policies import Flip, Shift
from detcnn.seeding import generator
from detcnn.training.prediction import iter_outputs, predict
from detcnn.training.tasks import Classification
from detcnn.training.value_tasks import Regression, Scale
from detcnn.training.variations import Variations


def test_scores_are_those_of_each_image_alone(images, values, new_model):
    model = new_model()
    scores = predict(model, Classification(2), images, batch_size=16)
    assert scores.dtype == np.float32
    with torch.no_grad():
        expected = [model.eval()(torch.from_numpy(values[i : i + 1])).softmax(1) for i in range(50)]
    np.testing.assert_allclose(scores, torch.cat(expected).numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_the_batch_size_changes_rounding_at_most(images, new_model, batch_size):
    scores = predict(new_model(), Classification(2), images, batch_size=batch_size)
    expected = predict(new_model(), Classification(2), images, batch_size=25)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_a_model_in_training_mode_predicts_without_dropout(images, new_model):
    model = new_model().train()
    first = predict(model, Classification(2), images)
    assert np.array_equal(first, predict(model.train(), Classification(2), images))


def test_outputs_carry_no_gradient_and_leave_the_callers_mode_alone(images, new_model):
    for rows, outputs in iter_outputs(new_model(), images, batch_size=20):
        assert len(outputs) == rows.stop - rows.start
        assert not outputs.requires_grad
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


def test_bf16_scores_are_near_and_still_float32(images, new_model):
    exact = predict(new_model(), Classification(2), images)
    near = predict(new_model(), Classification(2), images, precision="bf16")
    assert near.dtype == np.float32
    assert not np.array_equal(near, exact)
    np.testing.assert_allclose(near, exact, atol=0.05)


def test_an_image_that_is_no_number_is_named(values, new_model):
    values[7, 0, 4, 4] = np.nan
    with pytest.raises(DataError, match=r"1 images have scores .* the first is image 7"):
        predict(new_model(), Classification(2), DenseImages(values))


def test_variations_are_averaged(values, images, new_model):
    policies = (Shift(max_pixels=2), Noise())
    variations = Variations(policies=policies, draws=3, seed=4)
    scores = predict(new_model(), Classification(2), images, batch_size=50, variations=variations)
    each = [predict(new_model(), Classification(2), images)]
    for number in (1, 2, 3):
        changed = augment(values, policies, generator(4, "variation", number, 0))
        each.append(predict(new_model(), Classification(2), DenseImages(changed)))
    np.testing.assert_allclose(scores, np.mean(each, axis=0), rtol=1e-5, atol=1e-6)
    assert not np.allclose(scores, each[0], atol=1e-4)


def test_variations_spread_what_is_said_of_a_number(values, images, new_model):
    """σ² of the mixture is the mean of the σ² and the variance of the predictions."""
    task = Regression({"energy": Scale(0.0, 1.0)}, loss="gaussian")
    policies = (Shift(max_pixels=2), Noise())
    variations = Variations(policies=policies, draws=3, seed=4)
    scores = predict(new_model(), task, images, batch_size=50, variations=variations)
    each = [predict(new_model(), task, images)]
    for number in (1, 2, 3):
        changed = augment(values, policies, generator(4, "variation", number, 0))
        each.append(predict(new_model(), task, DenseImages(changed)))
    predicted, sigma = np.moveaxis(each, -1, 0)
    np.testing.assert_allclose(scores[:, 0], predicted.mean(axis=0), rtol=1e-5, atol=1e-6)
    spread = np.sqrt((sigma**2).mean(axis=0) + predicted.var(axis=0))
    np.testing.assert_allclose(scores[:, 1], spread, rtol=1e-5)
    assert not np.allclose(spread, sigma.mean(axis=0), rtol=1e-3)


def test_variations_are_a_function_of_seed_and_place(images, new_model):
    def scores(chosen, seed=4, first_row=0):
        variations = Variations(policies=(Flip(), DropPixels()), draws=2, seed=seed)
        return predict(
            new_model(),
            Classification(2),
            chosen,
            batch_size=10,
            variations=variations,
            first_row=first_row,
        )

    whole = scores(images)
    assert np.array_equal(scores(images), whole)
    np.testing.assert_allclose(scores(images.slice(20, 50), first_row=20), whole[20:], rtol=1e-5)
    assert not np.allclose(scores(images.slice(20, 50)), whole[20:], atol=1e-5)
    assert not np.allclose(scores(images, seed=5), whole, atol=1e-5)
