import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.kernels import warps
from detcnn.kernels.densify import densify
from detcnn.kernels.moves import unmoved

SHAPE = (2, 4, 5)
amounts = st.lists(st.integers(-7, 7), min_size=3, max_size=3)
choices = st.lists(st.booleans(), min_size=3, max_size=3)
changes = st.one_of(
    st.tuples(st.just("shift"), amounts, amounts), st.tuples(st.just("flip"), choices, choices)
)


def pixel_lists():
    """Three images with every pixel filled, each with a value of its own."""
    n = 3 * int(np.prod(SHAPE))
    offsets = np.arange(0, n + 1, n // 3)
    pixel = np.tile(np.arange(n // 3, dtype=np.uint16), 3)
    return offsets, pixel, np.arange(1, n + 1, dtype=np.float32)


def dense(**options):
    out = np.full((3, *SHAPE), np.nan, dtype=np.float32)
    densify(*pixel_lists(), np.arange(3), out=out, **options)
    return out


@settings(deadline=None)
@given(st.lists(changes, max_size=6))
def test_any_sequence_is_that_of_the_dense_operations(sequence):
    expected, moves = dense(), unmoved(3, SHAPE[1:])
    for name, rows, columns in sequence:
        if name == "shift":
            rows, columns = np.array(rows), np.array(columns)
            expected, moves = warps.shift(expected, rows, columns), moves.then_shift(rows, columns)
        else:
            rows, columns = np.array(rows, dtype=bool), np.array(columns, dtype=bool)
            expected, moves = warps.flip(expected, rows, columns), moves.then_flip(rows, columns)
    np.testing.assert_array_equal(dense(moves=moves), expected)


def test_what_has_left_does_not_come_back():
    one = np.array([1, 0, 0])
    moves = unmoved(3, SHAPE[1:]).then_shift(one, 0 * one).then_shift(-one, 0 * one)
    moved = dense(moves=moves)
    assert np.all(moved[0, :, -1] == 0)
    np.testing.assert_array_equal(moved[0, :, :-1], dense()[0, :, :-1])
    np.testing.assert_array_equal(moved[1:], dense()[1:])


def test_an_amount_beyond_all_numbers_is_a_loss_of_all():
    far = np.array([2**63 - 1, -(2**63), 0])
    moves = (
        unmoved(3, SHAPE[1:]).then_flip(far > 0, far > 0).then_shift(far, far).then_shift(far, far)
    )
    moved = dense(moves=moves)
    assert not moved[:2].any()
    np.testing.assert_array_equal(moved[2], dense()[2])


@pytest.mark.parametrize("moves", [unmoved(2, SHAPE[1:]), unmoved(3, (5, 4))])
def test_moves_of_other_images_are_refused(moves):
    with pytest.raises(ValueError, match="moves of"):
        dense(moves=moves)
