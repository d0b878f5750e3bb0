import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from detcnn.errors import ConfigError
from detcnn.imaging.filters import (
    FILTERS,
    filtered,
    named_filters,
    parse_matrix,
    pooled,
    rectified,
)

O = "0 0 1 1 0 0 / 0 1 0 0 1 0 / 1 0 0 0 0 1 / 1 0 0 0 0 1 / 0 1 0 0 1 0 / 0 0 1 1 0 0"  # noqa: E741
X = "1 0 0 0 0 1 / 0 1 0 0 1 0 / 0 0 1 1 0 0 / 0 0 1 1 0 0 / 0 1 0 0 1 0 / 1 0 0 0 0 1"


def test_the_letter_o_of_the_lecture_by_hand():
    image = parse_matrix(O)[np.newaxis, np.newaxis]
    maps = filtered(image, parse_matrix("0 0 1 / 0 1 0 / 1 0 0"), bias=-2.0)
    # The first place: 1 of the upper right, 1 in the middle, 1 of the lower left, less 2.
    assert maps[0, 0].tolist() == [
        [1, -1, -2, -1],
        [-1, -2, -1, -2],
        [-2, -1, -2, -1],
        [-1, -2, -1, 1],
    ]
    assert pooled(rectified(maps), 2)[0, 0].tolist() == [[1, 0], [0, 1]]


def test_the_letter_x_of_the_lecture_by_hand():
    image = parse_matrix(X)[np.newaxis, np.newaxis]
    maps = filtered(image, parse_matrix("0 0 1 / 0 1 0 / 1 0 0"), bias=-2.0)
    assert maps[0, 0].tolist() == [
        [-1, -2, -1, 1],
        [-2, -1, 1, -1],
        [-1, 1, -1, -2],
        [1, -1, -2, -1],
    ]
    assert pooled(rectified(maps), 2)[0, 0].tolist() == [[0, 1], [1, 0]]


@settings(deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(0, 2**31),
)
def test_a_layer_is_that_of_torch(k, m, stride, padding, side, seed):
    padding = min(padding, max(k, m) - 1)
    rng = np.random.default_rng(seed)
    images, kernel = rng.normal(size=(2, 3, 7, 9)), rng.normal(size=(k, m))
    found = filtered(images, kernel, stride=stride, padding=padding, bias=0.5)
    weight = torch.from_numpy(kernel).expand(3, 1, k, m)
    bias = torch.full((3,), 0.5, dtype=torch.float64)
    expected = functional.conv2d(
        torch.from_numpy(images), weight, bias, stride=stride, padding=padding, groups=3
    )
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-12)
    if min(found.shape[2:]) >= side:
        expected = functional.max_pool2d(torch.from_numpy(rectified(found)), side)
        np.testing.assert_array_equal(pooled(rectified(found), side), expected.numpy())


def test_what_is_below_zero_is_set_to_zero():
    assert rectified(np.array([-1.0, 0.0, 2.0])).tolist() == [0, 0, 2]


def test_edges_are_found_where_they_are():
    image = np.zeros((1, 1, 6, 6))
    image[..., 3:, :] = 1.0
    along, across, both = (
        filtered(image, np.array(FILTERS[name]))[0, 0]
        for name in ("edge_horizontal", "edge_vertical", "edges")
    )
    assert along.tolist() == [[0] * 4, [-3] * 4, [-3] * 4, [0] * 4]
    assert not across.any()
    assert both.any(axis=1).tolist() == [False, True, True, False]


def test_a_flat_image_stays_what_it_is_or_vanishes():
    image = np.full((1, 1, 5, 5), 2.0)
    for name, rows in FILTERS.items():
        level = {"blur": 2.0, "sharpen": 2.0, "angle": 6.0}.get(name, 0.0)
        np.testing.assert_allclose(filtered(image, np.array(rows)), level, atol=1e-12)


@pytest.mark.parametrize("text", ["1 2 / 3 4", "1,2;3,4", " 1  2/3 4 "])
def test_a_matrix_is_written_in_rows(text):
    assert parse_matrix(text).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 / 3 x", r"row 2, '3 x', is no row of numbers: expected rows separated by '/'"),
        ("1 2 / 3", "row 2 has 1 numbers, the first has 2"),
        ("", "row 1 has 0 numbers"),
        ("1 / ", "row 2 has 0 numbers"),
        ("nan", "expected finite numbers"),
    ],
)
def test_what_is_no_matrix_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_matrix(text)


@pytest.mark.parametrize("content", [None, [], {}, {"a": 3}, {"a": [3]}, {"a": [["x"]]}, {"a": []}])
def test_a_file_holds_names_and_rows(content, tmp_path):
    with pytest.raises(ConfigError, match="expected"):
        named_filters(content, path=tmp_path)
    assert named_filters({"a": [[1, 2]]}, path=tmp_path)["a"].tolist() == [[1, 2]]


def test_what_does_not_fit_is_refused():
    image = np.zeros((1, 1, 2, 3))
    with pytest.raises(
        ConfigError, match="3x3 does not fit into images of 2x3 with a padding of 0"
    ):
        filtered(image, np.ones((3, 3)))
    with pytest.raises(ConfigError, match="window of 3x3 does not fit into 2x3"):
        pooled(image, 3)


def test_padding_up_to_the_longer_side():
    kernel = np.ones((1, 3))
    found = filtered(np.ones((1, 1, 2, 2)), kernel, padding=2)
    assert found[0, 0].tolist() == [[0] * 4] * 2 + [[1, 2, 2, 1]] * 2 + [[0] * 4] * 2
    with pytest.raises(ConfigError, match="--padding 3: a filter of 1x3 .* at most 2"):
        filtered(np.ones((1, 1, 2, 2)), kernel, padding=3)
