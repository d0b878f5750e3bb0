import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Axis, Grid
from detcnn.events.table import EventTable
from detcnn.imaging import projection
from detcnn.imaging.alignment import Centre, Flip, Normalise, Rotate
from detcnn.imaging.channels import Channel
from detcnn.imaging.projection import Recipe, project

GRID = Grid(Axis("eta", 9, -0.45, 0.45), Axis("phi", 7, -0.7, 0.7, unit="rad"))
COLOURS = (
    Channel("charged_pt", "pt", "charged"),
    Channel("neutral_pt", "pt", "neutral"),
    Channel("charged_count", "count", "charged"),
)
KOMISKE = Recipe(
    grid=Grid(Axis("rapidity", 33, -0.4, 0.4), Axis("phi", 33, -0.4, 0.4, unit="rad")),
    channels=COLOURS,
    steps=(Centre("pt_centroid", snap=True), Normalise("l1")),
    longitudinal="rapidity",
)
QUARK_GLUON = Path(__file__).parents[2] / "sample_data" / "quark_gluon.h5"


def table_of(*events, **columns):
    """Build a table from events that are lists of (pt, eta, phi) or (pt, eta, phi, charge)."""
    rows = np.array([c if len(c) == 4 else (*c, 0) for event in events for c in event])
    rows = rows.reshape(-1, 4)
    return EventTable(
        offsets=np.cumsum([0, *map(len, events)]),
        constituents=dict(zip(("pt", "eta", "phi", "charge"), rows.T.copy(), strict=True)),
        columns={name: np.array(column) for name, column in columns.items()},
    )


def random_table(seed, n_events=12, spread=0.15):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 25, n_events)
    lengths[:2] = 0, 1
    n = lengths.sum()
    eta, phi = rng.normal(0, 1, n_events), rng.uniform(-np.pi, np.pi, n_events)
    return EventTable(
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        constituents={
            "pt": rng.exponential(10, n),
            "eta": np.repeat(eta, lengths) + rng.normal(0, spread, n),
            "rapidity": np.repeat(eta, lengths) + rng.normal(0, spread, n),
            "phi": np.repeat(phi, lengths) + rng.normal(0, spread, n),
            "charge": rng.integers(-1, 2, n).astype(np.int8),
            "mass": rng.exponential(0.1, n),
        },
        columns={"eta": eta, "phi": phi, "rapidity": eta},
    )


def dense(images):
    values = np.zeros((images.n_images, int(np.prod(images.shape))), dtype=np.float32)
    for i in range(images.n_images):
        mine = slice(images.offsets[i], images.offsets[i + 1])
        values[i, images.pixel[mine]] = images.value[mine]
    return values.reshape(-1, *images.shape)


RECIPES = {
    "nothing": (),
    "jet_axis": (Centre("jet_axis"),),
    "hardest": (Centre("hardest"), Flip("both", "pt_sum")),
    "centroid": (Centre("pt_centroid"), Flip("both", "hardest"), Normalise("pt_sum")),
    "snapped": (Centre("pt_centroid", snap=True), Normalise("l1")),
    "principal": (
        Centre("pt_centroid"),
        Rotate("principal_axis"),
        Flip("rows"),
        Normalise("l2"),
    ),
    "subjets": (
        Centre("leading_subjet", subjet_radius=0.2),
        Rotate("second_subjet", subjet_radius=0.2),
        Flip("rows"),
        Normalise("max"),
    ),
    "one_subjet": (Centre("leading_subjet", subjet_radius=2.0), Rotate("second_subjet", 2.0)),
    "odd_order": (
        Flip("columns"),
        Centre("jet_axis", snap=True),
        Flip("both", "hardest"),
        Rotate("principal_axis"),
        Centre("hardest"),
        Rotate("principal_axis"),
        Centre("jet_axis"),
        Centre("pt_centroid"),
    ),
}


