"""The steps that bring an event into a common position, and their order.

Coordinates: the rows' axis x is η or rapidity, the columns' axis y is φ, both relative to the image
centre. Rotations turn the event's constituents, before they become pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detcnn.events.grid import Grid
from detcnn.imaging.step_options import check_choice, check_radius
from detcnn.kernels.alignment import COLUMN_UNIT, Action, Reference

CentreOn = Literal["jet_axis", "hardest", "pt_centroid", "leading_subjet"]
RotateBy = Literal["principal_axis", "second_subjet"]
FlipAxis = Literal["rows", "columns", "both"]
FlipTowards = Literal["pt_sum", "hardest"]
NormaliseBy = Literal["pt_sum", "l1", "l2", "max"]


@dataclass(frozen=True, slots=True)
class Centre:
    """Make a point of the event the centre of its image.

    φ is wrapped: an event at φ = ±π is the same as that event turned to φ = 0.

    Parameters
    ----------
    on : str
        ``"jet_axis"``, the event's own columns; ``"hardest"``, the constituent of highest pT;
        ``"pt_centroid"``, the pT-weighted mean; ``"leading_subjet"``, the hardest kT subjet of
        massless constituents.
    snap : bool
        Round the centre to a whole number of pixels, index ⌊x/w + ½⌋, so that pixels are cells
        of a grid fixed in the detector (Komiske, Metodiev & Schwartz, JHEP 01 (2017) 110). φ is
        in [−π, π) then. The image changes, by less than a pixel, if the event turns by an angle
        that is no multiple of a pixel.
    subjet_radius : float
        R of the subjets, above 0.

    Raises
    ------
    ConfigError
        If a value is not one of these.
    """

    on: CentreOn
    snap: bool = False
    subjet_radius: float = 0.3

    def __post_init__(self) -> None:
        check_choice("centre on", self.on, CentreOn)
        check_radius(self.subjet_radius)


@dataclass(frozen=True, slots=True)
class Rotate:
    """Turn the event about the centre of its image.

    Parameters
    ----------
    by : str
        ``"principal_axis"``: the longer axis of the pT-weighted covariance comes to lie along φ,
        the side that holds more pT, seen from the centroid, at positive φ. An event without a
        direction (one constituent, or equally wide all round) stays as it is.
        ``"second_subjet"``: the second-hardest kT subjet comes to lie at −π/2, straight towards
        negative φ (de Oliveira et al., JHEP 07 (2016) 069); by the principal axis if there is
        only one, or if it is in the centre.
    subjet_radius : float
        R of the subjets, above 0.

    Raises
    ------
    ConfigError
        If a value is not one of these.
    """

    by: RotateBy
    subjet_radius: float = 0.3

    def __post_init__(self) -> None:
        check_choice("rotate by", self.by, RotateBy)
        check_radius(self.subjet_radius)


@dataclass(frozen=True, slots=True)
class Flip:
    """Mirror the event at the centre of its image.

    Parameters
    ----------
    axis : str
        The coordinate that may change its sign: ``"rows"``, ``"columns"``, or ``"both"``, each
        by itself.
    towards : str
        What is to lie on the positive side: ``"pt_sum"``, the larger sum of pT; ``"hardest"``,
        the constituent of highest pT. The event stays as it is where neither side has it.

    Raises
    ------
    ConfigError
        If a value is not one of these.
    """

    axis: FlipAxis
    towards: FlipTowards = "pt_sum"

    def __post_init__(self) -> None:
        check_choice("flip axis", self.axis, FlipAxis)
        check_choice("flip towards", self.towards, FlipTowards)


@dataclass(frozen=True, slots=True)
class Normalise:
    """Divide the channels that hold momenta or energies by one number for each image.

    Counts and charges are left alone. An image for which the number is 0 stays as it is.

    Parameters
    ----------
    by : str
        ``"pt_sum"``: the pT of all constituents of the event, in the image or not; ``"l1"``,
        ``"l2"``, ``"max"``: the sum, the root of the sum of squares, or the largest, of the
        absolute pixels of all these channels together.

    Raises
    ------
    ConfigError
        If `by` is not one of these.
    """

    by: NormaliseBy

    def __post_init__(self) -> None:
        check_choice("normalise by", self.by, NormaliseBy)


Alignment = Centre | Rotate | Flip
Step = Alignment | Normalise


def encoded(steps: Sequence[Alignment], grid: Grid) -> NDArray[np.float64]:
    """Return the steps as the alignment kernel takes them.

    Parameters
    ----------
    steps : sequence of Centre, Rotate or Flip
        In the order in which they act.
    grid : Grid
        Gives the size of the pixels that centres snap to.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_steps, 5), for `detcnn.kernels.alignment.align`.
    """
    rows: list[tuple[int, int, float, float, float]] = []
    for step in steps:
        match step:
            case Centre(on, snap, radius):
                units = (grid.rows.pixel_width, grid.columns.pixel_width) if snap else (0.0, 0.0)
                if on != "leading_subjet":
                    radius = 0.0
                rows.append((Action.CENTRE, Reference[on.upper()], radius, *units))
            case Rotate(by, radius):
                if by != "second_subjet":
                    radius = 0.0
                rows.append((Action.ROTATE, Reference[by.upper()], radius, 0.0, 0.0))
            case Flip(axis, towards):
                axes = ("rows", "columns") if axis == "both" else (axis,)
                rows += [
                    (Action[f"FLIP_{one.upper()}"], Reference[towards.upper()], 0.0, 0.0, 0.0)
                    for one in axes
                ]
    return np.array(rows, dtype=np.float64).reshape(-1, COLUMN_UNIT + 1)
