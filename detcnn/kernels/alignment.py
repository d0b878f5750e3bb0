"""Alignment of events: centre, rotate, flip, in any order.

In the plane of alignment x is the longitudinal coordinate (the image's rows) and y the azimuth (its
columns), both in rad or pure numbers. Angles turn from x towards y.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from detcnn.kernels.angles import TWO_PI, wrap
from detcnn.kernels.clustering import recombine
from detcnn.kernels.compilation import borrowing, compiled, summing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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


ACTION, REFERENCE, SUBJET_RADIUS, ROW_UNIT, COLUMN_UNIT = range(5)
"""The columns of an array of steps; centres are rounded to whole units that are not 0."""

_ON_AXIS = 1e-9
"""Constituents closer to an axis than this [rad] lie on neither side: only rounding put them."""

_ISOTROPIC = 1e-12
"""Difference of squared widths [rad²] below which an event has no principal axis."""


LANES = 16
"""Every event starts at a multiple of it: loops over whole vectors leave no rest to go through."""


@compiled
def padded(n: int) -> int:
    """Return the next multiple of `LANES`, `n` itself if it is one."""
    return (n + LANES - 1) // LANES * LANES


@compiled
def align(
    first: Ints,
    last: Ints,
    pt: Floats,
    x: Floats,
    y: Floats,
    axes: Floats,
    steps: Floats,
    subjet_radius: float,
    hardest: Ints,
    label: Ints,
    places: Floats,
) -> None:
    """Move the constituents of some events in place, and tell where their subjets come to lie.

    Parameters
    ----------
    first, last : numpy.ndarray
        int64, shape (n_events,): event ``i`` has the constituents ``first[i]`` to ``last[i]``, the
        first number a multiple of `LANES`. Up to the next multiple of it there are fillers.
    pt : numpy.ndarray
        float64, shape (n,), in GeV, finite and at least 0; 0 for fillers.
    x, y : numpy.ndarray
        float64, shape (n,): the constituents' coordinates; `y` in [−π, π). Those of fillers are
        finite numbers that are changed as well.
    axes : numpy.ndarray
        float64, shape (2, n_events) at least: x and y of the jet axes, which move along.
    steps : numpy.ndarray
        float64, shape (n_steps, 5), taken in order; its columns are `ACTION` to `COLUMN_UNIT`.
    subjet_radius : float
        R of the subjets whose places are asked for; 0 for none.
    hardest : numpy.ndarray
        int64, shape (n_events,) at least: scratch.
    label : numpy.ndarray
        int64, shape (n,) at least: scratch.
    places : numpy.ndarray
        float64, shape (n_events, 3, 2): takes x and y of the three hardest kT subjets, by falling
        pT; left as it is where there are fewer.

    Notes
    -----
    The azimuth is periodic until the first rotation: every centring brings it back into [−π, π).
    Subjets are kT, with massless constituents; one clustering serves steps of equal radius.
    """
    # Floats that are not negative are in the order of their bits, and the highest integer is found
    # by vector instructions.
    bits = pt.view(np.int64)
    for event in range(len(first)):
        hardest[event] = _only_highest(bits, first[event], last[event])
        if hardest[event] < 0:
            hardest[event] = _hardest_of_equal(pt, x, y, first[event], last[event])
    half_turn = np.pi
    radius = 0.0
    for i in range(len(steps)):
        action, reference = int(steps[i, ACTION]), int(steps[i, REFERENCE])
        if steps[i, SUBJET_RADIUS] > 0 and steps[i, SUBJET_RADIUS] != radius:
            radius = steps[i, SUBJET_RADIUS]
            _cluster(first, last, pt, x, y, radius, label)
        if action == Action.CENTRE:
            units = (steps[i, ROW_UNIT], steps[i, COLUMN_UNIT])
            _centre(first, last, pt, x, y, axes, hardest, label, reference, units, half_turn)
        elif action == Action.ROTATE:
            _turn_upright(first, last, pt, x, y, axes, hardest, label, reference, half_turn)
            half_turn = np.inf  # the image's plane has no seam
        elif action == Action.FLIP_ROWS:
            _flip(first, last, pt, x, axes[0], hardest, reference)
        else:
            _flip(first, last, pt, y, axes[1], hardest, reference)
    if subjet_radius > 0:
        if subjet_radius != radius:
            _cluster(first, last, pt, x, y, subjet_radius, label)
        for event in range(len(first)):
            mine = slice(first[event], last[event])
            for which in range(min(3, _n_subjets(label[mine]))):
                place = _subjet(pt[mine], x[mine], y[mine], label[mine], which)
                places[event, which, 0], places[event, which, 1] = place


@compiled
def _cluster(
    first: Ints, last: Ints, pt: Floats, x: Floats, y: Floats, radius: float, label: Ints
) -> None:
    """Write the number of the subjet that each constituent is in."""
    for event in range(len(first)):
        mine = slice(first[event], last[event])
        massless = np.zeros(last[event] - first[event])
        found = recombine(pt[mine], x[mine], y[mine], massless, radius, 1.0)
        for k in range(len(found)):
            label[first[event] + k] = found[k]


@borrowing
def _n_subjets(label: Ints) -> int:
    n = 0
    for number in label:
        n = max(n, number + 1)
    return n


@borrowing
def _centre(
    first: Ints,
    last: Ints,
    pt: Floats,
    x: Floats,
    y: Floats,
    axes: Floats,
    hardest: Ints,
    label: Ints,
    reference: int,
    units: tuple[float, float],
    half_turn: float,
) -> None:
    for event in range(len(first)):
        start, stop = first[event], last[event]
        if start == stop:
            continue
        if reference == Reference.JET_AXIS:
            centre = (axes[0, event], axes[1, event])
        elif reference == Reference.LEADING_SUBJET:
            mine = slice(start, stop)
            centre = _subjet(pt[mine], x[mine], y[mine], label[mine], 0)
        elif reference == Reference.PT_CENTROID:
            centre = _mean(pt, x, y, start, stop, hardest[event], half_turn)
        else:
            centre = (x[hardest[event]], y[hardest[event]])
        centre = _rounded(centre, units, half_turn)
        _move(x, y, start, stop, centre, half_turn)
        axes[0, event] -= centre[0]
        axes[1, event] = _near(axes[1, event] - centre[1], half_turn)


@borrowing
def _turn_upright(
    first: Ints,
    last: Ints,
    pt: Floats,
    x: Floats,
    y: Floats,
    axes: Floats,
    hardest: Ints,
    label: Ints,
    reference: int,
    half_turn: float,
) -> None:
    for event in range(len(first)):
        start, stop = first[event], last[event]
        mine = slice(start, stop)
        if start == stop:
            continue
        below = (0.0, 0.0)
        if reference == Reference.SECOND_SUBJET and _n_subjets(label[mine]) > 1:
            below = _subjet(pt[mine], x[mine], y[mine], label[mine], 1)
        if np.hypot(below[0], below[1]) > _ON_AXIS:
            angle = -np.pi / 2 - np.arctan2(below[1], below[0])
        else:
            angle = _principal_angle(pt, x, y, start, stop, hardest[event], half_turn)
        _rotate(x[mine], y[mine], angle)
        _rotate(axes[0, event : event + 1], axes[1, event : event + 1], angle)


@borrowing
def _flip(
    first: Ints,
    last: Ints,
    pt: Floats,
    along: Floats,
    axis: Floats,
    hardest: Ints,
    reference: int,
) -> None:
    for event in range(len(first)):
        start, stop = first[event], last[event]
        if start == stop:
            continue
        if reference == Reference.HARDEST:
            is_low = along[hardest[event]] < -_ON_AXIS
        else:
            is_low = _is_low(pt[start:stop], along[start:stop])
        if is_low:
            for k in range(start, stop):
                along[k] = -along[k]
            axis[event] = -axis[event]


@borrowing
def _only_highest(values: Ints, start: int, stop: int) -> int:
    """Return where the highest value is if it is above 0 and no other is equal, else −1."""
    first, whole = np.uint64(start), np.uint64(start + padded(stop - start))
    highest, where, n_highest = np.int64(0), np.int64(0), np.int64(0)
    for k in range(first, whole):
        highest = max(highest, values[k])
    for k in range(first, whole):
        is_highest = values[k] == highest
        where = max(where, np.int64(k) if is_highest else np.int64(0))
        n_highest += np.int64(1) if is_highest else np.int64(0)
    return int(where) if n_highest == 1 and highest > 0 else -1


@borrowing
def _hardest_of_equal(pt: Floats, x: Floats, y: Floats, start: int, stop: int) -> int:
    """Return the constituent of highest pT; of equal ones that at highest x, then highest y."""
    best = start
    for k in range(start, stop):
        is_beyond = x[k] > x[best] or (x[k] == x[best] and y[k] > y[best])
        if pt[k] > pt[best] or (pt[k] == pt[best] and is_beyond):
            best = k
    return best


@borrowing
def _rounded(
    centre: tuple[float, float], units: tuple[float, float], half_turn: float
) -> tuple[float, float]:
    """Return a centre with its azimuth wrapped, and in whole units unless these are 0."""
    x, y = centre
    if half_turn < np.inf:
        y = wrap(y)  # a mean of several may lie beyond ±π
    if units[0] > 0:
        x = np.floor(x / units[0] + 0.5) * units[0]
        y = np.floor(y / units[1] + 0.5) * units[1]
    return x, y


@borrowing
def _move(
    x: Floats, y: Floats, start: int, stop: int, centre: tuple[float, float], half_turn: float
) -> None:
    centre_x, centre_y = centre
    for k in range(np.uint64(start), np.uint64(start + padded(stop - start))):
        x[k] -= centre_x
        y[k] = _near(y[k] - centre_y, half_turn)


@borrowing
def _rotate(x: Floats, y: Floats, angle: float) -> None:
    cosine, sine = np.cos(angle), np.sin(angle)
    for k in range(len(x)):
        x[k], y[k] = cosine * x[k] - sine * y[k], sine * x[k] + cosine * y[k]


@borrowing
def _near(angle: float, half_turn: float) -> float:
    """Return an angle of [−2π, 2π] in [−π, π) if half a turn is π, and as it is if that is ∞."""
    # As `wrap`, but with no branch on whether there is a seam.
    angle = angle - TWO_PI if angle >= half_turn else angle
    return angle + TWO_PI if angle < -half_turn else angle


@borrowing
def _mean(
    pt: Floats, x: Floats, y: Floats, start: int, stop: int, hardest: int, half_turn: float
) -> tuple[float, float]:
    """Return the pT-weighted means of x and y.

    The sums are about the hardest constituent: nothing straddles ±π then, and a single
    constituent is its own mean without rounding. Without any pT, the hardest is the mean.
    """
    centre_x, centre_y = x[hardest], y[hardest]
    if _is_around(y, start, stop, centre_y, half_turn):
        total, sum_x, sum_y = _moments(pt, x, y, start, stop, centre_x, centre_y)
    else:
        total, sum_x, sum_y = _moments_across(pt, x, y, start, stop, centre_x, centre_y, half_turn)
    if total == 0:
        return centre_x, centre_y
    return centre_x + sum_x / total, centre_y + sum_y / total


@borrowing
def _is_around(y: Floats, start: int, stop: int, centre: float, half_turn: float) -> bool:
    """Tell whether no azimuth lies across the seam from a centre."""
    n_across = 0
    for k in range(np.uint64(start), np.uint64(start + padded(stop - start))):
        n_across += 1 if abs(y[k] - centre) >= half_turn else 0
    return n_across == 0


@summing
def _moments(
    pt: Floats,
    x: Floats,
    y: Floats,
    start: int,
    stop: int,
    centre_x: float,
    centre_y: float,
) -> tuple[float, float, float]:
    """Return the sums of pT, and of pT times the distances from a centre."""
    total = sum_x = sum_y = 0.0
    for k in range(np.uint64(start), np.uint64(start + padded(stop - start))):
        total += pt[k]
        sum_x += pt[k] * (x[k] - centre_x)
        sum_y += pt[k] * (y[k] - centre_y)
    return total, sum_x, sum_y


@borrowing
def _moments_across(
    pt: Floats,
    x: Floats,
    y: Floats,
    start: int,
    stop: int,
    centre_x: float,
    centre_y: float,
    half_turn: float,
) -> tuple[float, float, float]:
    """Return what `_moments` does where azimuths lie across the seam, which few events need."""
    total = sum_x = sum_y = 0.0
    for k in range(start, stop):
        total += pt[k]
        sum_x += pt[k] * (x[k] - centre_x)
        sum_y += pt[k] * _near(y[k] - centre_y, half_turn)
    return total, sum_x, sum_y


@borrowing
def _covariance(
    pt: Floats, x: Floats, y: Floats, mean: tuple[float, float], half_turn: float
) -> tuple[float, float, float]:
    """Return the pT-weighted (co)variances xx, xy and yy; 0 without any pT."""
    total = xx = xy = yy = 0.0
    for k in range(len(pt)):
        dx, dy = x[k] - mean[0], _near(y[k] - mean[1], half_turn)
        total += pt[k]
        xx += pt[k] * dx * dx
        xy += pt[k] * dx * dy
        yy += pt[k] * dy * dy
    if total == 0:
        return 0.0, 0.0, 0.0
    return xx / total, xy / total, yy / total


@borrowing
def _principal_angle(
    pt: Floats, x: Floats, y: Floats, start: int, stop: int, hardest: int, half_turn: float
) -> float:
    """Return the turn that lays the longer axis along y, its side of higher pT at positive y."""
    mean_x, mean_y = _mean(pt, x, y, start, stop, hardest, half_turn)
    mine = slice(start, stop)
    xx, xy, yy = _covariance(pt[mine], x[mine], y[mine], (mean_x, mean_y), half_turn)
    if np.hypot(xx - yy, 2 * xy) < _ISOTROPIC:
        return 0.0
    direction = 0.5 * float(np.arctan2(2 * xy, xx - yy))
    cosine, sine = np.cos(direction), np.sin(direction)
    balance = 0.0
    for k in range(start, stop):
        dy = _near(y[k] - mean_y, half_turn)
        along = cosine * (x[k] - mean_x) + sine * dy
        if along > _ON_AXIS:
            balance += pt[k]
        elif along < -_ON_AXIS:
            balance -= pt[k]
    return (np.pi / 2 if balance >= 0 else -np.pi / 2) - direction


@borrowing
def _subjet(pt: Floats, x: Floats, y: Floats, label: Ints, which: int) -> tuple[float, float]:
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


@borrowing
def _is_low(pt: Floats, along: Floats) -> bool:
    """Tell whether more pT lies at negative than at positive coordinates."""
    balance = 0.0
    for k in range(len(pt)):
        if along[k] > _ON_AXIS:
            balance += pt[k]
        elif along[k] < -_ON_AXIS:
            balance -= pt[k]
    return balance < 0
