import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.errors import DataError
from detcnn.evaluation.peaks import peak


def test_the_shortest_interval_by_hand():
    # Three of ten: 4.0, 4.1, 4.2 lie closest together.
    values = [0, 1, 2, 4.0, 4.1, 4.2, 6, 7, 9, 12]
    assert peak(values).value == pytest.approx(4.1)


def test_long_tails_do_not_move_it():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(80.4, 5, 4000), rng.exponential(60, 2000)])
    found = peak(values)
    assert found.value == pytest.approx(80.4, abs=1)
    assert np.median(values) < 79


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    n_covered = 0
    for i in range(60):
        found = peak(rng.normal(0, 1, 400), seed=i, n_replicas=100)
        n_covered += found.low <= 0 <= found.high
    # 68 % of 60 is 41, give or take 3.6.
    assert 28 <= n_covered <= 54


@given(st.floats(-1e3, 1e3), st.floats(0.1, 100))
def test_it_moves_and_scales_with_the_values(shift, scale):
    values = np.random.default_rng(3).gamma(3, 1, 50)
    moved = peak(values * scale + shift, n_replicas=5)
    assert moved.value == pytest.approx(
        peak(values, n_replicas=5).value * scale + shift, rel=1e-6, abs=1e-6 * scale
    )


@pytest.mark.parametrize("values", [[], [1.0] * 9, [1.0] * 10 + [np.nan]])
def test_too_few_or_no_numbers_are_refused(values):
    with pytest.raises(DataError, match=f"a peak of {len(values)} values"):
        peak(values)
