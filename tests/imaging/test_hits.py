import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import as_dense
from detcnn.events.table import EventTable
from detcnn.events.windows import Window
from detcnn.imaging import hits as module
from detcnn.imaging.hits import HitChannel, HitRecipe, project_hits

GRID = Grid(Axis("x", 2, 0.0, 2.0), Axis("y", 3, -3.0, 3.0, unit="mm"))
UP = (Window("z", 0, None),)


def events(offsets, **hits):
    columns = {name: np.array(values, dtype=np.float32) for name, values in hits.items()}
    return EventTable(np.array(offsets), columns, first_row=100)


def test_by_hand():
    table = events(
        [0, 5, 5, 6],
        x=[0.5, 0.5, 1.0, 2.0, 0.0, 1.9],
        y=[-3.0, -2.0, -1.0, 0.0, 1.0, 2.9],
        z=[1, 1, -1, 1, 1, 0],
        t=[5, 3, 7, 1, -2, 4],
    )
    channels = (
        HitChannel("n"),
        HitChannel("up", where=UP),
        *(HitChannel(by, "t", by, unit="ns") for by in ("sum", "mean", "max", "min")),
    )
    projection = project_hits(table, HitRecipe(GRID, ("x", "y"), channels))
    found = as_dense(projection.images).values
    assert found[0].tolist() == [
        [[2, 0, 1], [0, 1, 0]],
        [[2, 0, 1], [0, 0, 0]],
        [[8, 0, -2], [0, 7, 0]],
        [[4, 0, -2], [0, 7, 0]],
        [[5, 0, -2], [0, 7, 0]],
        [[3, 0, -2], [0, 7, 0]],
    ]
    assert not found[1].any()
    assert found[2, :, 1, 2].tolist() == [1, 1, 4, 4, 4, 4]
    # x = 2 is the upper edge, and no longer inside.
    assert projection.n_outside.tolist() == [1, 0, 0]
    only_down = HitChannel("down", where=(Window("z", None, 0),))
    assert project_hits(table, HitRecipe(GRID, ("x", "y"), (only_down,))).n_outside.sum() == 0
    assert channels[1].meaning == "number of hits, z ≥ 0"


def slow(table, recipe):
    """Every pixel of every image by itself."""
    images = np.zeros((table.n_events, *recipe.shape), dtype=np.float32)
    n_outside = np.zeros(table.n_events, dtype=np.int64)
    put = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}
    for event in range(table.n_events):
        at = slice(table.offsets[event], table.offsets[event + 1])
        hits = {name: values[at].astype(np.float64) for name, values in table.constituents.items()}
        used = np.zeros(at.stop - at.start, dtype=bool)
        is_inside = np.ones_like(used)
        for name, axis in zip(recipe.columns, recipe.grid.axes, strict=True):
            is_inside &= (hits[name] >= axis.edges[0]) & (hits[name] < axis.edges[-1])
        for c, channel in enumerate(recipe.channels):
            taken = np.ones_like(used)
            for window in channel.where:
                taken &= window.holds(hits[window.column])
            used |= taken
            weight = np.ones(len(used)) if channel.weight == "count" else hits[channel.weight]
            for pixel in np.ndindex(*recipe.grid.shape):
                here = taken.copy()
                for name, axis, k in zip(recipe.columns, recipe.grid.axes, pixel, strict=True):
                    here &= (hits[name] >= axis.edges[k]) & (hits[name] < axis.edges[k + 1])
                if here.any():
                    images[event, c][pixel] = put[channel.by](weight[here])
        n_outside[event] = np.count_nonzero(used & ~is_inside)
    return images, n_outside


@given(
    lengths=st.lists(st.integers(0, 12), max_size=6),
    n_pixels=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    seed=st.integers(0, 1000),
    at_once=st.integers(1, 30),
)
@settings(max_examples=50, deadline=None)
def test_agrees_with_the_slow_version(lengths, n_pixels, seed, at_once):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    # Whole and half numbers, so that many hits are on edges.
    hits = {name: rng.integers(-4, 9, offsets[-1]) / 2 for name in "xyzq"}
    table = events(offsets, **hits)
    names = tuple("xyz"[: len(n_pixels)])
    recipe = HitRecipe(
        Grid(*(Axis(name, n, -1.0, 3.0) for name, n in zip(names, n_pixels, strict=True))),
        names,
        (
            HitChannel("n"),
            *(HitChannel(by, "q", by, UP) for by in ("sum", "mean", "max", "min")),
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_HITS_AT_ONCE", at_once)
        projection = project_hits(table, recipe)
    images, n_outside = slow(table, recipe)
    np.testing.assert_allclose(as_dense(projection.images).values, images, rtol=1e-6)
    assert projection.n_outside.tolist() == n_outside.tolist()
    assert np.all(projection.images.value != 0)


def test_order_of_hits_plays_no_part():
    rng = np.random.default_rng(0)
    hits = {name: rng.integers(-3, 3, 40).astype(np.float32) for name in "xyt"}
    channels = tuple(HitChannel(by, "t", by) for by in ("sum", "mean", "max", "min"))
    recipe = HitRecipe(GRID, ("x", "y"), channels)
    order = rng.permutation(40)
    first, second = (
        project_hits(EventTable(np.array([0, 40]), columns), recipe).images
        for columns in (hits, {name: values[order] for name, values in hits.items()})
    )
    np.testing.assert_array_equal(first.pixel, second.pixel)
    np.testing.assert_array_equal(first.value, second.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2e30])
def test_what_cannot_be_used_is_named(bad):
    table = events([0, 1, 3], x=[1, 1, 1], y=[0, 0, 0], z=[0, 0, -1], t=[1, 1, bad])
    recipe = HitRecipe(GRID, ("x", "y"), (HitChannel("t", "t"),))
    with pytest.raises(DataError, match=r"event in row 101, hit 1: t is .*, expected a number"):
        project_hits(table, recipe)
    # A channel that leaves the hit out does not mind.
    fine = HitRecipe(GRID, ("x", "y"), (HitChannel("t", "t", where=UP),))
    assert project_hits(table, fine).images.value.tolist() == [1, 1]


def test_positions_that_are_none_are_named():
    table = events([0, 2], x=[1, np.nan], y=[0, 0])
    with pytest.raises(DataError, match="hit 1: x is nan"):
        project_hits(table, HitRecipe(GRID, ("x", "y"), (HitChannel("n"),)))


def test_a_column_that_is_not_there_is_named():
    table = events([0, 1], x=[1], y=[0])
    with pytest.raises(DataError, match="no column 'q' of the hits, .* it has x, y"):
        project_hits(table, HitRecipe(GRID, ("x", "y"), (HitChannel("q", "q"),)))


@pytest.mark.parametrize(
    ("columns", "channels", "message"),
    [
        (("x",), (HitChannel("n"),), "1 columns for 2 axes"),
        (("x", "y"), (), "no channels"),
        (("x", "y"), (HitChannel("n"), HitChannel("n", "q")), "2 channels are named 'n'"),
        (("x", "y"), (HitChannel("n", by="max"),), "the max of a count is always 1"),
    ],
)
def test_recipes_that_cannot_be(columns, channels, message):
    with pytest.raises(ConfigError, match=message):
        HitRecipe(GRID, columns, channels)
