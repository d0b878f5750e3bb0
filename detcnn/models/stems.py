"""The first layers of networks made for photographs, and what stands there for detector images.

A photograph of 224×224 pixels is first made smaller: a stem of few layers leaves every fourth row
and column. Detector images have 25 to 64 pixels a side, and each of them was measured: the stem
called ``"detector"`` keeps them all for the layers that follow, or as many as these can use.
Everything behind the stem is as published.
"""

from detcnn.models.options import require_choice

STEMS = ("detector", "imagenet")


def is_for_photographs(stem: str) -> bool:
    """Return whether a stem is the published one.

    Raises
    ------
    ConfigError
        If the name is unknown.
    """
    require_choice("stem", stem, STEMS)
    return stem == "imagenet"
