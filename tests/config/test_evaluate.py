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


def test_thresholds_are_not_judged_by_what_they_were_chosen_for():
    with pytest.raises(ValidationError, match="the validation split is the one evaluated"):
        EvaluateConfig(split="validation", selections={"tuned_on": "validation"})
    assert EvaluateConfig(split="train", selections={"tuned_on": "validation"}).selections


@pytest.mark.parametrize("keep", [{}, {"a": "beside"}, dict.fromkeys("abcd", "above")])
def test_a_cut_has_a_few_columns_and_a_side_of_each(keep):
    with pytest.raises(ValidationError, match="keep"):
        EvaluateConfig(selections={"cuts": [{"select": "nc", "keep": keep}]})
