"""The steps by hand, on constituents; whole images are in test_projection."""

import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid
from detcnn.imaging.alignment import Centre, Flip, Normalise, Rotate, encoded
from detcnn.kernels.alignment import LANES, Action, Reference, align, padded

GRID = Grid(Axis("eta", 5, -0.5, 0.5), Axis("phi", 5, -1, 1))


def aligned(constituents, *steps, axis=(0.0, 0.0)):
    """Return the (eta, phi) of constituents given as (pt, eta, phi)."""
    (moved,) = aligned_events([constituents], *steps, axes=[axis])
    return moved


def aligned_events(events, *steps, axes):
    lengths = np.array([len(event) for event in events])
    ends = np.cumsum([padded(n) for n in lengths])
    first = ends - [padded(n) for n in lengths]
    filled = np.zeros((3, ends[-1]))
    for event, start in zip(events, first, strict=True):
        filled[:, start : start + len(event)] = np.reshape(event, (-1, 3)).T
    pt, x, y = filled
    align(
        first,
        first + lengths,
        pt,
        x,
        y,
        np.array(axes).T.copy(),
        encoded(steps, GRID),
        0.0,
        np.empty(len(events), dtype=np.int64),
        np.empty(len(pt), dtype=np.int64),
        np.empty((len(events), 3, 2)),
    )
    return [
        np.stack([x, y], axis=1)[start : start + n] for start, n in zip(first, lengths, strict=True)
    ]


@pytest.mark.parametrize("n", [1, LANES - 1, LANES, LANES + 1, 3 * LANES])
def test_fillers_and_neighbours_change_nothing(n):
    rng = np.random.default_rng(n)
    jet = np.stack([rng.exponential(9, n), *rng.normal(0, 0.3, (2, n))], axis=1)
    other = np.array([[1e6, 3.0, 3.0]])
    for on in ("hardest", "pt_centroid", "leading_subjet"):
        alone = aligned(jet, Centre(on))
        for place, events in enumerate([[jet, other], [other, jet], [other, [], jet]]):
            moved = aligned_events(events, Centre(on), axes=[(0.0, 0.0)] * len(events))
            np.testing.assert_array_equal(moved[place], alone)


@pytest.mark.parametrize("pt", [0.0, -0.0, 2.0])
@pytest.mark.parametrize("n", [2, LANES - 1, LANES])
def test_the_hardest_of_equal_ones_is_that_at_highest_x_and_y(pt, n):
    jet = [(pt, 0.1, 0.2), *[(pt, 0.1, 0.1)] * (n - 1)]
    np.testing.assert_allclose(aligned(jet, Centre("hardest"))[0], (0.0, 0.0), atol=1e-15)


@pytest.mark.parametrize("turn", [0.0, 1.0, np.pi, -np.pi])
def test_the_centroid_turns_with_the_jet_across_the_seam(turn):
    rng = np.random.default_rng(5)
    pt, eta, phi = rng.exponential(9, 40), *rng.normal(0, 0.3, (2, 40))
    expected = np.stack([eta - np.average(eta, weights=pt), phi - np.average(phi, weights=pt)], 1)
    wrapped = (phi + turn + np.pi) % (2 * np.pi) - np.pi
    moved = aligned(np.stack([pt, eta, wrapped], axis=1), Centre("pt_centroid"))
    np.testing.assert_allclose(moved, expected, atol=1e-12)


def test_centre_on_each_point():
    jet = [(3.0, 0.1, 0.2), (1.0, 0.5, -0.2)]
    cases = {
        "jet_axis": [(0.0, 0.3), (0.4, -0.1)],
        "hardest": [(0.0, 0.0), (0.4, -0.4)],
        "pt_centroid": [(-0.1, 0.1), (0.3, -0.3)],
        "leading_subjet": [(0.0, 0.0), (0.4, -0.4)],
    }
    for on, expected in cases.items():
        np.testing.assert_allclose(aligned(jet, Centre(on), axis=(0.1, -0.1)), expected, atol=1e-15)


def test_centroid_of_a_jet_across_pi():
    jet = [(1.0, 0.0, np.pi - 0.1), (1.0, 0.0, 0.3 - np.pi)]
    np.testing.assert_allclose(
        aligned(jet, Centre("pt_centroid")), [(0, -0.2), (0, 0.2)], atol=1e-15
    )


def test_leading_subjet_is_not_the_hardest_constituent():
    jet = [(10.0, 1.0, 0.0), (6.0, 0.0, 0.0), (6.0, 0.0, 0.1)]
    centred = aligned(jet, Centre("leading_subjet"))
    np.testing.assert_allclose(centred[1:], [(0, -0.05), (0, 0.05)], atol=1e-15)


def test_snap_keeps_the_place_inside_a_pixel():
    # Pixels are 0.2 by 0.4: a centre at (0.31, -0.59) is nearest to pixels 2 and -1.
    moved = aligned([(1.0, 0.31, -0.59)], Centre("hardest", snap=True))
    np.testing.assert_allclose(moved, [(0.31 - 0.4, -0.59 + 0.4)])
    # Half-way goes up.
    moved = aligned([(1.0, 0.1, 0.0)], Centre("hardest", snap=True))
    np.testing.assert_allclose(moved, [(-0.1, 0.0)])


