import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import DataError
from detcnn.kernels import densify as module
from detcnn.kernels.densify import densify, nothing_written
from detcnn.kernels.moves import unmoved

SHAPE = (2, 3, 4)


def store(lengths, seed=0, dtype=np.uint16):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    pixel = [np.sort(rng.choice(24, size=n, replace=False)) for n in lengths]
    pixel = np.concatenate([np.empty(0, dtype), *pixel]).astype(dtype)
    return offsets, pixel, rng.random(len(pixel), dtype=np.float32) + 1


def test_by_hand():
    out = np.full((2, 1, 2, 2), 7, dtype=np.float32)
    densify(
        np.array([0, 2, 2, 3]),
        np.array([0, 3, 1], dtype=np.uint16),
        np.array([1.5, 2.5, 9.0], dtype=np.float32),
        np.array([1, 0]),
        out=out,
    )
    assert out.tolist() == [[[[0, 0], [0, 0]]], [[[1.5, 0], [0, 2.5]]]]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(0, 24), min_size=1, max_size=6),
    choice=st.lists(st.integers(0, 100), max_size=8),
    dtype=st.sampled_from([np.uint16, np.uint32]),
)
def test_equals_the_pixel_by_pixel_version(reference, lengths, choice, dtype):
    lists = store(lengths, dtype=dtype)
    rows = np.array(choice, dtype=np.int64) % len(lengths)
    out = np.full((len(rows), *SHAPE), np.nan, dtype=np.float32)
    densify(*lists, rows, out=out)
    np.testing.assert_array_equal(out, reference.densify(*lists, rows, SHAPE))


@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.parametrize("lengths", [[3], [0, 5, 24, 1], [1] * 40])
@pytest.mark.parametrize("shape", [SHAPE, (1, 30, 41)])
def test_images_written_past_the_caches_are_the_same(monkeypatch, lengths, shape, is_moved):
    lists = store(lengths)
    rows = np.random.default_rng(1).permutation(len(lengths))
    moves = unmoved(len(rows), shape[1:]) if is_moved else None
    near, far = np.full((2, len(rows), *shape), np.nan, dtype=np.float32)
    densify(*lists, rows, out=near, moves=moves)
    monkeypatch.setattr(module, "_CACHED", 0)
    densify(*lists, rows, out=far, moves=moves)
    np.testing.assert_array_equal(near, far)


@pytest.mark.parametrize("row", [-1, 3])
def test_an_image_that_is_not_there(row):
    out = np.empty((2, *SHAPE), dtype=np.float32)
    with pytest.raises(ValueError, match=f"no image {row}: expected 0 to 2"):
        densify(*store([1, 2, 3]), np.array([0, row]), out=out)


@pytest.mark.parametrize(
    ("offsets", "pixel"),
    [([0, 2], [0, 24]), ([0, 3], [0, 1]), ([1, 0], [0, 1]), ([-1, 1], [0, 1])],
)
def test_corrupt_lists_are_named(offsets, pixel):
    out = np.empty((1, *SHAPE), dtype=np.float32)
    with pytest.raises(DataError, match="image 0 of the pixel lists is corrupt"):
        densify(
            np.array(offsets),
            np.array(pixel, dtype=np.uint16),
            np.ones(2, dtype=np.float32),
            np.array([0]),
            out=out,
        )


def test_signed_pixels_are_refused():
    offsets, pixel, value = store([1])
    out = np.empty((1, *SHAPE), dtype=np.float32)
    with pytest.raises(ValueError, match="pixel is int64: expected unsigned"):
        densify(offsets, pixel.astype(np.int64), value, np.array([0]), out=out)


def test_pixels_without_values():
    with pytest.raises(DataError, match="1 pixels but 2 values"):
        densify(
            np.array([0, 1]),
            np.zeros(1, dtype=np.uint16),
            np.ones(2, dtype=np.float32),
            np.array([0]),
            out=np.empty((1, *SHAPE), dtype=np.float32),
        )


@pytest.mark.parametrize(
    "out",
    [
        np.empty((2, *SHAPE), dtype=np.float32),
        np.empty((1, *SHAPE), dtype=np.float64),
        np.empty((1, 2, 4, 3), dtype=np.float32).transpose(0, 1, 3, 2),
    ],
)
def test_a_buffer_that_does_not_fit(out):
    with pytest.raises(ValueError, match="expected C-contiguous float32 with 1 images"):
        densify(*store([1]), np.array([0]), out=out)


def channels_last(n):
    return np.full((n, 3, 4, 2), np.nan, dtype=np.float32).transpose(0, 3, 1, 2)


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(0, 24), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
    is_laid_out=st.booleans(),
)
def test_statistics_and_layout(reference, lengths, seed, is_laid_out):
    lists, rng = store(lengths), np.random.default_rng(seed)
    lists[2][::2] *= -1
    rows = rng.integers(0, len(lengths), 5)
    mean, scale = rng.normal(size=(2, *SHAPE)).astype(np.float32)
    # Of absolute values from 1 to 2, some are above.
    limit = rng.uniform(0.5, 2.5, SHAPE).astype(np.float32)
    statistics = np.stack([mean, scale, limit], axis=-1)
    if is_laid_out:
        statistics = np.ascontiguousarray(statistics.transpose(1, 2, 0, 3)).transpose(2, 0, 1, 3)
    expected = (np.clip(reference.densify(*lists, rows, SHAPE), -limit, limit) - mean) / scale
    for out in (np.empty((5, *SHAPE), dtype=np.float32), channels_last(5)):
        densify(*lists, rows, out=out, statistics=statistics)
        np.testing.assert_array_equal(out, expected)