class TestByHand:
    def test_pixels_and_channels(self):
        recipe = Recipe(GRID, COLOURS)
        jet = [(5.0, 0.0, 0.0, 1), (3.0, 0.02, -0.05, -1), (2.0, -0.44, 0.69, 0), (9, 1, 0, 1)]
        result = project(table_of(jet, []), recipe)
        # Row 4, column 3 is the middle of 9 × 7; (-0.44, 0.69) is row 0, column 6.
        assert result.images.pixel.tolist() == [31, 63 + 6, 126 + 31]
        assert result.images.value.tolist() == [8.0, 2.0, 2.0]
        assert result.images.offsets.tolist() == [0, 3, 3]
        assert result.images.shape == (3, 9, 7)
        assert result.images.pixel.dtype == np.uint16
        assert result.n_outside.tolist() == [1, 0]
        assert result.pt_outside.tolist() == [9.0, 0.0]

    def test_pixels_are_half_open_at_every_edge(self):
        edges = GRID.rows.edges
        result = project(table_of([(1.0, edge, 0.0) for edge in edges]), Recipe(GRID, COLOURS))
        assert result.images.pixel.tolist() == [63 + 7 * row + 3 for row in range(9)]
        assert result.n_outside.tolist() == [1]

    def test_a_constituent_of_no_channel_is_not_outside(self):
        recipe = Recipe(GRID, (Channel("charged_pt", "pt", "charged"),))
        assert project(table_of([(9.0, 1.0, 0.0, 0)]), recipe).n_outside.tolist() == [0]

    def test_charges_that_cancel_leave_no_pixel(self):
        recipe = Recipe(GRID, (Channel("charge", "charge"),))
        result = project(table_of([(1.0, 0, 0, 1), (1.0, 0, 0, -1), (1.0, 0.0, 0, 1)]), recipe)
        assert result.images.value.tolist() == [1.0]
        result = project(table_of([(1.0, 0, 0, 1), (1.0, 0, 0, -1)]), recipe)
        assert result.images.value.tolist() == []

    def test_only_momenta_are_normalised(self):
        recipe = Recipe(GRID, COLOURS, steps=(Normalise("l1"),))
        jet = [(6.0, 0.0, 0.0, 1), (3.0, 0.1, 0.0, 0), (3.0, 0.1, 0.0, -1)]
        image = dense(project(table_of(jet), recipe).images)[0]
        assert image.sum(axis=(1, 2)).tolist() == [0.75, 0.25, 2.0]

    @pytest.mark.parametrize(("by", "norm"), [("pt_sum", 19), ("l1", 7), ("l2", 5), ("max", 4)])
    def test_norms(self, by, norm):
        recipe = Recipe(GRID, COLOURS, steps=(Normalise(by),))
        jet = [(4.0, 0.0, 0.0, 1), (3.0, 0.1, 0.0, 0), (12.0, 2.0, 0.0, 1)]
        image = dense(project(table_of(jet), recipe).images)[0]
        assert image[0].max() == np.float32(4 / norm)
        assert image[1].max() == np.float32(3 / norm)

    def test_an_image_without_momentum_is_left_alone(self):
        recipe = Recipe(GRID, COLOURS, steps=(Normalise("l2"),))
        result = project(table_of([(0.0, 0.0, 0.0, 1)]), recipe)
        assert result.images.pixel.tolist() == [126 + 31]

    def test_no_norm_is_too_small(self):
        recipe = Recipe(GRID, COLOURS, steps=(Normalise("l1"),))
        assert project(table_of([(1e-310, 0.0, 0.0)]), recipe).images.value.tolist() == [1.0]

    def test_constituents_along_the_beam_disturb_no_subjet(self):
        recipe = Recipe(GRID, COLOURS, RECIPES["subjets"])
        jet = [(5.0, 0.1, 0.2, 1), (3.0, 0.1, -0.2, 0), (2.0, 0.2, 0.2, 0)]
        beam = [(1.0, 1e5, 0.0, 0), (0.0, -1e5, 0.0, 0), (1.0, 1e5, 0.1, 0)]
        result = project(table_of(jet, jet + beam), recipe)
        np.testing.assert_array_equal(*dense(result.images))
        assert result.n_outside.tolist() == [0, 3]

    def test_many_pixels_take_a_wider_index(self):
        grid = Grid(Axis("eta", 300, -3, 3), Axis("phi", 300, -3, 3))
        result = project(table_of([(1.0, 2.995, 2.995)]), Recipe(grid, (Channel("pt"),)))
        assert result.images.pixel.dtype == np.uint32
        assert result.images.pixel.tolist() == [89_999]

    def test_energies(self):
        table = table_of([(2.0, 1.0, 0.0)])
        table.constituents["mass"] = np.array([1.5])
        grid = Grid(Axis("eta", 1, -9, 9), Axis("phi", 1, -9, 9))
        channels = (Channel("energy", "energy"),)
        eta = project(table, Recipe(grid, channels))
        assert eta.images.value[0] == pytest.approx(np.sqrt((2 * np.cosh(1)) ** 2 + 2.25))
        table.constituents["rapidity"] = table.constituents.pop("eta")
        rapidity = project(table, Recipe(grid, channels, longitudinal="rapidity"))
        assert rapidity.images.value[0] == pytest.approx(2.5 * np.cosh(1))
        table.constituents["energy"] = np.array([7.0])
        given = project(table, Recipe(grid, channels, longitudinal="rapidity"))
        assert given.images.value[0] == 7.0


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("longitudinal", ["eta", "rapidity"])
def test_equals_the_slow_reference(reference, name, longitudinal):
    channels = (
        *COLOURS,
        Channel("energy", "energy"),
        Channel("charge_pt", "charge_pt"),
        Channel("charge", "charge"),
    )
    recipe = Recipe(GRID, channels, RECIPES[name], longitudinal)
    table = random_table(seed=len(name))
    result = project(table, recipe)
    images, n_outside, pt_outside = reference.project(table, recipe)
    np.testing.assert_allclose(dense(result.images), images, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(result.n_outside, n_outside)
    np.testing.assert_allclose(result.pt_outside, pt_outside)
    for i in range(table.n_events):
        mine = result.images.pixel[result.images.offsets[i] : result.images.offsets[i + 1]]
        assert (np.diff(mine.astype(int)) > 0).all()


@pytest.mark.parametrize("name", RECIPES)
def test_real_jets_equal_the_slow_reference(reference, name):
    with h5py.File(QUARK_GLUON) as file:
        offsets = file["jets/offsets"][:11]
        constituents = {
            name: file["constituents"][name][: offsets[-1]]
            for name in ("pt", "eta", "phi", "pdgid")
        }
        constituents["rapidity"] = file["constituents/y"][: offsets[-1]]
        columns = {"rapidity": file["jets/y"][:10], "phi": file["jets/phi"][:10]}
    table = EventTable(offsets, constituents, columns)
    recipe = replace(KOMISKE, steps=RECIPES[name])
    result = project(table, recipe)
    images, n_outside, _ = reference.project(table, recipe)
    np.testing.assert_allclose(dense(result.images), images, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(result.n_outside, n_outside)


def test_komiske_image_as_its_authors_index_it():
    # Their pixel of a constituent: ceil(x/w - 1/2) - ceil(centroid/w - 1/2) + 16.
    width = 0.8 / 33
    table = random_table(seed=1, n_events=20, spread=0.1)
    images = dense(project(table, KOMISKE).images)
    for event in range(20):
        mine = slice(table.offsets[event], table.offsets[event + 1])
        pt, y, phi, charge = (
            table.constituents[name][mine] for name in ("pt", "rapidity", "phi", "charge")
        )
        expected = np.zeros((3, 33, 33))
        if len(pt) > 0:
            phi = phi[pt.argmax()] + (phi - phi[pt.argmax()] + np.pi) % (2 * np.pi) - np.pi
            phi = phi - 2 * np.pi * np.floor((np.average(phi, weights=pt) + np.pi) / (2 * np.pi))
            for k in range(len(pt)):
                row, column = (
                    int(np.ceil(x[k] / width - 0.5))
                    - int(np.ceil(np.average(x, weights=pt) / width - 0.5))
                    + 16
                    for x in (y, phi)
                )
                if 0 <= row < 33 and 0 <= column < 33:
                    expected[0 if charge[k] else 1, row, column] += pt[k]
                    expected[2, row, column] += bool(charge[k])
            expected[:2] /= expected[:2].sum()
        np.testing.assert_allclose(images[event], expected, rtol=1e-5, atol=1e-7)


CENTRED = ("jet_axis", "hardest", "centroid", "principal", "subjets", "one_subjet")
"""Recipes that centre first, and not on a grid fixed in the detector."""


def changed(table, constituents=None, columns=None):
    return EventTable(
        table.offsets,
        {**table.constituents, **(constituents or {})},
        {**table.columns, **(columns or {})},
    )


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    turn=st.floats(-7, 7),
    name=st.sampled_from(CENTRED),
)
def test_a_turned_jet_is_the_same_jet(seed, turn, name):
    recipe = Recipe(GRID, COLOURS, RECIPES[name])
    table = random_table(seed)
    turned = changed(
        table,
        {"phi": table.constituents["phi"] + turn},
        {"phi": table.columns["phi"] + turn},
    )
    expected, result = project(table, recipe), project(turned, recipe)
    np.testing.assert_array_equal(result.images.pixel, expected.images.pixel)
    np.testing.assert_allclose(result.images.value, expected.images.value, rtol=1e-5)
    np.testing.assert_array_equal(result.n_outside, expected.n_outside)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32), turns=st.integers(-3, 3))
