import pytest
from pydantic import ValidationError

from detcnn.config.evaluate import EvaluateConfig, OcclusionConfig


@pytest.mark.parametrize("given", [{"stride": 2}, {"patch": 2, "stride": 3}])
def test_pixels_between_patches_are_refused(given):
    with pytest.raises(ValidationError, match="would leave pixels out"):
        OcclusionConfig(**given)


def test_occlusion_is_part_of_what_determines_a_result():
    assert EvaluateConfig().identity()["occlusion"]["events"] == 400
    assert EvaluateConfig(occlusion=None).identity()["occlusion"] is None
