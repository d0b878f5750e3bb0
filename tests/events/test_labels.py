import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.events.labels import DROPPED, resolve_classes

NAMED = {0: "gluon", 1: "quark", 5: "b"}
NUMBERED = {0: "0", 1: "1", 5: "5"}


@pytest.mark.parametrize(
    ("requested", "label_names", "samples", "expected"),
    [
        pytest.param((), NAMED, (), {"gluon": (0,), "quark": (1,), "b": (5,)}, id="all"),
        pytest.param((), NUMBERED, (), {"0": (0,), "1": (1,), "5": (5,)}, id="all numbers"),
        pytest.param((), {}, ("QCD", "TT", "QCD"), {"QCD": (), "TT": ()}, id="samples"),
        pytest.param(
            (), {0: "QCD", 1: "TT"}, ("W",), {"QCD": (0,), "TT": (1,), "W": ()}, id="both"
        ),
        pytest.param(
            (), {0: "light", 1: "light", 5: "b"}, (), {"light": (0, 1), "b": (5,)}, id="one name"
        ),
        pytest.param(("b", "gluon"), NAMED, (), {"b": (5,), "gluon": (0,)}, id="chosen"),
        pytest.param(("TT", "QCD"), {}, ("QCD", "TT", "W"), {"TT": (), "QCD": ()}, id="order"),
        pytest.param(
            ("gluon", "quark"), {0: "0", 1: "1"}, (), {"gluon": (0,), "quark": (1,)}, id="position"
        ),
        pytest.param(
            ("gluon", "quark"), NUMBERED, (), {"gluon": (0,), "quark": (1,)}, id="position, 5 left"
        ),
        pytest.param(("1", "0"), NUMBERED, (), {"1": (1,), "0": (0,)}, id="numbers stay theirs"),
        pytest.param(
            {"light": [0, 1], "b": 5}, NUMBERED, (), {"light": (0, 1), "b": (5,)}, id="mapping"
        ),
        pytest.param({"1": 0, "0": 1}, NUMBERED, (), {"1": (0,), "0": (1,)}, id="as told"),
    ],
)
def test_resolution(requested, label_names, samples, expected):
    classes = resolve_classes(requested, label_names=label_names, sample_classes=samples)
    assert dict(zip(classes.names, classes.values, strict=True)) == expected
    assert list(classes.names) == list(expected)


def test_one_class_is_enough_for_what_is_not_a_classification():
    assert resolve_classes((), label_names={}, sample_classes=["electron"]).names == ("electron",)
    named = resolve_classes(("QCD",), label_names={}, sample_classes=["QCD", "TT"])
    assert named.names == ("QCD",)


@pytest.mark.parametrize(
    ("requested", "label_names", "samples", "message"),
    [
        ((), {}, (), "no class found"),
        (("a", "a"), {0: "a", 1: "b"}, (), "class 'a' is named twice"),
        (("top", "gluon"), NAMED, (), "'top' is not in the input; classes there: gluon, quark, b"),
        (("a", "b", "c"), {0: "0", 1: "1"}, (), "'c' is not in the input; classes there: a, b"),
        (("a", "b"), {1: "1", 2: "2"}, (), "'a' is not in the input; classes there: b, 2"),
        ({"a": 0, "b": 7}, NUMBERED, (), "no event has the label 7; labels in the input: 0, 1, 5"),
        ({"a": 0, "b": 1}, {}, ("x", "y"), "no event has the label 0; labels in the input: none"),
        ({"a": 0, "b": [7, -7]}, NUMBERED, (), "no event has the label 7 or -7; labels in"),
        ({"a": [0, 1], "b": [1]}, NAMED, (), "'b': label 1 belongs to class 'a' already"),
        ({"a": [], "b": [1]}, NAMED, (), "'a': expected at least one label, found none"),
    ],
)
def test_refusals(requested, label_names, samples, message):
    with pytest.raises(ConfigError, match=message):
        resolve_classes(requested, label_names=label_names, sample_classes=samples)


def test_indices():
    classes = resolve_classes({"light": [0, 1], "b": 5}, label_names=NUMBERED, sample_classes=())
    np.testing.assert_array_equal(
        classes.indices(np.array([5, 1, 0, 7, -1], dtype=np.int8)), [1, 0, 0, DROPPED, DROPPED]
    )


def test_index_of():
    classes = resolve_classes((), label_names={}, sample_classes=("QCD", "TT"))
    assert [classes.index_of(name) for name in ("TT", "QCD", "W")] == [1, 0, DROPPED]
    np.testing.assert_array_equal(classes.indices(np.array([0, 1])), [DROPPED, DROPPED])


def test_a_class_may_list_labels_that_a_small_sample_lacks():
    flavours = {-2: "-2", 0: "0", 1: "1", 21: "21"}
    classes = resolve_classes(
        {"quark": (1, 2, 3, -1, -2, -3), "gluon": 21}, label_names=flavours, sample_classes=()
    )
    labels = np.array([-2, 0, 1, 21, -3])
    assert classes.indices(labels).tolist() == [0, DROPPED, 0, 1, 0]