def test_snapping_does_not_know_full_turns(seed, turns):
    table = random_table(seed)
    turned = changed(table, {"phi": table.constituents["phi"] + 2 * np.pi * turns})
    expected, result = project(table, KOMISKE), project(turned, KOMISKE)
    np.testing.assert_array_equal(result.images.pixel, expected.images.pixel)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(RECIPES)))
def test_order_of_the_constituents_does_not_matter(seed, name):
    recipe = Recipe(GRID, COLOURS, RECIPES[name])
    table = random_table(seed)
    rng = np.random.default_rng(seed)
    lengths = np.diff(table.offsets)
    order = np.lexsort((rng.random(table.n_constituents), np.repeat(np.arange(12), lengths)))
    shuffled = changed(table, {n: column[order] for n, column in table.constituents.items()})
    expected, result = project(table, recipe), project(shuffled, recipe)
    np.testing.assert_array_equal(result.images.pixel, expected.images.pixel)
    np.testing.assert_allclose(result.images.value, expected.images.value, rtol=1e-5)


def test_ties_in_pt_do_not_follow_the_order():
    recipe = Recipe(GRID, COLOURS, (Centre("hardest"),))
    jet = [(5.0, 0.2, 0.1, 1), (5.0, 0.0, 0.0, 1), (5.0, 0.2, -0.3, 0)]
    images = project(table_of(jet, jet[::-1]), recipe).images
    np.testing.assert_array_equal(*dense(images))