def test_snap_counts_pixels_from_the_wrapped_centre():
    # The centroid, 0.1 beyond π, is -3.04: nearest to pixel -8 of width 0.4, not to pixel 8.
    jet = [(3.0, 0.0, np.pi - 0.05), (3.0, 0.0, 0.25 - np.pi)]
    moved = aligned(jet, Centre("pt_centroid", snap=True))
    np.testing.assert_allclose(moved[:, 1], [3.15 - np.pi, 3.45 - np.pi], atol=1e-14)


@pytest.mark.parametrize("angle", np.linspace(-3, 3, 7))
def test_principal_axis_lies_along_phi_heavier_side_up(angle):
    direction = np.array([np.cos(angle), np.sin(angle)])
    jet = [(4.0, *(0.1 * direction)), (2.0, *(-0.3 * direction)), (1.0, *(0.2 * direction))]
    turned = aligned(jet, Rotate("principal_axis"))
    np.testing.assert_allclose(turned, [(0, 0.1), (0, -0.3), (0, 0.2)], atol=1e-15)


def test_no_direction_no_rotation():
    square = [(1.0, 0.1, 0.1), (1.0, -0.1, 0.1), (1.0, -0.1, -0.1), (1.0, 0.1, -0.1)]
    for jet in (square, [(1.0, 0.3, 0.2)], [(0.0, 0.3, 0.2), (0.0, 0.1, 0.0)]):
        np.testing.assert_array_equal(aligned(jet, Rotate("principal_axis")), [c[1:] for c in jet])


@pytest.mark.parametrize("angle", np.linspace(-3, 3, 7))
def test_second_subjet_hangs_straight_below(angle):
    second = np.cos(angle), np.sin(angle)
    turned = aligned([(5.0, 0, 0), (2.0, *second)], Rotate("second_subjet"))
    np.testing.assert_allclose(turned, [(0, 0), (0, -1)], atol=1e-15)


def test_a_lone_subjet_is_turned_by_its_principal_axis():
    jet = [(5.0, 0.05, 0), (2.0, -0.1, 0), (1.0, 0.02, 0.01)]
    np.testing.assert_array_equal(
        aligned(jet, Rotate("second_subjet")), aligned(jet, Rotate("principal_axis"))
    )


def test_flips():
    jet = [(3.0, -0.1, 0.1), (2.0, 0.1, 0.2), (2.0, 0.2, -0.3)]
    x, y = np.array(jet)[:, 1:].T

    def mirrored(rows, columns):
        return np.stack([rows * x, columns * y], axis=1)

    np.testing.assert_array_equal(aligned(jet, Flip("rows", "pt_sum")), mirrored(1, 1))
    np.testing.assert_array_equal(aligned(jet, Flip("rows", "hardest")), mirrored(-1, 1))
    np.testing.assert_array_equal(aligned(jet, Flip("both", "hardest")), mirrored(-1, 1))
    jet = [(pt, x, -y) for pt, x, y in jet]
    np.testing.assert_array_equal(aligned(jet, Flip("columns", "pt_sum")), mirrored(1, 1))
    np.testing.assert_array_equal(aligned(jet, Flip("both", "hardest")), mirrored(-1, 1))


def test_rounding_does_not_decide_a_flip():
    for noise in (1e-17, -1e-17):
        flipped = aligned([(9.0, noise, 0.0), (1.0, 0.2, 0.0)], Flip("rows"))
        assert flipped[1, 0] == 0.2


def test_steps_are_encoded_in_order():
    steps = encoded(
        [Centre("leading_subjet", snap=True, subjet_radius=0.2), Rotate("principal_axis", 0.4)],
        GRID,
    )
    action, reference, subjet_radius, row_unit, column_unit = steps.T
    assert action.tolist() == [Action.CENTRE, Action.ROTATE]
    assert reference.tolist() == [Reference.LEADING_SUBJET, Reference.PRINCIPAL_AXIS]
    # A radius that nothing uses must not start a clustering.
    assert subjet_radius.tolist() == [0.2, 0.0]
    np.testing.assert_allclose(row_unit, [0.2, 0.0])
    np.testing.assert_allclose(column_unit, [0.4, 0.0])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Centre("middle"), "centre on: 'middle', expected one of jet_axis, hardest"),
        (lambda: Rotate("third_subjet"), "rotate by: 'third_subjet'"),
        (lambda: Flip("diagonal"), "flip axis: 'diagonal'"),
        (lambda: Flip("rows", "max"), "flip towards: 'max'"),
        (lambda: Normalise("mean"), "normalise by: 'mean'"),
        (lambda: Centre("hardest", subjet_radius=0), "subjet_radius: 0"),
        (lambda: Rotate("second_subjet", subjet_radius=np.nan), "subjet_radius: nan"),
    ],
)
def test_unknown_choices(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
