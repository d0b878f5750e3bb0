import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from detcnn.evaluation.pairing import best_pairs


def test_by_hand():
    # A chain: to take its middle, which is worth most, costs both ends.
    first, second = np.array([0, 1, 1, 7]), np.array([0, 0, 4, 2])
    chosen = best_pairs(first, second, np.array([2.0, 3.0, 2.0, 0.1]))
    np.testing.assert_array_equal(chosen, [True, False, True, True])
    chosen = best_pairs(first, second, np.array([1.0, 3.0, 1.0, 0.1]))
    np.testing.assert_array_equal(chosen, [False, True, False, True])
    none = np.empty(0, np.int64)
    assert len(best_pairs(none, none, np.empty(0))) == 0


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 14), st.floats(0.02, 1))
def test_equals_the_dense_assignment(seed, n, m, density):
    rng = np.random.default_rng(seed)
    table = np.where(rng.random((n, m)) < density, rng.uniform(0.01, 1, (n, m)), 0)
    first, second = np.nonzero(table)
    order = rng.permutation(len(first))
    first, second = first[order], second[order]
    chosen = best_pairs(first, second, table[first, second])
    rows, columns = optimize.linear_sum_assignment(table, maximize=True)
    kept = table[rows, columns] > 0
    # Of worths drawn at random no two choices are alike.
    assert set(zip(first[chosen], second[chosen], strict=True)) == set(
        zip(rows[kept], columns[kept], strict=True)
    )


def test_a_large_sparse_problem_is_many_small_ones():
    # Dense it would be a table of 10¹⁰ numbers, 80 GB.
    n = 100_000
    first = np.repeat(np.arange(0, n, 50), 2)
    second = first ^ np.tile([0, 1], len(first) // 2)
    worth = np.tile([1.0, 2.0], len(first) // 2)
    np.testing.assert_array_equal(best_pairs(first, second, worth), worth == 2)
