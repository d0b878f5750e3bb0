import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.sculpting import jensen_shannon_distance, sculpting

EDGES = np.linspace(0, 1, 11)


def falling(n, seed=0):
    """Masses below 1, more of them at small values, and scores that know nothing of them."""
    rng = np.random.default_rng(seed)
    return rng.beta(1, 2, n), rng.random(n)


def test_the_distance_is_that_of_scipy():
    rng = np.random.default_rng(0)
    p, q = rng.integers(0, 5, (2, 20, 8)).astype(float)
    expected = [jensenshannon(a, b, base=2) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(jensen_shannon_distance(p, q), expected)
    np.testing.assert_allclose(jensen_shannon_distance(7 * q, p), expected)


def test_distances_by_hand():
    assert jensen_shannon_distance([2, 0], [0, 5]) == 1
    assert jensen_shannon_distance([2, 4], [1, 2]) == 0
    # p = (1, 0), q = (½, ½), m = (¾, ¼): ½ log₂(4/3) + ¼ log₂(2/3) + ¼ log₂ 2
    expected = math.sqrt(0.5 * math.log2(4 / 3) + 0.25 * math.log2(2 / 3) + 0.25)
    assert jensen_shannon_distance([1, 0], [1, 1]) == pytest.approx(expected)
    assert math.isnan(jensen_shannon_distance([0, 0], [1, 1]))
    assert jensen_shannon_distance([3, -1], [3, 0]) == 0


def test_a_score_that_is_the_mass_sculpts_all_of_it():
    mass, _ = falling(2000)
    found = sculpting("mass", mass, mass, points=[(0.5, 0.5)], edges=EDGES)
    (cut,) = found.cuts
    assert cut.from_failing.interval.value == 1
    assert cut.from_failing.p_value == pytest.approx(1 / 1001)
    assert cut.from_failing.p_value_text() == "≤ 0.001"
    assert 0.3 < cut.from_all.interval.value < 1
    assert cut.n_events == np.count_nonzero(mass >= 0.5)
    np.testing.assert_array_equal(cut.density[:5], 0)
    np.testing.assert_allclose(found.density.sum() * 0.1, 1)
    np.testing.assert_allclose(cut.density.sum() * 0.1, 1)
    np.testing.assert_allclose(found.density * 200, np.histogram(mass, EDGES)[0])
    np.testing.assert_allclose(found.error * 200, np.sqrt(np.histogram(mass, EDGES)[0]))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_score_that_knows_nothing_of_the_mass_is_compatible_with_zero(weighted):
    p_values, ratios = [], []
    for seed in range(60):
        mass, score = falling(500, seed)
        weights = np.random.default_rng(seed).exponential(size=500) if weighted else None
        found = sculpting(
            "mass", mass, score, points=[(0.5, 0.7)], edges=EDGES, weights=weights,
            n_replicas=200, seed=seed,
        )  # fmt: skip
        (cut,) = found.cuts
        p_values.append(cut.from_failing.p_value)
        ratios.append(cut.from_failing.interval.value / cut.from_failing.expected)
    # Even p-values have the mean ½, with an error of 1/√(12 · 60).
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.13)
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)
    assert min(p_values) > 0.001


def test_the_interval_covers_a_distance_that_is_there():
    # Below ½ three in four fail, above one in four: shares ¼, ¾ of what passes, ¾, ¼ of what fails.
    true = float(jensen_shannon_distance([1, 3], [3, 1]))
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        mass = rng.random(400)
        passes = rng.random(400) < np.where(mass < 0.5, 0.25, 0.75)
        found = sculpting(
            "mass", mass, passes, points=[(0.5, 1)], edges=[0, 0.5, 1], n_replicas=200, seed=seed
        )
        interval = found.cuts[0].from_failing.interval
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
        inside += interval.low <= true <= interval.high
    # 41 of 60 expected, with an error of 3.6.
    assert 31 <= inside <= 51


def test_what_lies_outside_counts_in_the_distance():
    mass = np.array([-1, -1, 2, math.nan, 0.5, 0.5])
    (cut,) = sculpting(
        "mass", mass, [1, 1, 0, 0, 1, 0], points=[(0.5, 1)], edges=[0, 1]
    ).cuts  # fmt: skip
    expected = jensenshannon([2, 1, 0], [0, 1, 2], base=2)
    assert cut.from_failing.interval.value == pytest.approx(expected)
    expected = jensenshannon([2, 1, 0], [2, 2, 2], base=2)
    assert cut.from_all.interval.value == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [math.inf, 2.0])
def test_a_cut_that_nothing_passes_has_no_distance(threshold):
    mass, score = falling(100)
    (cut,) = sculpting("mass", mass, score, points=[(0.1, threshold)], edges=EDGES).cuts
    assert cut.n_events == 0
    assert math.isnan(cut.from_all.interval.value)
    assert math.isnan(cut.from_all.p_value)
    assert np.isnan(cut.density).all()


def test_the_same_seed_gives_the_same_numbers():
    mass, score = falling(100)
    points = [(0.3, 0.7), (0.5, 0.5)]
    first, second, third = (
        sculpting("m", mass, score, points=points, edges=EDGES, seed=seed).cuts
        for seed in (1, 1, 2)
    )
    assert [c.from_all for c in first] == [c.from_all for c in second]
    assert first[0].from_all.interval.low != third[0].from_all.interval.low
    assert first[0].from_all.interval.value == third[0].from_all.interval.value


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"edges": [1, 0]}, ConfigError, "bin edges of 'mass'"),
        ({"values": [[0.5]]}, DataError, "column 'mass' has shape"),
        ({"score": [0.5, 0.5]}, DataError, "score has shape"),
        ({"values": [], "score": []}, DataError, "background has no events"),
    ],
)
def test_what_cannot_be_is_refused(change, error, words):
    given = {"values": [0.5], "score": [0.5], "edges": EDGES, "points": [(0.5, 0.5)], **change}
    with pytest.raises(error, match=words):
        sculpting("mass", given.pop("values"), given.pop("score"), **given)
