"""The published images against slow versions, written from the papers and sharing no code.

A jet is a tuple of (pt, eta, phi, charge, pdgid); everything is done one number at a time.
"""

import json
import math
from functools import lru_cache

import numpy as np
import pytest
import torch

from detcnn.config.preprocess import ImageConfig
from detcnn.config.presets import IMAGE_PRESETS, expand_preset
from detcnn.events.images import as_dense
from detcnn.events.table import EventTable
from detcnn.imaging.projection import project
from detcnn.imaging.statistics import pixel_sums
from detcnn.models.standardise import Standardise
from detcnn.stages.preprocessing.recipes import build_recipe

# Slow versions


def turn_less(angle):
    """Return an azimuth in [-π, π)."""
    while angle >= math.pi:
        angle -= 2 * math.pi
    while angle < -math.pi:
        angle += 2 * math.pi
    return angle


def komiske2017(jet):
    """Return charged pT, neutral pT and charged count on 33 by 33 pixels over 0.8 by 0.8."""
    n, width = 33, 0.8 / 33
    image = np.zeros((3, n, n))
    if not jet:
        return image
    hardest = max(jet)[2]
    unwound = [(pt, y, hardest + turn_less(phi - hardest), q) for pt, y, phi, q, _ in jet]
    total = sum(pt for pt, *_ in jet)
    y_0 = sum(pt * y for pt, y, _, _ in unwound) / total
    phi_0 = turn_less(sum(pt * phi for pt, _, phi, _ in unwound) / total)

    def cell(x):
        return math.ceil(x / width - 0.5)

    for pt, y, phi, charge in unwound:
        # The centroid's cell of the detector is the middle pixel.
        row = math.floor((y - cell(y_0) * width) / width + 0.5) + n // 2
        column = math.floor(turn_less(phi - cell(phi_0) * width) / width + 0.5) + n // 2
        if 0 <= row < n and 0 <= column < n:
            image[0 if charge else 1, row, column] += pt
            image[2, row, column] += 1 if charge else 0
    image[:2] /= image[:2].sum()
    return image


def four_vector(pt, y, phi):
    return np.array([pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(y), pt * math.cosh(y)])


def place(p):
    """Return pT, rapidity and azimuth of a four-vector (px, py, pz, E)."""
    return math.hypot(p[0], p[1]), math.atanh(p[2] / p[3]), math.atan2(p[1], p[0])


def kt_subjets(jet, radius):
    """Return the inclusive kT subjets as (pT, y, phi), hardest first, by brute force."""
    jets, done = [four_vector(*particle[:3]) for particle in jet], []
    while jets:
        best, pair = math.inf, None
        where = [place(p) for p in jets]
        for i, (pt, y, phi) in enumerate(where):
            if pt**2 < best:
                best, pair = pt**2, (i, i)
            for j in range(i):
                distance = (y - where[j][1]) ** 2 + turn_less(phi - where[j][2]) ** 2
                measure = min(pt, where[j][0]) ** 2 * distance / radius**2
                if measure < best:
                    best, pair = measure, (i, j)
        i, j = pair
        last = jets.pop(i)
        if i == j:
            done.append(place(last))
        else:
            jets[j] = jets[j] + last
    return sorted(done, reverse=True)


def cubic_b_spline(x):
    x = np.minimum(np.abs(x), 2.0)
    return np.where(x < 1, 2 / 3 - x**2 + x**3 / 2, (2 - x) ** 3 / 6)


def rotated(image, angle):
    """Turn an image, zero all round, by the cubic spline through its pixels."""
    n, rim = len(image), 20
    wide = np.pad(image, rim)
    # Coefficients: the spline's value at every pixel is the pixel's.
    system = sum(np.eye(len(wide), k=k) * cubic_b_spline(k) for k in (-1, 0, 1))
    coefficients = np.linalg.solve(system, np.linalg.solve(system, wide).T).T
    middle = (n - 1) / 2
    result = np.zeros_like(image)
    places = np.arange(len(wide)) - rim
    for row in range(n):
        for column in range(n):
            x, y = row - middle, column - middle
            back_x = math.cos(angle) * x + math.sin(angle) * y + middle
            back_y = -math.sin(angle) * x + math.cos(angle) * y + middle
            down, right = cubic_b_spline(back_x - places), cubic_b_spline(back_y - places)
            result[row, column] = down @ coefficients @ right
    return result