def test_inputs_are_left_as_they_are():
    table = random_table(seed=3)
    columns = [*table.constituents.values(), *table.columns.values(), table.offsets]
    before = [column.copy() for column in columns]
    for column in columns:
        column.flags.writeable = False
    project(table, Recipe(GRID, COLOURS, RECIPES["subjets"]))
    for column, kept in zip(columns, before, strict=True):
        np.testing.assert_array_equal(column, kept)


def test_single_precision_input():
    table = random_table(seed=4)
    single = changed(
        table,
        {name: column.astype(np.float32) for name, column in table.constituents.items()},
        {name: column.astype(np.float32) for name, column in table.columns.items()},
    )
    back = changed(
        single,
        {name: column.astype(np.float64) for name, column in single.constituents.items()},
        {name: column.astype(np.float64) for name, column in single.columns.items()},
    )
    recipe = Recipe(GRID, COLOURS, RECIPES["principal"])
    same_images(project(single, recipe), project(back, recipe))


def same_images(result, expected):
    np.testing.assert_array_equal(result.images.offsets, expected.images.offsets)
    np.testing.assert_array_equal(result.images.pixel, expected.images.pixel)
    np.testing.assert_array_equal(result.images.value, expected.images.value)
    np.testing.assert_array_equal(result.n_outside, expected.n_outside)
    np.testing.assert_array_equal(result.pt_outside, expected.pt_outside)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("events_at_once", [1, 5, 12])
def test_threads_and_blocks_change_no_bit(monkeypatch, n_threads, events_at_once):
    table = random_table(seed=6)
    recipe = Recipe(GRID, COLOURS, RECIPES["principal"])
    expected = project(table, recipe)
    monkeypatch.setattr(projection, "_EVENTS_AT_ONCE", events_at_once)
    same_images(project(table, recipe, n_threads=n_threads), expected)


def test_compiled_and_plain_kernels_agree(tmp_path):
    script = f"""
import sys
import numpy as np
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_projection import GRID, COLOURS, RECIPES, Recipe, project, random_table
images = project(random_table(8, n_events=6), Recipe(GRID, COLOURS, RECIPES["subjets"])).images
np.savez({str(tmp_path / "plain.npz")!r}, pixel=images.pixel, value=images.value)
"""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    recipe = Recipe(GRID, COLOURS, RECIPES["subjets"])
    expected = project(random_table(8, n_events=6), recipe).images
    with np.load(tmp_path / "plain.npz") as plain:
        np.testing.assert_array_equal(plain["pixel"], expected.pixel)
        np.testing.assert_allclose(plain["value"], expected.value, rtol=1e-6)


