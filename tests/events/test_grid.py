import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.events.grid import Axis, Grid


def test_axis_by_hand():
    axis = Axis("eta", 4, -1.0, 1.0)
    assert axis.pixel_width == 0.5
    np.testing.assert_array_equal(axis.edges, [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_array_equal(axis.centres, [-0.75, -0.25, 0.25, 0.75])


def test_one_pixel():
    axis = Axis("phi", 1, 0.0, 2.0, unit="rad")
    np.testing.assert_array_equal(axis.edges, [0, 2])
    np.testing.assert_array_equal(axis.centres, [1])


def test_outer_edges_are_exact():
    axis = Axis("eta", 33, -0.4, 0.4)
    assert (axis.edges[0], axis.edges[-1]) == (-0.4, 0.4)
    assert len(axis.edges) == 34


@pytest.mark.parametrize("n_pixels", [0, -1])
def test_no_pixels(n_pixels):
    with pytest.raises(ConfigError, match=f"axis 'eta': {n_pixels} pixels, expected at least 1"):
        Axis("eta", n_pixels, 0.0, 1.0)


@pytest.mark.parametrize(
    ("low", "high"), [(1, 1), (2, 1), (np.nan, 1), (0, np.nan), (-np.inf, 1), (0, np.inf)]
)
def test_no_width(low, high):
    with pytest.raises(ConfigError, match="expected low < high"):
        Axis("eta", 3, low, high)


def test_grid():
    grid = Grid(Axis("eta", 3, -1, 1), Axis("phi", 5, -1, 1))
    assert grid.shape == (3, 5)
    assert grid.n_pixels == 15


def test_a_volume_is_looked_at_layer_by_layer_and_a_waveform_as_one_row():
    layer, eta, phi = Axis("layer", 4, 0, 4), Axis("eta", 3, -1, 1), Axis("phi", 5, -1, 1)
    volume = Grid(layer, eta, phi)
    assert (volume.shape, volume.n_pixels) == ((4, 3, 5), 60)
    assert volume.picture == Grid(eta, phi)
    waveform = Grid(Axis("time", 7, 0, 7))
    assert waveform.picture.shape == (1, 7)
    assert waveform.picture.is_picture
    assert not volume.is_picture


@pytest.mark.parametrize("n_axes", [0, 4])
def test_too_few_or_too_many_axes(n_axes):
    with pytest.raises(ConfigError, match=f"{n_axes} axes, expected 1 to 3"):
        Grid(*[Axis("time", 2, 0, 1)] * n_axes)
