import dataclasses
import json

import pytest

from detcnn.config.train import TrainConfig
from detcnn.events.grid import Axis, Grid
from detcnn.stages.policies import policies_of


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"policy": "shift", "max_pixels": 3, "subpixel": True}, "Shift"),
        ({"policy": "flip", "rows": False, "probability": 0.25}, "Flip"),
        ({"policy": "rotate", "max_degrees": 30.0}, "Rotate"),
        ({"policy": "zoom", "max_factor": 1.5}, "Zoom"),
        ({"policy": "shear", "max_slope": 0.25}, "Shear"),
        ({"policy": "crop", "min_share": 0.25, "resize": False}, "Crop"),
        ({"policy": "elastic", "max_pixels": 0.25, "cells": 7}, "ElasticWarp"),
        ({"policy": "noise", "sigma": 0.25, "relative": False}, "Noise"),
        ({"policy": "drop_pixels", "probability": 0.25}, "DropPixels"),
        ({"policy": "colour", "max_factor": 1.5, "together": True}, "Colour"),
    ],
)
def test_every_policy_of_the_study_arrives(value, name):
    grid = Grid(Axis("eta", 10, 0.0, 1.0), Axis("phi", 10, 0.0, 2.0))
    config = TrainConfig.model_validate_json(json.dumps({"augment": [value]}))
    (built,) = policies_of(config.augment, grid)
    assert type(built).__name__ == name
    expected = {k: v for k, v in value.items() if k != "policy"}
    if name == "Rotate":
        expected["aspect"] = 0.5
    assert dataclasses.asdict(built).items() >= expected.items()
