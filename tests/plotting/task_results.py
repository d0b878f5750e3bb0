"""Small results of every task, on made-up tracks and showers."""

import numpy as np

from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.localisation import evaluate_localisation
from detcnn.evaluation.multi_label import evaluate_multi_label
from detcnn.evaluation.objects import evaluate_objects, match_objects
from detcnn.evaluation.pixel_regression import evaluate_pixel_regression, sums_of_pixels
from detcnn.evaluation.pixel_scores import evaluate_pixel_scores, pixel_histograms
from detcnn.evaluation.regression import evaluate_regression
from detcnn.evaluation.segmentation import confusion_of_pixels, evaluate_segmentation

CLASSES = ("empty", "track", "shower")
FAST = {"bootstrap": Bootstrap(n_replicas=60)}


def masks(n=60, side=24, *, seed=0):
    """Images with a track and a shower, their classes, and classes that are not quite right."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((n, side, side), np.int64)
    row, column = np.indices((side, side))
    for event in range(n):
        angle, offset = rng.uniform(-0.6, 0.6), rng.uniform(4, side - 4)
        truth[event][np.abs(row - offset - angle * (column - side / 2)) < 0.8] = 1
        centre = rng.uniform(5, side - 5, 2)
        near = np.hypot(row - centre[0], column - centre[1]) < rng.uniform(1, 5)
        truth[event][near & (rng.random(near.shape) < 0.8)] = 2
    image = np.where(truth > 0, rng.gamma(2.0, 1.0, truth.shape) + 0.2, 0.0)
    predicted = np.where(rng.random(truth.shape) < 0.9, truth, rng.integers(0, 3, truth.shape))
    predicted = np.where((image > 0) | (rng.random(truth.shape) < 0.02), predicted, 0)
    return image, truth, predicted, rng


def segmentation():
    image, truth, predicted, rng = masks()
    foreground = truth > 0
    scores = pixel_histograms(rng.beta(1 + 4 * foreground, 4), foreground)
    return evaluate_segmentation(
        confusion_of_pixels(truth, predicted, n_classes=3),
        classes=CLASSES,
        columns={"energy": image.sum(axis=(1, 2))},
        pixel_scores=evaluate_pixel_scores(scores, foreground="track or shower", **FAST),
        **FAST,
    )


def objects():
    image, truth, predicted, _ = masks()
    matched = match_objects(truth == 2, predicted == 2, image, least_pixels=2)
    return evaluate_objects(matched, name="shower", value_name="charge [ke]", **FAST)


def points(n=100, *, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.uniform(2, 22, (n, 4, 2))
    true[rng.random((n, 4)) < 0.3] = np.nan
    found = np.concatenate(
        [true + rng.normal(0, 0.4, true.shape), rng.uniform(0, 24, (n, 1, 2))], 1
    )
    found[:, :4][rng.random((n, 4)) < 0.15] = np.nan
    confidences = np.concatenate([rng.beta(5, 2, (n, 4)), rng.beta(2, 4, (n, 1))], axis=1)
    return true, found, confidences, rng


def localisation():
    true, found, confidences, rng = points()
    return evaluate_localisation(
        true,
        found,
        tolerance=1.5,
        confidences=confidences,
        columns={"density": rng.uniform(0, 1, len(true))},
        **FAST,
    )


def regression(*, with_sigma=True, n=3000):
    rng = np.random.default_rng(0)
    truth = rng.uniform(5, 100, n)
    sigma = truth * np.hypot(0.2 / np.sqrt(truth), 0.03)
    return evaluate_regression(
        truth,
        rng.normal(1.02 * truth, sigma),
        name="energy",
        unit="GeV",
        sigma=0.9 * sigma if with_sigma else None,
        columns={"depth": rng.uniform(0, 1, n)},
        **FAST,
    )


def pixel_regression():
    image, _, _, rng = masks()
    found = image * rng.normal(0.97, 0.2, image.shape)
    return evaluate_pixel_regression(
        sums_of_pixels(image, found),
        name="charge",
        unit="ke",
        columns={"charge": image.sum(axis=(1, 2))},
        **FAST,
    )


def multi_label(n=400):
    rng = np.random.default_rng(0)
    labels = rng.random((n, 3)) < [0.5, 0.2, 0.7]
    return evaluate_multi_label(
        rng.beta(1 + 2 * labels, 2), labels, names=("electron", "muon", "pion"), **FAST
    )
