"""A recipe followed one event at a time: plain Python, no numba, float64.

`kernels` is the module of slow kernels; whoever loads this one sets it.
"""

import math

import numpy as np

from detcnn.events.selections import charges, select
from detcnn.imaging.alignment import Centre, Flip, Normalise, Rotate

kernels = None
TINY = 1e-9


def project(table, recipe):
    """Return dense float64 images, and number and pT of the constituents outside."""
    images, n_outside, pt_outside = [], [], []
    for event in range(table.n_events):
        mine = slice(table.offsets[event], table.offsets[event + 1])
        constituents = {name: column[mine] for name, column in table.constituents.items()}
        jet = {name: column[event] for name, column in table.columns.items()}
        image, n, pt = project_event(constituents, jet, recipe)
        images.append(image)
        n_outside.append(n)
        pt_outside.append(pt)
    return np.array(images).reshape(-1, *recipe.shape), n_outside, pt_outside


def project_event(constituents, jet, recipe):
    pt = constituents["pt"].astype(float)
    points = [
        (float(x), kernels.wrap(float(y)))
        for x, y in zip(constituents[recipe.longitudinal], constituents["phi"], strict=True)
    ]
    axis = (float(jet.get(recipe.longitudinal, 0)), kernels.wrap(float(jet.get("phi", 0))))
    if len(pt) > 0:
        points = align(pt, points, axis, recipe)

    taken = [select(constituents, channel.selection) for channel in recipe.channels]
    weights = [weight(constituents, channel, recipe) for channel in recipe.channels]
    image = np.zeros(recipe.shape)
    n_outside, pt_outside = 0, 0.0
    for k, (x, y) in enumerate(points):
        row = np.searchsorted(recipe.grid.rows.edges, x, side="right") - 1
        column = np.searchsorted(recipe.grid.columns.edges, y, side="right") - 1
        is_inside = 0 <= row < recipe.shape[1] and 0 <= column < recipe.shape[2]
        if not is_inside and any(mask[k] for mask in taken):
            n_outside += 1
            pt_outside += pt[k]
        for channel in range(recipe.shape[0]):
            if is_inside and taken[channel][k]:
                image[channel, row, column] += weights[channel][k]
    return normalised(image, pt, recipe), n_outside, pt_outside


def weight(constituents, channel, recipe):
    pt = constituents["pt"].astype(float)
    match channel.weight:
        case "pt":
            return pt
        case "count":
            return np.ones(len(pt))
        case "charge":
            return charges(constituents).astype(float)
        case "charge_pt":
            return charges(constituents) * pt
    if "energy" in constituents:
        return constituents["energy"].astype(float)
    x = constituents[recipe.longitudinal].astype(float)
    mass = constituents.get("mass", np.zeros(len(pt)))
    if recipe.longitudinal == "eta":
        return np.sqrt((pt * np.cosh(x)) ** 2 + mass**2)
    return np.sqrt(pt**2 + mass**2) * np.cosh(x)


def normalised(image, pt, recipe):
    if not recipe.steps or not isinstance(recipe.steps[-1], Normalise):
        return image
    which = [c.weight in ("pt", "energy", "charge_pt") for c in recipe.channels]
    pixels = np.abs(image[which])
    norm = {
        "pt_sum": pt.sum(),
        "l1": pixels.sum(),
        "l2": math.sqrt((pixels**2).sum()),
        "max": pixels.max(),
    }[recipe.steps[-1].by]
    if norm > 0:
        image[which] /= norm
    return image


def align(pt, points, axis, recipe):
    """Move the constituents and, as the last point, the axis."""
    points = np.array([*points, axis])
    hardest = max(range(len(pt)), key=lambda k: (pt[k], *points[k]))
    periodic = True
    label, radius = None, None
    for step in recipe.steps:
        needs_subjets = {"leading_subjet", "second_subjet"} & {
            getattr(step, "on", None),
            getattr(step, "by", None),
        }
        if needs_subjets and step.subjet_radius != radius:
            radius = step.subjet_radius
            label = kernels.subjets(pt, points[:-1, 0], points[:-1, 1], radius=radius)
        match step:
            case Centre(on, snap, _):
                if on == "jet_axis":
                    centre = points[-1]
                elif on == "hardest":
                    centre = points[hardest]
                elif on == "leading_subjet":
                    centre = subjet(pt, points, label, 0)
                else:
                    centre = np.average(about(points[:-1], points[hardest], periodic), 0, pt)
                centre = np.array(centre)
                if periodic:
                    centre[1] = kernels.wrap(centre[1])
                if snap:
                    width = [recipe.grid.rows.pixel_width, recipe.grid.columns.pixel_width]
                    centre = np.floor(centre / width + 0.5) * width
                points = points - centre
                if periodic:
                    points[:, 1] = [kernels.wrap(y) for y in points[:, 1]]
            case Rotate(by, _):
                target = None
                if by == "second_subjet" and label.max() > 0:
                    target = subjet(pt, points, label, 1)
                if target is not None and math.hypot(*target) > TINY:
                    angle = -math.pi / 2 - math.atan2(target[1], target[0])
                else:
                    angle = principal_angle(pt, about(points[:-1], points[hardest], periodic))
                turn = complex(math.cos(angle), math.sin(angle))
                turned = (points[:, 0] + 1j * points[:, 1]) * turn
                points = np.stack([turned.real, turned.imag], axis=1)
                periodic = False
            case Flip(axis, towards):
                for which in {"rows": [0], "columns": [1], "both": [0, 1]}[axis]:
                    if towards == "hardest":
                        side = points[hardest, which]
                        is_low = side < -TINY
                    else:
                        along = points[:-1, which]
                        is_low = pt[along < -TINY].sum() > pt[along > TINY].sum()
                    if is_low:
                        points[:, which] *= -1
    return [tuple(point) for point in points[:-1]]


def about(points, centre, periodic):
    """Return the points, with the azimuth unwound about the centre."""
    if not periodic:
        return points
    unwound = [centre[1] + kernels.wrap(y - centre[1]) for y in points[:, 1]]
    return np.stack([points[:, 0], unwound], axis=1)


def subjet(pt, points, label, number):
    """Return rapidity and azimuth of the summed massless four-momenta."""
    mine = np.flatnonzero(label == number)
    px, py = (pt[mine] * [np.cos(points[mine, 1]), np.sin(points[mine, 1])]).sum(axis=1)
    pz, energy = (pt[mine] * [np.sinh(points[mine, 0]), np.cosh(points[mine, 0])]).sum(axis=1)
    return 0.5 * math.log((energy + pz) / (energy - pz)), math.atan2(py, px)


def principal_angle(pt, points):
    """Return the angle that lays the first principal component along +y."""
    covariance = np.cov(points.T, aweights=pt, bias=True) if len(pt) > 1 else np.zeros((2, 2))
    widths, directions = np.linalg.eigh(covariance)
    if widths[1] - widths[0] < 1e-12:
        return 0.0
    direction = directions[:, 1]
    along = (points - np.average(points, 0, pt)) @ direction
    if pt[along < 0].sum() > pt[along > 0].sum():
        direction = -direction
    return math.pi / 2 - math.atan2(direction[1], direction[0])
