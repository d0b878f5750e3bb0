import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.evaluation.correlation import pixel_correlation
from detcnn.events.images import DenseImages, as_sparse

SHAPE = (2, 3, 4)


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(200, *SHAPE)).astype(np.float32)
    values[rng.random(values.shape) < 0.8] = 0
    values[:, 0, 1, 1] = 0  # never filled
    values[:, 1, 2, 3] = 7  # always the same
    return values


@pytest.fixture(scope="module")
def score(values):
    return values[:, 0, 0].sum(axis=1) + np.random.default_rng(1).random(200)


def by_numpy(values, score, weights=None):
    """One pixel after the other."""
    found = np.full(SHAPE, np.nan)
    for place in np.ndindex(SHAPE):
        pixel = values[(slice(None), *place)].astype(np.float64)
        if np.ptp(pixel) > 0:
            c = np.cov(pixel, score, aweights=weights, ddof=0)
            found[place] = c[0, 1] / np.sqrt(c[0, 0] * c[1, 1])
    return found


def blocks(images, size):
    for start in range(0, images.n_images, size):
        yield images.slice(start, min(start + size, images.n_images))


@pytest.mark.parametrize("encode", [as_sparse, lambda images: images], ids=["sparse", "dense"])
@pytest.mark.parametrize("size", [1, 64, 1000])
def test_it_is_that_of_numpy(values, score, encode, size):
    found = pixel_correlation(blocks(encode(DenseImages(values)), size), score)
    np.testing.assert_allclose(found.coefficient, by_numpy(values, score), atol=1e-12)
    expected = np.corrcoef(values[:, 0, 0, 0], score)[0, 1]
    assert found.coefficient[0, 0, 0] == pytest.approx(expected)
    assert np.isnan(found.coefficient[0, 1, 1])
    assert np.isnan(found.coefficient[1, 2, 3])
    assert found.noise == pytest.approx(1 / np.sqrt(200))


def test_weights_count(values, score):
    weights = np.random.default_rng(2).random(200)
    found = pixel_correlation([DenseImages(values)], score, weights=weights)
    np.testing.assert_allclose(found.coefficient, by_numpy(values, score, weights), atol=1e-12)
    doubled = pixel_correlation(
        [DenseImages(np.repeat(values, 2, axis=0))],
        np.repeat(score, 2),
        weights=np.repeat(weights, 2) / 7,
    )
    np.testing.assert_allclose(doubled.coefficient, found.coefficient, atol=1e-12)


def test_by_hand():
    images = DenseImages(np.array([0, 1, 2, 5], np.float32).reshape(4, 1, 1, 1))
    assert pixel_correlation([images], [0.1, 0.2, 0.3, 0.6]).coefficient == pytest.approx(1)
    assert pixel_correlation([images], [0.6, 0.5, 0.4, 0.1]).coefficient == pytest.approx(-1)
    # Σ(x − 2)(s − ½) = −2·½ + 1·½ − 0·½ + 3·½ over √(14 · 1)
    found = pixel_correlation([images], [1, 0, 0, 1]).coefficient
    assert found == pytest.approx((-1 + 0.5 + 1.5) / np.sqrt(14))


def test_a_score_that_is_always_the_same_goes_with_nothing(values):
    assert np.isnan(pixel_correlation([DenseImages(values)], np.full(200, 0.3)).coefficient).all()


def test_a_large_pedestal_hides_nothing(values, score):
    raised = values.astype(np.float64) + 1000
    found = pixel_correlation([DenseImages(raised.astype(np.float32))], score)
    np.testing.assert_allclose(found.coefficient, by_numpy(values, score), atol=1e-3)


@pytest.mark.parametrize(
    ("n_scores", "weights", "words"),
    [
        (199, None, "199 scores and another number of images"),
        (201, None, "201 scores and another number of images"),
        (200, np.zeros(200), "do not sum to more than 0"),
        (0, None, "0 scores"),
    ],
)
def test_what_does_not_fit_is_refused(values, n_scores, weights, words):
    with pytest.raises(DataError, match=words):
        pixel_correlation([DenseImages(values)], np.ones(n_scores), weights=weights)