@pytest.mark.parametrize("n_pixels", [8, 64, 300])
@pytest.mark.parametrize("n_selections", [1, 3, 9])
def test_grids_and_selections_of_any_number(reference, n_pixels, n_selections):
    """Bits end within words and with them, and those of many events or of one are in the cache."""
    table = random_table(seed=n_pixels, n_events=40)
    table.constituents["pdgid"] = np.random.default_rng(1).integers(
        1, 10, len(table.constituents["pt"])
    )
    # No edge at 0, where a single constituent comes to lie but for rounding.
    grid = Grid(Axis("eta", n_pixels, -0.41, 0.4), Axis("phi", n_pixels, -0.4, 0.41, unit="rad"))
    channels = [
        Channel(f"{weight} {selection}", weight, (selection, selection + 1))
        for selection in range(1, n_selections + 1)
        for weight in ("pt", "count", "charge")
    ]
    recipe = Recipe(grid, tuple(channels), (Centre("pt_centroid"), Normalise("l2")))
    result = project(table, recipe)
    expected, n_outside, pt_outside = reference.project(table, recipe)
    np.testing.assert_allclose(dense(result.images), expected, rtol=1e-6)
    np.testing.assert_array_equal(result.n_outside, n_outside)
    np.testing.assert_allclose(result.pt_outside, pt_outside)
    assert (result.images.value != 0).all()
    for i in range(table.n_events):
        pixels = result.images.pixel[result.images.offsets[i] : result.images.offsets[i + 1]]
        assert (np.diff(pixels.astype(np.int64)) > 0).all()


def test_pixels_that_have_no_number():
    large = Axis("eta", 50_000, -1, 1), Axis("phi", 50_000, -1, 1)
    with pytest.raises(
        ConfigError, match="images of 1 × 50000 × 50000 pixels: expected 2147483647"
    ):
        Recipe(Grid(*large), (Channel("pt"),))


def test_lists_of_few_pixels_keep_no_memory_of_many_constituents():
    images = project(table_of([(1.0, 0.0, 0.0)] * 1000), Recipe(GRID, (Channel("pt"),))).images
    assert images.value.tolist() == [1000.0]
    assert images.value.base is None


