"""Files in which every class has a group, or a dataset, of its own."""

import pickle

import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.sources.base import Layout
from detcnn.sources.opening import open_source


def shifted(datasets, by):
    """Return the datasets with the momenta of constituents raised."""
    return {
        name: values + by * (values != 0) if name.endswith("part_pt") else values
        for name, values in datasets.items()
    }


@pytest.fixture
def unlabelled(padded):
    del padded["label"]
    return padded


def in_groups(*pairs):
    return {f"{group}/{name}": values for group, of in pairs for name, values in of.items()}


def check_two_classes(source):
    assert [(s.name, s.n_events, s.class_name) for s in source.samples] == [
        ("QCD", 3, "QCD"),
        ("top", 3, "top"),
    ]
    assert source.label_names == {}
    assert source.image_shape is None
    assert source.read(0, 0, 3).constituents["pt"].tolist() == [9, 8, 7, 6, 5]
    assert source.read(1, 0, 3).constituents["pt"].tolist() == [109, 108, 107, 106, 105]
    assert source.read(1, 2, 3).offsets.tolist() == [0, 3]


def test_a_group_for_each_class_padded(opened, unlabelled):
    datasets = in_groups(("top", shifted(unlabelled, 100)), ("QCD", unlabelled))
    source = opened(datasets)
    check_two_classes(source)
    assert source.read(0, 0, 3).columns["pt"].tolist() == [30, 20, 10]
    check_two_classes(pickle.loads(pickle.dumps(source)))


def test_a_group_for_each_class_jagged(opened, jagged):
    inside = {name.rpartition("/")[2]: values for name, values in jagged.items()}
    inside = {("part_" if len(v) == 5 else "") + n: v for n, v in inside.items() if n != "pt"}
    inside |= {"part_pt": jagged["constituents/pt"]}
    del inside["label"]
    datasets = in_groups(("top", shifted(inside, 100)), ("QCD", inside))
    source = opened(datasets)
    assert source.layout.kind == "jagged"
    check_two_classes(source)


def test_a_group_for_each_class_of_images(opened, images):
    values = images["images"]
    source = opened({"A/images": values, "B/images": values + 1})
    assert [(s.name, s.n_events, s.class_name) for s in source.samples] == [
        ("A", 4, "A"),
        ("B", 4, "B"),
    ]
    np.testing.assert_array_equal(source.read(1, 1, 3).images.values, values[1:3] + 1)


def stacked(padded):
    return np.stack([padded[f"part_{name}"] for name in ("pt", "eta", "phi")], axis=-1)


def test_a_dataset_for_each_class_by_its_features(write, unlabelled):
    names = ["pt", "eta", "phi"]
    path = write(
        {"QCD": stacked(unlabelled), "top": stacked(shifted(unlabelled, 100))},
        QCD__features=names,
        top__features=names,
    )
    check_two_classes(open_source(path))


def test_a_dataset_for_each_class_as_the_study_says(opened, unlabelled):
    told = {role: f"{{class}}[..., {i}]" for i, role in enumerate(("pt", "eta", "phi"))}
    datasets = {"QCD": stacked(unlabelled), "top": stacked(shifted(unlabelled, 100))}
    check_two_classes(opened(datasets, constituents=told))


def test_groups_as_the_study_says(opened, unlabelled):
    told = {role: f"/{{class}}/part_{role}" for role in ("pt", "eta", "phi")}
    datasets = in_groups(("QCD", unlabelled), ("top", shifted(unlabelled, 100)))
    datasets["top/more"] = np.zeros(3)
    check_two_classes(opened(datasets, constituents=told))


def test_names_with_the_class_inside(opened, unlabelled):
    datasets = {f"{name}_of_QCD": values for name, values in unlabelled.items()}
    more = {f"{n}_of_top": v for n, v in shifted(unlabelled, 100).items()}
    more["part_pt_of_top"] = unlabelled["part_pt"] + 100 * (unlabelled["part_pt"] != 0)
    told = {role: f"part_{role}_of_{{class}}" for role in ("pt", "eta", "phi")}
    check_two_classes(opened({**datasets, **more}, constituents=told))


@pytest.mark.parametrize(
    ("groups", "layout", "message"),
    [
        (("train", "test"), {}, "the groups test, train look like splits.*as tree: test"),
        (("a", "b"), {"constituents": {"pt": "{class}/nowhere"}}, r"no dataset is called '.class"),
        (
            ("a", "b"),
            {"constituents": {"pt": "{class}/part_pt"}, "class_name": "x"},
            "class: x cannot be the class of all events",
        ),
    ],
)
def test_what_are_no_classes(opened, unlabelled, groups, layout, message):
    datasets = in_groups(*((group, unlabelled) for group in groups))
    with pytest.raises(ConfigError, match=message):
        opened(datasets, **layout)


def test_groups_with_labels_of_their_own(opened, padded):
    datasets = in_groups(("run1", padded), ("run2", padded))
    with pytest.raises(ConfigError, match="labels of their own: name the one to read.*tree: run1"):
        opened(datasets)
    source = opened(datasets, tree="run2")
    assert source.label_names == {0: "0", 1: "1"}
    assert source.layout.constituents["pt"] == "part_pt"


def test_a_tree_that_is_not_there(write, padded):
    with pytest.raises(ConfigError, match=r"in\.h5: no group 'run1'; there are: jet_pt, label, pa"):
        open_source(write(padded), Layout(tree="run1"))


def test_groups_of_other_things_are_no_classes(opened, jagged):
    assert len(opened(jagged).samples) == 1
    jagged |= {"a/x": np.zeros(2), "b/x": np.zeros(2)}
    assert len(opened(jagged).samples) == 1