@lru_cache
def deoliveira2016(jet):
    """Return pT on 25 by 25 cells of 0.1, the image turned and mirrored."""
    n, width = 25, 0.1
    image = np.zeros((n, n))
    if not jet:
        return image[None]
    subjets = kt_subjets(jet, 0.3)
    _, eta_0, phi_0 = subjets[0]
    for pt, eta, phi, *_ in jet:
        row = math.floor((eta - eta_0) / width + n / 2)
        column = math.floor(turn_less(phi - phi_0) / width + n / 2)
        if 0 <= row < n and 0 <= column < n:
            image[row, column] += pt
    image[image <= 0.1] = 0
    if len(subjets) > 1:
        _, eta, phi = subjets[1]
        angle = -math.pi / 2 - math.atan2(turn_less(phi - phi_0), eta - eta_0)
        image = rotated(image, angle)
    else:
        pixels = [(i, j) for i in range(n) for j in range(n)]
        if np.count_nonzero(image) < 2:
            return image[None]
        spread = np.cov(pixels, rowvar=False, aweights=image.ravel(), bias=True)
        axis = np.linalg.eigh(spread)[1][:, 1]
        image = rotated(image, -math.pi / 2 - math.atan2(axis[1], axis[0]))
        if image[:, n // 2 + 1 :].sum() > image[:, : n // 2].sum():
            image = image[::-1, ::-1]
    if len(subjets) > 2:
        _, eta, phi = subjets[2]
        side = math.cos(angle) * (eta - eta_0) - math.sin(angle) * turn_less(phi - phi_0)
    else:
        side = image[n // 2 + 1 :].sum() - image[: n // 2].sum()
    return (image[::-1] if side < 0 else image)[None]


def deoliveira2016_l2(jet):
    image = deoliveira2016(jet)
    return image / math.sqrt((image**2).sum()) if image.any() else image


def macaluso2018(jet):
    """Return neutral pT, track pT, track count and muon count on 37 by 37 pixels over 3.2."""
    n, width = 37, 3.2 / 37
    image = np.zeros((4, n, n))
    if not jet:
        return image
    total = sum(pt for pt, *_ in jet)
    first = jet[0][2]
    eta_0 = sum(pt * eta for pt, eta, *_ in jet) / total
    phi_0 = first + sum(pt * turn_less(phi - first) for pt, _, phi, *_ in jet) / total
    moved = [(p, eta - eta_0, turn_less(phi - phi_0), q, pid) for p, eta, phi, q, pid in jet]
    m20 = sum(pt * x * x for pt, x, *_ in moved)
    m02 = sum(pt * y * y for pt, _, y, *_ in moved)
    m11 = sum(pt * x * y for pt, x, y, *_ in moved)
    # From the η axis to the principal axis; upright is a quarter turn further.
    axis = 0.5 * math.atan2(2 * m11, m20 - m02) if len(jet) > 1 else math.pi / 2
    cosine, sine = math.cos(math.pi / 2 - axis), math.sin(math.pi / 2 - axis)
    for pt, x, y, charge, pdgid in moved:
        row = math.floor((cosine * x - sine * y) / width + n / 2)
        column = math.floor((sine * x + cosine * y) / width + n / 2)
        if not (0 <= row < n and 0 <= column < n):
            continue
        image[1 if charge else 0, row, column] += pt / total
        image[2, row, column] += 1 if charge else 0
        image[3, row, column] += abs(pdgid) == 13
    pt = image[:2].sum(axis=0)
    if pt[: n // 2].sum() > pt[-(n // 2) :].sum():
        image = image[:, ::-1]
    if pt[:, : n // 2].sum() > pt[:, -(n // 2) :].sum():
        image = image[:, :, ::-1]
    return image


SLOW = {
    "komiske2017": komiske2017,
    "deoliveira2016": deoliveira2016,
    "deoliveira2016_l2": deoliveira2016_l2,
    "macaluso2018": macaluso2018,
}

# Jets


def random_jets(seed, *, n_prongs, spread, n_jets=7, mean_pt=20):
    """Return jets of some prongs, some of them astride φ = ±π."""
    rng = np.random.default_rng(seed)
    species = np.array([(1, 211), (-1, -211), (0, 22), (0, 130), (1, -13), (-1, 11)])
    jets = []
    for number in range(n_jets):
        axis = rng.uniform(-2, 2), np.pi if number % 3 == 0 else rng.uniform(-3, 3)
        prongs = rng.uniform(-0.55, 0.55, (n_prongs, 2)) * (n_prongs > 1)
        jet = []
        for _ in range(rng.integers(6, 20)):
            eta, phi = axis + prongs[rng.integers(n_prongs)] + rng.normal(0, spread, 2)
            charge, pdgid = species[rng.integers(len(species))]
            jet.append((rng.exponential(mean_pt), eta, turn_less(phi), int(charge), int(pdgid)))
        jets.append(tuple(jet))
    return jets


JETS = {
    "one narrow prong": random_jets(1, n_prongs=1, spread=0.04),
    "one prong": random_jets(2, n_prongs=1, spread=0.15),
    "two prongs": random_jets(3, n_prongs=2, spread=0.04),
    "three prongs": random_jets(4, n_prongs=3, spread=0.04),
    "wide": random_jets(5, n_prongs=4, spread=0.3),
    "soft": random_jets(7, n_prongs=2, spread=0.2, mean_pt=0.2),
    "few or none": [(), ((5.0, 0.3, -3.1, 1, 211),), (), random_jets(6, n_prongs=2, spread=0)[0]],
}


def table_of(jets):
    rows = np.array([particle for jet in jets for particle in jet], dtype=float).reshape(-1, 5)
    constituents = dict(zip(("pt", "eta", "phi", "charge", "pdgid"), rows.T.copy(), strict=True))
    constituents["pdgid"] = constituents["pdgid"].astype(int)
    constituents["rapidity"] = constituents["eta"].copy()
    return EventTable(np.cumsum([0, *map(len, jets)]), constituents)


def recipe_of(preset):
    section = json.dumps(expand_preset({"preset": preset}))
    return build_recipe(ImageConfig.model_validate_json(section))


@pytest.mark.parametrize("kind", JETS)
@pytest.mark.parametrize("preset", SLOW)
def test_the_published_image(preset, kind):
    found = as_dense(project(table_of(JETS[kind]), recipe_of(preset)).images).values
    for jet, image in zip(JETS[kind], found, strict=True):
        expected = SLOW[preset](jet)
        atol = 2e-6 * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(image, expected, rtol=1e-5, atol=atol)


def test_the_jets_put_every_branch_to_the_test():
    n_subjets = [len(kt_subjets(jet, 0.3)) for jets in JETS.values() for jet in jets]
    assert {0, 1, 2, 3} <= set(n_subjets)
    assert sum(n == 1 for n in n_subjets) > 10
    assert sum(pt <= 0.1 for jet in JETS["soft"] for pt, *_ in jet) > 10


@pytest.mark.parametrize(
    # Komiske et al. as published; of Macaluso and Shih what comes nearest, see the preset.
    ("preset", "floor"),
    [("komiske2017", 1e-5), ("macaluso2018", 0.02)],
)
def test_what_the_network_sees_of_it(preset, floor):
    jets = [jet for kind in JETS.values() for jet in kind if jet]
    images = project(table_of(jets), recipe_of(preset)).images
    sums = pixel_sums(images, np.arange(len(jets)) % 2, n_classes=2)
    layer = Standardise.from_statistics(sums.mean, sums.std, floor=floor, relative_floor=0)
    found = layer(torch.from_numpy(as_dense(images).values)).numpy()
    slow = [SLOW[preset](jet) for jet in jets]
    for place in np.ndindex(slow[0].shape):
        pixels = [float(image[place]) for image in slow]
        mean = math.fsum(pixels) / len(jets)
        spread = math.sqrt(math.fsum((pixel - mean) ** 2 for pixel in pixels) / len(jets))
        expected = [(pixel - mean) / (spread + floor) for pixel in pixels]
        np.testing.assert_allclose(found[:, *place], expected, rtol=1e-4, atol=1e-4)
    # A standardisation that does nothing, or nothing but subtract, would not get here.
    assert 1 < np.abs(found).max() <= math.sqrt(len(jets))


@pytest.mark.parametrize("preset", IMAGE_PRESETS)
def test_every_preset_makes_images(preset):
    recipe = recipe_of(preset)
    images = as_dense(project(table_of(JETS["two prongs"]), recipe).images)
    assert images.shape == recipe.shape
    assert np.isfinite(images.values).all()
    assert np.abs(images.values).max(axis=(1, 2, 3)).min() > 0