def test_a_norm_too_small_for_its_inverse():
    recipe = Recipe(GRID, (Channel("pt"),), (Normalise("l1"),))
    images = project(table_of([(3e-310, 0, 0), (1e-310, 0.2, 0)]), recipe).images
    np.testing.assert_allclose(images.value, [0.75, 0.25], rtol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_no_events_and_empty_events(name):
    recipe = Recipe(GRID, COLOURS, RECIPES[name])
    for events in ([], [[], []]):
        table = table_of(*events, eta=[0.0] * len(events), phi=[0.0] * len(events))
        result = project(table, recipe)
        assert result.images.n_images == len(events)
        assert len(result.images.pixel) == 0
        assert result.n_outside.tolist() == [0] * len(events)


class TestBadInput:
    RECIPE = Recipe(GRID, COLOURS, (Centre("pt_centroid"),))

    @pytest.mark.parametrize("name", ["pt", "eta", "phi"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_values_that_are_no_numbers(self, name, value):
        table = table_of([], [(1.0, 0, 0)], [(1.0, 0, 0), (2.0, 0, 0)], event_id=[7, 8, 9])
        table.constituents[name][2] = value
        expected = rf"event 9 \(row 2\), constituent 1: {name} is {value}, expected"
        with pytest.raises(DataError, match=expected):
            project(table, self.RECIPE)

    def test_negative_pt(self):
        with pytest.raises(
            DataError, match=r"event in row 0, constituent 1: pt is -2\.0, expected"
        ):
            project(table_of([(1.0, 0, 0), (-2.0, 0, 0)]), self.RECIPE)

    def test_rows_count_from_the_start_of_the_file(self, monkeypatch):
        monkeypatch.setattr(projection, "_EVENTS_AT_ONCE", 2)
        table = table_of(*[[(1.0, 0, 0)]] * 4, [(1.0, 0, 0), (np.nan, 0, 0)])
        table = replace(table, first_row=100)
        with pytest.raises(DataError, match="event in row 104, constituent 1"):
            project(table, self.RECIPE, n_threads=2)

    def test_a_pt_beyond_single_precision(self):
        with pytest.raises(DataError, match=r"pt is 1e\+39, expected 0 to 1e\+30; mend or drop"):
            project(table_of([(1e39, 0, 0)]), self.RECIPE)

    def test_a_pt_that_rounds_up_beyond_the_largest(self):
        table = table_of([(1.0, 0, 0)])
        table.constituents["pt"] = np.array([1e30], np.float32)
        with pytest.raises(DataError, match=r"pt is 1\.0+15.*e\+30, expected 0 to 1e\+30"):
            project(table, self.RECIPE)

    def test_an_energy_that_overflows(self):
        recipe = Recipe(GRID, (Channel("energy", "energy"),))
        with pytest.raises(DataError, match="constituent 0: energy is inf"):
            project(table_of([(1.0, 1e5, 0)]), recipe)

    def test_a_jet_axis_that_is_no_number(self):
        table = table_of([(1.0, 0, 0)], [(1.0, 0, 0)], eta=[0.0, np.nan], phi=[0.0, 0.0])
        with pytest.raises(DataError, match="event in row 1: the jet's eta is nan"):
            project(table, Recipe(GRID, COLOURS, (Centre("jet_axis"),)))

    @pytest.mark.parametrize("name", ["pt", "eta", "phi"])
    def test_a_missing_column(self, name):
        table = table_of([(1.0, 0, 0)])
        del table.constituents[name]
        with pytest.raises(DataError, match=f"no constituent column '{name}'"):
            project(table, self.RECIPE)

    def test_the_other_longitudinal_coordinate(self):
        recipe = Recipe(GRID, COLOURS, longitudinal="rapidity")
        with pytest.raises(DataError, match="no constituent column 'rapidity'.*longitudinal: eta$"):
            project(table_of([(1.0, 0, 0)]), recipe)

    def test_a_missing_jet_axis(self):
        with pytest.raises(
            DataError, match="no event column 'phi', which centre on jet_axis needs"
        ):
            project(
                table_of([(1.0, 0, 0)], eta=[0.0]), Recipe(GRID, COLOURS, (Centre("jet_axis"),))
            )

    def test_no_way_to_tell_charges(self):
        table = table_of([(1.0, 0, 0)])
        del table.constituents["charge"]
        with pytest.raises(DataError, match="neither a 'charge' nor a 'pdgid'"):
            project(table, self.RECIPE)

    def test_offsets_that_fall(self):
        table = table_of([(1.0, 0, 0)], [(1.0, 0, 0)], [(1.0, 0, 0)], event_id=[1, 2, 3])
        table.offsets[:] = [0, 2, 1, 3]
        with pytest.raises(DataError, match=r"event 2 \(row 1\): offsets fall from 2 to 1"):
            project(table, self.RECIPE)

    def test_offsets_that_start_late(self):
        table = table_of([(1.0, 0, 0)], [(1.0, 0, 0)])
        table.offsets[0] = 1
        with pytest.raises(DataError, match="offsets start at 1"):
            project(table, self.RECIPE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": ()}, "0 channels"),
        ({"channels": tuple(Channel(f"c{i}") for i in range(65))}, "65 channels"),
        ({"channels": (Channel("pt"), Channel("pt", "count"))}, "2 channels are named 'pt'"),
        ({"steps": (Normalise("l1"), Centre("hardest"))}, "normalise must be the last step"),
        ({"steps": (Normalise("l1"), Normalise("l2"))}, "normalise must be the last step"),
        (
            {"steps": (Normalise("l1"),), "channels": (Channel("n", "count"),)},
            "nothing to normalise",
        ),
        ({"longitudinal": "theta"}, "longitudinal: 'theta'"),
    ],
)
def test_recipes_that_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        Recipe(**({"grid": GRID, "channels": COLOURS} | changes))


def test_64_channels_fit():
    channels = tuple(Channel(f"c{i}", "count", ("charged", "all")[i % 2]) for i in range(64))
    images = dense(project(table_of([(1.0, 0, 0, 0)]), Recipe(GRID, channels)).images)
    assert images[0].sum(axis=(1, 2)).tolist() == [0, 1] * 32
