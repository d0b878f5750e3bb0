"""Image definitions with a name, spelled as a study would spell them.

A preset stands below what the study says: ``image: {preset: komiske2017, grid: {pixels: 65}}`` is
the same image with more pixels.
"""

from collections.abc import Mapping
from typing import Any

from detcnn.errors import ConfigError

_DE_OLIVEIRA_2016: dict[str, Any] = {
    "longitudinal": "eta",
    "grid": {"pixels": 25, "width": 2.5},
    "channels": [{"name": "pt", "weight": "pt", "of": "all"}],
    "align": [{"step": "centre", "on": "leading_subjet", "subjet_radius": 0.3}],
    "image_steps": [
        {"step": "threshold", "above": 0.1},
        {"step": "rotate", "by": "second_subjet", "subjet_radius": 0.3},
        {"step": "flip", "axis": "rows", "towards": "third_subjet", "subjet_radius": 0.3},
    ],
}

IMAGE_PRESETS: dict[str, dict[str, Any]] = {
    # Komiske, Metodiev and Schwartz, JHEP 01 (2017) 110, arXiv:1612.01551: three colours, centred
    # on the pT centroid to the nearest pixel, both pT channels normalised together, counts left as
    # they are. Zero-centring and standardising follow in training.
    "komiske2017": {
        "longitudinal": "rapidity",
        "grid": {"pixels": 33, "width": 0.8},
        "channels": [
            {"name": "charged_pt", "weight": "pt", "of": "charged"},
            {"name": "neutral_pt", "weight": "pt", "of": "neutral"},
            {"name": "charged_count", "weight": "count", "of": "charged"},
        ],
        "align": [
            {"step": "centre", "on": "pt_centroid", "snap": True},
            {"step": "normalise", "by": "l1"},
        ],
    },
    # De Oliveira, Kagan, Mackey, Nachman and Schwartzman, JHEP 07 (2016) 069, arXiv:1511.05190, in
    # the order of steps of the public re-implementation of Barnard et al., PRD 95 (2017) 014018:
    # the hardest subjet in the centre, 0.1 cells, those of no more than 0.1 GeV emptied, and then
    # the image, not the constituents, turned by a cubic spline and mirrored. Trimming belongs to
    # the jets, not to their image. 25 by 25 cells and subjets of R = 0.3 are quoted from memory.
    # There is no normalisation, because the authors warn that it distorts what the image knows of
    # the mass: see the next preset. Departures: the re-implementation holds its cut against the ET
    # of each deposit as it fills the cells, here it is the pT of the cell; and its image is wider
    # than 25 cells while it is turned, here what turns in from beyond the corners is empty. Whether
    # the paper has the cut is not known here.
    "deoliveira2016": _DE_OLIVEIRA_2016,
    # The same with squares that add up to 1.
    "deoliveira2016_l2": {
        **_DE_OLIVEIRA_2016,
        "image_steps": [*_DE_OLIVEIRA_2016["image_steps"], {"step": "normalise", "by": "l2"}],
    },
    # Macaluso and Shih, arXiv:1803.00107, in the order of steps of the authors' public prototype:
    # the pT centroid in the centre, the principal axis upright, pT as a share of the jet's, 37 by
    # 37 pixels over 3.2 by 3.2, and then the halves of larger sum to the right and to the top. The
    # prototype has one grey channel; the four colours are quoted from memory, and it is the two of
    # pT that the flips go by. A jet of R = 0.8 takes 1.6 by 1.6. Departures: the prototype lays the
    # axis along eta and the larger sum at low eta, which is this image turned and mirrored. It
    # takes jets of 130 to 210 GeV in mass that have 95 % of their pT inside; a preset selects
    # nothing, preprocess.select can do the former. It divides by the fourth root of the fourth
    # central moment of the background, or by its standard deviation, plus 0.02, and subtracts
    # nothing; the nearest thing in training, standardise: {floor: 0.02, relative_floor: 0}, takes
    # the standard deviation of both classes and subtracts their mean.
    "macaluso2018": {
        "longitudinal": "eta",
        "grid": {"pixels": 37, "width": 3.2},
        "channels": [
            {"name": "neutral_pt", "weight": "pt", "of": "neutral"},
            {"name": "track_pt", "weight": "pt", "of": "charged"},
            {"name": "track_count", "weight": "count", "of": "charged"},
            {"name": "muon_count", "weight": "count", "of": "muon"},
        ],
        "align": [
            {"step": "centre", "on": "pt_centroid"},
            {"step": "rotate", "by": "principal_axis"},
            {"step": "normalise", "by": "pt_sum"},
        ],
        "image_steps": [
            {"step": "flip", "axis": "rows", "towards": "sum"},
            {"step": "flip", "axis": "columns", "towards": "sum"},
        ],
    },
    # All there is to see, unturned: what a first look at a file of jets wants.
    "jet_pt": {
        "longitudinal": "eta",
        "grid": {"pixels": 33, "width": 0.8},
        "channels": [{"name": "pt", "weight": "pt", "of": "all"}],
        "align": [{"step": "centre", "on": "pt_centroid"}],
    },
    # The order of steps of the image network in Kasieczka et al., SciPost Phys. 7 (2019) 014: pT
    # centroid, principal axis, the brightest quadrant in the upper right, and only then pixels.
    "top2019": {
        "longitudinal": "eta",
        "grid": {"pixels": 40, "width": 1.6},
        "channels": [{"name": "pt", "weight": "pt", "of": "all"}],
        "align": [
            {"step": "centre", "on": "pt_centroid"},
            {"step": "rotate", "by": "principal_axis"},
            {"step": "flip", "axis": "both", "towards": "hardest"},
            {"step": "normalise", "by": "l1"},
        ],
    },
    # One grey channel, turned and mirrored so that two-prong jets look alike.
    "aligned_pt": {
        "longitudinal": "eta",
        "grid": {"pixels": 33, "width": 2.0},
        "channels": [{"name": "pt", "weight": "pt", "of": "all"}],
        "align": [
            {"step": "centre", "on": "leading_subjet"},
            {"step": "rotate", "by": "second_subjet"},
            {"step": "flip", "axis": "rows", "towards": "pt_sum"},
            {"step": "normalise", "by": "l2"},
        ],
    },
}


def expand_preset(image: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ``image`` section with its preset, if it names one, written out.

    Raises
    ------
    ConfigError
        If there is no preset of that name.
    """
    name = image.get("preset")
    if name is None:
        return dict(image)
    if not isinstance(name, str) or name not in IMAGE_PRESETS:
        raise ConfigError(
            f"preprocess.image.preset: unknown preset {name!r}: "
            f"expected one of {', '.join(IMAGE_PRESETS)}"
        )
    preset = IMAGE_PRESETS[name]
    expanded = {**preset, **image}
    if isinstance(image.get("grid"), Mapping):
        expanded["grid"] = {**preset["grid"], **image["grid"]}
    return expanded
