"""Alignment of one event: centre, rotate, flip, in any order.

In the plane of alignment x is the longitudinal coordinate (the image's rows) and y the azimuth (its
columns), both in rad or pure numbers. Angles turn from x towards y.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.angles import wrap
from detcnn.kernels.clustering import recombine
from detcnn.kernels.compilation import compiled

Floats = NDArray[np.float64]


class Action(IntEnum):
    """What a step does."""

    CENTRE = 0
    ROTATE = 1
    FLIP_ROWS = 2
    FLIP_COLUMNS = 3


class Reference(IntEnum):
    """What decides where a step centres, turns or flips to."""

    JET_AXIS = 0
    HARDEST = 1
    PT_CENTROID = 2
    LEADING_SUBJET = 3
    SECOND_SUBJET = 4
    PRINCIPAL_AXIS = 5
    PT_SUM = 6


STEP = np.dtype(
    [
        ("action", np.int64),
        ("reference", np.int64),
        ("subjet_radius", np.float64),
        ("row_unit", np.float64),
        ("column_unit", np.float64),
    ]
)
"""One step; centres are rounded to multiples of the units, unless these are 0."""

_ON_AXIS = 1e-9
"""Constituents closer to an axis than this [rad] lie on neither side: only rounding put them."""

_ISOTROPIC = 1e-12
"""Difference of squared widths [rad²] below which an event has no principal axis."""


@compiled
def align(
    pt: Floats, x: Floats, y: Floats, steps: NDArray[np.void], subjet_radius: float
) -> Floats:
    """Move one event's constituents in place, and tell where its subjets come to lie.

    Parameters
    ----------
    pt : numpy.ndarray
        float64, shape (n,), in GeV, finite and at least 0.
    x, y : numpy.ndarray
        float64, shape (n + 1,): the constituents' coordinates and, last, the jet axis's, which
        moves along; `y` in [−π, π).
    steps : numpy.ndarray
        Of dtype `STEP`, taken in order.
    subjet_radius : float
        R of the subjets whose places are returned; 0 for none.

    Returns
    -------
    numpy.ndarray
        float64, shape (3, 2): x and y of the three hardest kT subjets, by falling pT; NaN where
        there are fewer.

    Notes
    -----
    The azimuth is periodic until the first rotation: every centring brings it back into [−π, π).
    Subjets are kT, with massless constituents; one clustering serves steps of equal radius.
    """
    n = len(pt)
    places = np.full((3, 2), np.nan)
    if n == 0:
        return places
    hardest = _hardest(pt, x, y)
    periodic = True
    radius = 0.0
    label = np.zeros(0, dtype=np.int64)
    for step in steps:
        if step["subjet_radius"] > 0 and step["subjet_radius"] != radius:
            radius = step["subjet_radius"]
            label = recombine(pt, x[:n], y[:n], np.zeros(n), radius, 1.0)

        if step["action"] == Action.CENTRE:
            if step["reference"] == Reference.JET_AXIS:
                centre = (x[n], y[n])
            elif step["reference"] == Reference.LEADING_SUBJET:
                centre = _subjet(pt, x, y, label, 0)
            elif step["reference"] == Reference.PT_CENTROID:
                moments = _moments(pt, x, y, hardest, periodic)
                centre = (moments[0], moments[1])
            else:
                centre = (x[hardest], y[hardest])
            _centre(x, y, centre, periodic, step["row_unit"], step["column_unit"])
        elif step["action"] == Action.ROTATE:
            below = (0.0, 0.0)
            if step["reference"] == Reference.SECOND_SUBJET and label.max() > 0:
                below = _subjet(pt, x, y, label, 1)
            if np.hypot(below[0], below[1]) > _ON_AXIS:
                angle = -np.pi / 2 - np.arctan2(below[1], below[0])
            else:
                angle = _principal_angle(pt, x, y, hardest, periodic)
            _rotate(x, y, angle)
            periodic = False
        else:
            along = x if step["action"] == Action.FLIP_ROWS else y
            if step["reference"] == Reference.HARDEST:
                is_low = along[hardest] < -_ON_AXIS
            else:
                is_low = _is_low(pt, along)
            if is_low:
                for k in range(n + 1):
                    along[k] = -along[k]
    if subjet_radius > 0:
        if subjet_radius != radius:
            label = recombine(pt, x[:n], y[:n], np.zeros(n), subjet_radius, 1.0)
        for which in range(min(3, label.max() + 1)):
            places[which, 0], places[which, 1] = _subjet(pt, x, y, label, which)
    return places


@compiled
def _hardest(pt: Floats, x: Floats, y: Floats) -> int:
    """Return the constituent of highest pT; of equal ones that at highest x, then highest y."""
    best, highest = 0, pt[0]
    for k in range(1, len(pt)):
        if pt[k] < highest:
            continue
        if pt[k] > highest or x[k] > x[best] or (x[k] == x[best] and y[k] > y[best]):
            best, highest = k, pt[k]
    return best


@compiled
def _centre(
    x: Floats,
    y: Floats,
    centre: tuple[float, float],
    periodic: bool,
    row_unit: float,
    column_unit: float,
) -> None:
    centre_x, centre_y = centre
    if periodic:
        centre_y = wrap(centre_y)  # a mean of several may lie beyond ±π
    if row_unit > 0:
        centre_x = np.floor(centre_x / row_unit + 0.5) * row_unit
        centre_y = np.floor(centre_y / column_unit + 0.5) * column_unit
    for k in range(len(x)):
        x[k] -= centre_x
        y[k] = wrap(y[k] - centre_y) if periodic else y[k] - centre_y


@compiled
def _rotate(x: Floats, y: Floats, angle: float) -> None:
    cosine, sine = np.cos(angle), np.sin(angle)
    for k in range(len(x)):
        x[k], y[k] = cosine * x[k] - sine * y[k], sine * x[k] + cosine * y[k]


@compiled
def _moments(
    pt: Floats, x: Floats, y: Floats, hardest: int, periodic: bool
) -> tuple[float, float, float, float, float]:
    """Return the pT-weighted means of x and y, and their (co)variances xx, xy, yy.

    The sums are about the hardest constituent: nothing straddles ±π then, and a single
    constituent is its own mean without rounding. Without any pT, the hardest is the mean.
    """
    total = mean_x = mean_y = xx = xy = yy = 0.0
    for k in range(len(pt)):
        dx, dy = x[k] - x[hardest], y[k] - y[hardest]
        if periodic:
            dy = wrap(dy)
        total += pt[k]
        mean_x += pt[k] * dx
        mean_y += pt[k] * dy
        xx += pt[k] * dx * dx
        xy += pt[k] * dx * dy
        yy += pt[k] * dy * dy
    if total == 0:
        return x[hardest], y[hardest], 0.0, 0.0, 0.0
    mean_x /= total
    mean_y /= total
    return (
        x[hardest] + mean_x,
        y[hardest] + mean_y,
        xx / total - mean_x * mean_x,
        xy / total - mean_x * mean_y,
        yy / total - mean_y * mean_y,
    )


@compiled
def _principal_angle(pt: Floats, x: Floats, y: Floats, hardest: int, periodic: bool) -> float:
    """Return the turn that lays the longer axis along y, its side of higher pT at positive y."""
    mean_x, mean_y, xx, xy, yy = _moments(pt, x, y, hardest, periodic)
    if np.hypot(xx - yy, 2 * xy) < _ISOTROPIC:
        return 0.0
    direction = 0.5 * float(np.arctan2(2 * xy, xx - yy))
    cosine, sine = np.cos(direction), np.sin(direction)
    balance = 0.0
    for k in range(len(pt)):
        dy = y[k] - mean_y
        if periodic:
            dy = wrap(dy)
        along = cosine * (x[k] - mean_x) + sine * dy
        if along > _ON_AXIS:
            balance += pt[k]
        elif along < -_ON_AXIS:
            balance -= pt[k]
    return (np.pi / 2 if balance >= 0 else -np.pi / 2) - direction


@compiled
def _subjet(
    pt: Floats, x: Floats, y: Floats, label: NDArray[np.int64], which: int
) -> tuple[float, float]:
    """Return rapidity and azimuth of a subjet's four-momentum.

    The sum is about its hardest constituent, so that a subjet of one is there without rounding.
    """
    first = -1
    for k in range(len(pt)):
        if label[k] == which and (first < 0 or pt[k] > pt[first]):
            first = k
    px = py = pz = energy = 0.0
    for k in range(len(pt)):
        if label[k] == which:
            px += pt[k] * np.cos(y[k] - y[first])
            py += pt[k] * np.sin(y[k] - y[first])
            pz += pt[k] * np.sinh(x[k] - x[first])
            energy += pt[k] * np.cosh(x[k] - x[first])
    if energy == 0:
        return x[first], y[first]
    return x[first] + np.arctanh(pz / energy), y[first] + np.arctan2(py, px)


@compiled
def _is_low(pt: Floats, along: Floats) -> bool:
    """Tell whether more pT lies at negative than at positive coordinates."""
    balance = 0.0
    for k in range(len(pt)):
        if along[k] > _ON_AXIS:
            balance += pt[k]
        elif along[k] < -_ON_AXIS:
            balance -= pt[k]
    return balance < 0
