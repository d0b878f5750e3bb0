from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DetcnnError
from detcnn.sources.container import Dataset
from detcnn.sources.layouts.references import (
    Numbered,
    Reference,
    named_columns,
    require,
    require_numbered,
)

PATH = Path("x.h5")


def datasets(**described):
    found = {}
    for name, (shape, features) in described.items():
        full = name.replace("__", "/")
        found[full] = Dataset(full, shape, np.dtype("f4"), features=features)
    return found


DATASETS = datasets(
    X=((9, 4, 3), ()),
    block=((9, 8), ()),
    t__named=((9, 3), ("E_0", "PX_0", "truth")),
    pt_0=((9,), ()),
    pt_1=((9,), ()),
    eta_0=((9,), ()),
    eta_2=((9,), ()),
    star__x=((9,), ()),
)
DATASETS["odd[..., 1]"] = Dataset("odd[..., 1]", (9,), np.dtype("f4"))
DATASETS["text"] = Dataset("text", (9,), np.dtype(object), problem="write numbers")


@pytest.mark.parametrize(
    ("text", "expected", "shape"),
    [
        ("X", Reference("X"), (9, 4, 3)),
        ("X[..., 2]", Reference("X", 2), (9, 4)),
        ("X[...,2]", Reference("X", 2), (9, 4)),
        ("X[ ... , 2 ]", Reference("X", 2), (9, 4)),
        ("block[..., 3]", Reference("block", 3), (9,)),
        ("block[..., 1:8:4]", Reference("block", range(1, 8, 4)), (9, 2)),
        ("block[..., 1:3]", Reference("block", range(1, 3)), (9, 2)),
        ("t/E_0", Reference("t/named", 0), (9,)),
        ("odd[..., 1]", Reference("odd[..., 1]"), (9,)),
    ],
)
def test_parts_of_columns(text, expected, shape):
    found = require(PATH, DATASETS, text)
    assert found == expected
    assert found.shape(DATASETS) == shape
    assert require(PATH, DATASETS, str(found)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Y", "no dataset 'Y'; there are: X, block, t/named"),
        ("Y[..., 2]", "no dataset 'Y'"),
        ("X[..., 3]", r"'X\[..., 3\]' is outside of the dataset's shape \(9, 4, 3\)"),
        ("pt_0[..., 0]", "outside"),
        ("block[..., 0:9:4]", "outside"),
        ("block[..., 4:4]", "outside"),
        ("X[2]", "no dataset"),
        ("t/nothing", "no dataset"),
        ("text", "'text' is object, expected numbers: write numbers"),
    ],
)
def test_parts_that_are_not_there(text, message):
    with pytest.raises(ConfigError, match=message):
        require(PATH, DATASETS, text)


def test_numbered_columns():
    found = require_numbered(PATH, DATASETS, "pt_*")
    assert found == Numbered("pt_*", ("pt_0", "pt_1"))
    assert (str(found), found.shape(DATASETS)) == ("pt_*", (9, 2))
    values = found.of({"pt_0": np.array([1, 2]), "pt_1": np.array([3, 4])})
    assert values.tolist() == [[1, 3], [2, 4]]
    assert require_numbered(PATH, DATASETS, "block[..., 0:8:4]").shape(DATASETS) == (9, 2)


@pytest.mark.parametrize("text", ["eta_*", "phi_*", "*"])
def test_numbers_with_gaps(text):
    with pytest.raises(ConfigError, match="expected columns numbered through, there are"):
        require_numbered(PATH, DATASETS, text)


def test_the_part_of_an_array_that_is_meant():
    values = {"block": np.arange(16).reshape(2, 8), "X": np.arange(12).reshape(2, 2, 3)}
    assert Reference("block", range(1, 8, 4)).of(values).tolist() == [[1, 5], [9, 13]]
    assert Reference("block", 3).of(values).tolist() == [3, 11]
    assert Reference("X", 2).of(values).tolist() == [[2, 5], [8, 11]]


def test_columns_by_name():
    found = named_columns(DATASETS)
    assert found["t/PX_0"] == Reference("t/named", 1)
    assert found["pt_0"] == Reference("pt_0")
    assert not {"X", "block", "t/named", "text"} & found.keys()


@given(st.text(alphabet="Xblockpt_0123456789[]., :*/t", max_size=20))
def test_any_text_is_found_or_refused(text):
    message = "x.h5"
    try:
        shape = require_numbered(PATH, DATASETS, text).shape(DATASETS)
        assert shape[0] == 9
        assert 0 not in shape
    except DetcnnError as error:
        message = str(error)
    assert message.startswith("x.h5")
    assert len(message.splitlines()) == 1
