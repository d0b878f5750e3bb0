from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detcnn.errors import ConfigError
from detcnn.events.identity import content_ids, mix, physical_events, split_indices
from detcnn.events.images import DenseImages
from detcnn.events.table import EventTable, ImageTable

FRACTIONS = {"train": 0.8, "validation": 0.05, "test": 0.15}
IDS = np.arange(40_000, dtype=np.int64)


@pytest.fixture
def jets():
    rng = np.random.default_rng(3)
    offsets = np.array([0, 3, 3, 7, 8])
    return EventTable(
        offsets, {name: rng.random(8, dtype=np.float32) for name in ("pt", "eta", "phi")}
    )


@pytest.fixture
def pictures():
    rng = np.random.default_rng(3)
    values = rng.random((4, 2, 3, 3), dtype=np.float32) * (rng.random((4, 2, 3, 3)) < 0.4)
    return ImageTable(DenseImages(values.astype(np.float32)))


def test_an_event_is_one_of_a_source():
    event_id, source = np.array([5, 5, 5, -1, 0, 5]), np.array([0, 0, 1, 1, 5, 2])
    numbers = physical_events(event_id, source)
    assert numbers.dtype == np.int64
    assert numbers[0] == numbers[1]
    assert len(np.unique(numbers)) == 5


def test_mix_is_splitmix64():
    # First outputs of the reference implementation for the seed 0.
    gamma = np.uint64(0x9E3779B97F4A7C15)
    states = np.arange(3, dtype=np.uint64) * gamma
    assert [hex(word) for word in mix(states).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_split_is_a_function_of_the_id_alone():
    whole = split_indices(IDS, FRACTIONS)
    order = np.random.default_rng(1).permutation(len(IDS))
    np.testing.assert_array_equal(split_indices(IDS[order], FRACTIONS), whole[order])
    np.testing.assert_array_equal(split_indices(IDS[7:90:3], FRACTIONS), whole[7:90:3])
    np.testing.assert_array_equal(split_indices(np.repeat(IDS, 2)[:9], FRACTIONS)[::2], whole[:5])


@pytest.mark.parametrize("ids", [IDS, -IDS, IDS << 40], ids=["small", "negative", "spread"])
def test_shares_within_their_binomial_error(ids):
    counts = np.bincount(split_indices(ids, FRACTIONS), minlength=3)
    for count, share in zip(counts, FRACTIONS.values(), strict=True):
        assert abs(count - share * len(ids)) < 4.5 * np.sqrt(len(ids) * share * (1 - share))


def test_salts_are_independent():
    halves = {"a": 0.5, "b": 0.5}
    one, other = (split_indices(IDS, halves, salt=salt) for salt in (0, 1))
    table = np.histogram2d(one, other, bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4
    assert not np.array_equal(one, other)


def test_a_share_of_zero_gets_nothing():
    fractions = {"train": 0.5, "validation": 0.0, "test": 0.5}
    assert np.bincount(split_indices(IDS, fractions), minlength=3)[1] == 0


def test_growing_the_training_share_takes_from_its_neighbour_only():
    before = split_indices(IDS, {"train": 0.6, "validation": 0.3, "test": 0.1})
    after = split_indices(IDS, {"train": 0.7, "validation": 0.2, "test": 0.1})
    np.testing.assert_array_equal(before == 2, after == 2)
    assert np.all(after[before == 0] == 0)


@pytest.mark.parametrize(
    "fractions", [{"a": 0.5, "b": 0.4}, {"a": 1.2, "b": -0.2}, {"a": np.nan, "b": 0.5}]
)
def test_bad_shares(fractions):
    with pytest.raises(ConfigError, match="expected shares of 1"):
        split_indices(IDS, fractions)


def test_equal_content_equal_id(jets):
    doubled = {name: np.tile(column, 2) for name, column in jets.constituents.items()}
    offsets = np.concatenate([jets.offsets, jets.offsets[1:] + 8])
    ids = content_ids(EventTable(offsets, doubled))
    np.testing.assert_array_equal(ids[:4], ids[4:])
    np.testing.assert_array_equal(ids[:4], content_ids(jets))
    assert len(set(ids.tolist())) == 4


@given(st.permutations(range(4)))
def test_order_of_constituents_does_not_matter(order):
    columns = {
        "pt": np.array([9.0, 5.0, 2.0, 1.0], dtype=np.float32),
        "rapidity": np.array([0.1, 0.2, -0.1, 0.0], dtype=np.float32),
        "phi": np.array([3.1, -3.1, 0.5, 0.5], dtype=np.float32),
    }
    shuffled = {name: column[list(order)] for name, column in columns.items()}
    offsets = np.array([0, 4])
    assert content_ids(EventTable(offsets, shuffled)) == content_ids(EventTable(offsets, columns))


@pytest.mark.parametrize("name", ["pt", "eta", "phi"])
def test_any_other_value_is_another_event(jets, name):
    column = jets.constituents[name].copy()
    column[4] = np.nextafter(column[4], np.float32(2))
    changed = replace(jets, constituents={**jets.constituents, name: column})
    np.testing.assert_array_equal(
        content_ids(changed) != content_ids(jets), [False, False, True, False]
    )


def test_values_do_not_change_places(jets):
    pt, eta = jets.constituents["pt"], jets.constituents["eta"]
    swapped = replace(jets, constituents={**jets.constituents, "pt": eta, "eta": pt})
    assert not np.any((content_ids(swapped) == content_ids(jets))[[0, 2, 3]])


def test_a_zero_has_no_sign(jets):
    eta = jets.constituents["eta"].copy()
    eta[0] = 0.0
    positive = content_ids(replace(jets, constituents={**jets.constituents, "eta": eta}))
    eta[0] = -0.0
    negative = content_ids(replace(jets, constituents={**jets.constituents, "eta": eta}))
    np.testing.assert_array_equal(positive, negative)


def test_image_ids_hang_on_the_image_alone(pictures):
    ids = content_ids(pictures)
    values = pictures.images.values
    order = np.array([2, 0, 0, 3, 1])
    shuffled = ImageTable(DenseImages(values[order]))
    np.testing.assert_array_equal(content_ids(shuffled), ids[order])


def test_every_pixel_counts(pictures):
    values = pictures.images.values
    ids = content_ids(pictures)
    for position in range(18):
        changed = values.copy()
        changed.reshape(4, -1)[1, position] += 1
        np.testing.assert_array_equal(
            content_ids(ImageTable(DenseImages(changed))) != ids, [False, True, False, False]
        )
    mirrored = ImageTable(DenseImages(values[..., ::-1].copy()))
    assert not np.any(content_ids(mirrored) == ids)
