import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.evaluation.p_values import p_value_text


@pytest.mark.parametrize(
    ("p_value", "least", "text"),
    [
        (0.0625, 2 / 1001, "0.062"),
        (2 / 1001, 2 / 1001, "≤ 0.002"),
        # The conditional test of few survivors may be surer than replicas can be.
        (1e-9, 2 / 1001, "≤ 0.002"),
        (2 / 201, 2 / 201, "≤ 0.01"),
        # Rounded down it would claim more than was found.
        (2 / 1501, 2 / 1501, "≤ 0.0014"),
        (1.0, 2 / 1001, "1"),
        (1.0, 1.0, "≤ 1"),
        (math.nan, 2 / 1001, "–"),
    ],
)
def test_the_text(p_value, least, text):
    assert p_value_text(p_value, least=least) == text


@given(n_replicas=st.integers(1, 10**6), n_beyond=st.integers(0, 10))
def test_only_the_least_is_a_bound_and_never_below_itself(n_replicas, n_beyond):
    least = 1 / (n_replicas + 1)
    text = p_value_text(min(1.0, (1 + n_beyond) * least), least=least)
    assert text.startswith("≤") == (n_beyond == 0)
    if n_beyond == 0:
        bound = float(text.removeprefix("≤ "))
        assert least * (1 - 1e-9) <= bound <= 1.1 * least
        assert np.isfinite(bound)
