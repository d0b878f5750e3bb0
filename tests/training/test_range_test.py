import math

import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.training.loop import FitOptions
from detcnn.training.optimisers import SGD, Adam
from detcnn.training.range_test import RatePoint, iter_range_test, suggest_rate
from detcnn.training.tasks import Classification

TASK = Classification(2)


def search(state, train, **options):
    options = {"options": FitOptions(), "low": 1e-5, "high": 1.0, "n_steps": 9} | options
    return list(iter_range_test(state, TASK, train, **options))


def test_the_rate_rises_by_one_factor_and_the_mean_forgets(new_state, train):
    # An epoch has five steps.
    points = search(new_state(FitOptions()), train)
    rates = [point.learning_rate for point in points]
    np.testing.assert_allclose(rates, 10 ** np.linspace(-5, 0, 9))
    losses = [point.loss for point in points]
    for i, point in enumerate(points):
        memory = 0.9 ** np.arange(i, -1, -1)
        expected = (memory * losses[: i + 1]).sum() / memory.sum()
        assert point.smoothed_loss == pytest.approx(expected)


def test_the_first_step_is_that_of_the_training(new_state, train):
    options = FitOptions(accumulate=2)
    points = search(new_state(options), train, options=options, n_steps=3)
    again = search(new_state(options), train, options=options, n_steps=3)
    assert points == again
    single = search(new_state(FitOptions()), train, n_steps=3)
    assert points[0].loss != single[0].loss


def test_it_stops_where_the_training_falls_apart(new_state, train):
    options = FitOptions(optimiser=SGD(momentum=0.0))
    points = search(new_state(options), train, options=options, high=1e9, n_steps=300)
    assert 10 < len(points) < 300
    assert all(math.isfinite(point.loss) for point in points)


def test_a_rate_is_found_that_trains(new_state, train):
    options = FitOptions(optimiser=Adam())
    points = search(new_state(options), train, options=options, n_steps=100)
    found = suggest_rate(points)
    assert found.suggested == pytest.approx(found.lowest / 10)
    assert 1e-4 < found.suggested < 0.1
    assert found.steepest < found.lowest


def test_a_suggestion_by_hand():
    losses = [5.0, 5.0, 4.9, 4.0, 2.0, 1.5, 1.4, 3.0]
    points = [RatePoint(10.0**i, 0.0, loss) for i, loss in enumerate(losses)]
    found = suggest_rate(points)
    # The fall from 4.9 to 2.
    assert (found.steepest, found.lowest, found.suggested) == (1e3, 1e6, 1e5)


@pytest.mark.parametrize("losses", [[], [1.0, 0.5], [1.0, 2.0, 3.0]])
def test_where_nothing_falls_nothing_is_suggested(losses):
    with pytest.raises(DataError, match="from a lower rate"):
        suggest_rate([RatePoint(1.0, loss, loss) for loss in losses])