def test_statistics_that_do_not_fit():
    with pytest.raises(ValueError, match=r"statistics of shape \(2, 3, 4\): expected"):
        densify(
            *store([1]), np.array([0]), out=channels_last(1), statistics=np.ones(SHAPE, np.float32)
        )


@pytest.mark.parametrize("shape", [(1, 70_000, 1), (1, 1, 70_000), (3, 200, 200)])
def test_images_with_more_pixels_than_a_short_number_counts(shape):
    n_pixels = int(np.prod(shape))
    out = np.empty((1, *shape), dtype=np.float32)
    moves = unmoved(1, shape[1:]).then_flip(np.array([True]), np.array([True]))
    pixel = np.array([0, n_pixels - 1], dtype=np.uint32)
    lists = np.array([0, 2]), pixel, np.array([1, 2], dtype=np.float32)
    densify(*lists, np.array([0]), out=out)
    assert np.flatnonzero(out).tolist() == pixel.tolist()
    densify(*lists, np.array([0]), out=out, moves=moves)
    assert out[0, 0, -1, -1] == 1
    assert out[0, -1, 0, 0] == 2
    assert np.count_nonzero(out) == 2


LARGER = (2, 6, 8)
"""Of 96 pixels, one in 32 makes three: images of up to as many are emptied one by one."""


def lists_of(rng, n_most, n_images=6):
    """Return pixel lists in no order, in which a pixel may come twice."""
    lengths = rng.integers(0, n_most, n_images)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pixel = rng.integers(0, 96, offsets[-1]).astype(rng.choice([np.uint16, np.uint32]))
    return offsets, pixel, rng.normal(size=len(pixel)).astype(np.float32)


def random_moves(rng, n):
    moves = unmoved(n, LARGER[1:])
    moves = moves.then_flip(rng.random(n) < 0.5, rng.random(n) < 0.5)
    return moves.then_shift(rng.integers(-3, 4, n), rng.integers(-3, 4, n))


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), is_channels_last=st.booleans(), n_fills=st.integers(2, 8))
def test_a_buffer_that_is_filled_again_equals_a_new_one(seed, is_channels_last, n_fills):
    rng = np.random.default_rng(seed)

    def new(n):
        if is_channels_last:
            return np.full((n, 6, 8, 2), np.nan, dtype=np.float32).transpose(0, 3, 1, 2)
        return np.full((n, *LARGER), np.nan, dtype=np.float32)

    buffer, written, statistics = new(7), nothing_written(7, LARGER), None
    for _ in range(n_fills):
        lists, n = lists_of(rng, n_most=rng.choice([1, 5, 40])), int(rng.integers(0, 8))
        rows = rng.integers(0, 6, n)
        if rng.random() < 0.3:
            written.forget()
            statistics = rng.uniform(0.5, 2, (*LARGER, 3)).astype(np.float32)
        options = {
            "moves": random_moves(rng, n) if rng.random() < 0.5 else None,
            "statistics": statistics,
        }
        expected = new(n)
        densify(*lists, rows, out=expected, **options)
        densify(*lists, rows, out=buffer[:n], written=written.first(n), **options)
        assert buffer[:n].tobytes() == expected.tobytes()


def test_only_what_was_filled_is_emptied():
    lists = (
        np.array([0, 2, 3, 10]),
        np.array([0, 5, 95, 0, 1, 2, 3, 4, 5, 6], dtype=np.uint16),
        np.ones(10, dtype=np.float32),
    )
    buffer, written = np.empty((1, *LARGER), dtype=np.float32), nothing_written(1, LARGER)
    pixels = buffer.reshape(96)

    def fill(image):
        densify(*lists, np.array([image]), out=buffer, written=written)
        return np.flatnonzero(pixels).tolist()

    assert fill(0) == [0, 5]
    pixels[50] = 3
    assert fill(1) == [50, 95]
    written.forget()
    assert fill(1) == [95]
    # Of seven pixels none is remembered.
    assert fill(2) == [0, 1, 2, 3, 4, 5, 6]
    pixels[50] = 3
    assert fill(0) == [0, 5]


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_buffer_is_filled_rightly_after_a_failure(is_moved):
    good = np.array([0, 2, 4]), np.array([0, 1, 2, 3], np.uint16), np.ones(4, np.float32)
    corrupt = np.array([0, 2, 5]), np.array([9, 8, 7, 6, 96], np.uint16), np.ones(5, np.float32)
    buffer, written = np.empty((2, *LARGER), dtype=np.float32), nothing_written(2, LARGER)
    options = {"moves": unmoved(2, LARGER[1:]) if is_moved else None, "written": written}
    densify(*good, np.array([0, 1]), out=buffer, **options)
    with pytest.raises(DataError, match="image 1 of the pixel lists is corrupt"):
        densify(*corrupt, np.array([0, 1]), out=buffer, **options)
    assert written.counts.tolist() == [2, -1]
    with pytest.raises(ValueError, match="no image 2"):
        densify(*good, np.array([0, 2]), out=buffer, **options)
    densify(*good, np.array([1, 0]), out=buffer, **options)
    assert [np.flatnonzero(image).tolist() for image in buffer] == [[2, 3], [0, 1]]


def test_what_is_known_of_another_number_of_images():
    with pytest.raises(ValueError, match="2 images written: expected 1"):
        densify(
            *store([1]),
            np.array([0]),
            out=np.empty((1, *SHAPE), dtype=np.float32),
            written=nothing_written(2, SHAPE),
        )
