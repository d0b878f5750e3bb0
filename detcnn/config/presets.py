"""Image definitions with a name, spelled as a study would spell them.

A preset stands below what the study says: ``image: {preset: komiske2017, grid: {pixels: 65}}`` is
the same image with more pixels.
"""

from collections.abc import Mapping
from typing import Any

from detcnn.errors import ConfigError

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
