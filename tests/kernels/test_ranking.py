import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.kernels.ranking import running_sums

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_by_hand():
    found = running_sums(
        np.array([0.5, 0.9, 0.5, -1.0]),
        np.array([True, False, False, True]),
        np.array([1.0, 2.0, 4.0, -0.5]),
    )
    assert found.value.tolist() == [np.inf, 0.9, 0.5, -1]
    assert found.signal.tolist() == [0, 0, 1, 0.5]
    assert found.background.tolist() == [0, 2, 6, 6]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, -0.0, 0.1, -3.0]) | FINITE, st.booleans(), st.integers(-3, 9)
        )
    )
)
def test_equals_the_event_by_event_version(reference, events):
    value, is_signal, weight = (
        np.array([event[i] for event in events], dtype)
        for i, dtype in enumerate((np.float64, np.bool_, np.float64))
    )
    found = running_sums(value, is_signal, weight)
    for got, expected in zip(found, reference.running_sums(value, is_signal, weight), strict=True):
        # Whole weights, whose sums have no rounding.
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("n", [1_000, 100_000])
@pytest.mark.parametrize("kind", ["spread", "crowded", "over all magnitudes", "few", "equal"])
def test_long_inputs_of_any_spread_equal_those_sorted_by_numpy(kind, n):
    rng = np.random.default_rng(1)
    value = {
        "spread": rng.normal(size=n),
        "crowded": 1 - 10.0 ** rng.uniform(-16, -8, n),
        "over all magnitudes": rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-320, 300, n),
        "few": rng.integers(-3, 4, n) / 3,
        "equal": np.full(n, 0.3),
    }[kind]
    is_signal, weight = rng.random(n) < 0.3, rng.integers(-2, 6, n).astype(np.float64)
    found = running_sums(value, is_signal, weight)
    order = np.argsort(-value, kind="stable")
    last = np.flatnonzero(np.append(np.diff(value[order]) != 0, True))
    np.testing.assert_array_equal(found.value[1:], value[order][last])
    for got, side in ((found.signal, is_signal), (found.background, ~is_signal)):
        np.testing.assert_array_equal(got[1:], np.cumsum((weight * side)[order])[last])


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"shapes \(2,\), \(3,\) and \(2,\)"):
        running_sums(np.zeros(2), np.zeros(3, np.bool_), np.zeros(2))
