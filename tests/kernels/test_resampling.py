import numpy as np
import pytest
from scipy import stats

from detcnn.kernels.binning import BinSums
from detcnn.kernels.resampling import (
    MOST_CELLS,
    MOST_UNITS,
    REPLICAS_AT_ONCE,
    area_replicas,
    event_replicas,
    random_bits,
)

RISES = np.array([20_000, 50_000, 65_000], np.uint16)


def test_random_bits_are_those_of_the_published_generator(reference):
    # The first outputs for the seed 1234567 that its authors' program prints.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [int(random_bits(np.uint64(1234567), np.uint64(i))) for i in range(3)] == published
    for seed, counter in ((0, 0), (2**64 - 1, 17), (99, 1000)):
        found = random_bits(np.uint64(seed), np.uint64(counter))
        assert int(found) == reference.random_bits(seed, counter)


def replicas(unit, cells, weights, n_cells, **options):
    return event_replicas(
        np.array(unit, np.int64),
        np.array(cells, np.int32),
        np.array(weights, np.float64),
        n_cells,
        **{"rises": RISES, "seed": 5, "block": 0, **options},
    )


def test_equals_the_event_by_event_version(reference):
    rng = np.random.default_rng(2)
    unit, cells = [0, 1, 1, 3], rng.integers(0, 6, (4, 2))
    weights = [1.0, -0.5, 2.0, 3.0]
    n_hashes = REPLICAS_AT_ONCE // 4
    words = np.array(
        [
            [
                (reference.random_bits(5, u * n_hashes + j) >> shift) & 0xFFFF
                for j in range(n_hashes)
                for shift in (0, 16, 32, 48)
            ]
            for u in unit
        ]
    )
    expected = reference.event_replicas(words, cells, weights, 6, RISES)
    np.testing.assert_array_equal(replicas(unit, cells, weights, 6), expected)


def test_order_of_events_does_not_matter_and_blocks_differ():
    unit, cells, weights = np.arange(50), np.arange(50)[:, np.newaxis] % 7, np.ones(50)
    expected = replicas(unit, cells, weights, 7)
    order = np.random.default_rng(0).permutation(50)
    np.testing.assert_array_equal(replicas(unit[order], cells[order], weights[order], 7), expected)
    assert (replicas(unit, cells, weights, 7, block=1) != expected).mean() > 0.5


@pytest.mark.parametrize(
    ("unit", "cells", "weights", "message"),
    [
        ([0], [[3]], [1.0], "cells from 3 to 3: expected 0 to 2"),
        ([0], [[-1]], [1.0], "cells from -1"),
        ([MOST_UNITS], [[0]], [1.0], "units from"),
        ([0, 1], [[0]], [1.0], "2 events"),
    ],
)
def test_what_would_be_written_elsewhere_is_refused(unit, cells, weights, message):
    with pytest.raises(ValueError, match=message):
        replicas(unit, cells, weights, 3)


def one_side(total, squares):
    total, squares = np.array([total], np.float64), np.array([squares], np.float64)
    return BinSums(np.zeros(total.shape, np.int64), total, squares)


@pytest.mark.parametrize("mean", [0.3, 4.0, 60.5, 30_000.0])
def test_numbers_drawn_are_poisson_distributed(mean):
    # The area of one bin is one half, of two the share of background behind it and half beside it:
    # 1 − b / (b + c) / 2 with one signal bin, which gives back the ratio of b and c.
    n = 20_000
    area = area_replicas(
        one_side([1e6, 0], [1e6, 0]), one_side([mean, mean], [mean, mean]), n, seed=3
    )
    share = 2 * (1 - area[np.isfinite(area)])
    rng = np.random.default_rng(4)
    b, c = rng.poisson(mean, (2, n))
    expected = (b / np.where(b + c > 0, b + c, 1))[b + c > 0]
    assert np.isnan(area).mean() == pytest.approx(np.exp(-2 * mean), abs=0.02)
    # Rounded, so that equal ratios tie.
    assert stats.ks_2samp(share.round(9), expected.round(9)).pvalue > 1e-3


def test_parts_of_a_bin_are_drawn_apart_and_scaled():
    # Weights of 2 and of −1: mean 200 − 50, variance 400 + 50; the other bin holds 10⁶ ± 10³.
    def side(total, squares):
        return BinSums(np.zeros((2, 2), np.int64), np.array(total), np.array(squares))

    area = area_replicas(
        side([[200.0, 1e6], [-50.0, 0.0]], [[400.0, 1e6], [50.0, 0.0]]),
        side([[0.0, 1e6], [0.0, 0.0]], [[0.0, 1e6], [0.0, 0.0]]),
        20_000,
        seed=1,
    )
    # Area: all of the first bin, and half of the second, over their sum.
    s = 1e6 * (2 * area - 1) / (2 - 2 * area)
    assert s.mean() == pytest.approx(150, abs=0.6)
    assert s.std() == pytest.approx(np.sqrt(450), rel=0.03)


def test_fewer_replicas_are_the_first_of_more():
    sides = one_side([3, 4, 5], [3, 4, 5]), one_side([5, 4, 3], [5, 4, 3])
    np.testing.assert_array_equal(
        area_replicas(*sides, 10, seed=1), area_replicas(*sides, 30, seed=1)[:10]
    )


def test_too_many_cells_are_refused():
    many = np.broadcast_to(0.0, (1, MOST_CELLS // 2 + 1))
    side = BinSums(np.broadcast_to(np.int64(0), many.shape), many, many)
    with pytest.raises(ValueError, match="cells: expected at most"):
        area_replicas(side, side, 1, seed=1)
