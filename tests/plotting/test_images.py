import numpy as np

from detcnn.events.grid import Axis, Grid
from detcnn.plotting.images import images_figure


def test_a_picture_is_drawn_as_it_is_looked_at():
    image = np.zeros((1, 3, 5))
    image[0, 0, 4] = 1.0  # first row, last column: top right
    grid = Grid(Axis("row", 3, 0.0, 3.0, unit="pixel"), Axis("column", 5, 0.0, 5.0, unit="pixel"))
    figure = images_figure({"a": image}, grid=grid, channels=["x"], units=["1"])
    axes = figure.axes[0]
    (drawn,) = axes.get_images()
    assert drawn.get_array().shape == (3, 5)
    assert drawn.origin == "upper"
    assert axes.get_ylim() == (3.0, 0.0)
    assert axes.get_xlabel() == "column [pixel]"
    assert axes.get_ylabel() == "row [pixel]"


def test_eta_runs_to_the_right_and_phi_upwards():
    image = np.zeros((1, 3, 5))
    grid = Grid(Axis("eta", 3, -1.0, 1.0), Axis("phi", 5, -2.0, 2.0, unit="rad"))
    axes = images_figure({"a": image}, grid=grid, channels=["x"], units=["1"]).axes[0]
    (drawn,) = axes.get_images()
    assert drawn.get_array().shape == (5, 3)
    assert axes.get_xlim() == (-1.0, 1.0)
    assert axes.get_ylim() == (-2.0, 2.0)
