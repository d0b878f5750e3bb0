import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detcnn.simulation.mixing import mixed


def test_jets_keep_their_constituents(make_jets):
    tables = [make_jets(40, seed=1), make_jets(30, seed=2, label=1, first_id=100)]
    found = mixed(tables, np.random.default_rng(3))

    ids = found.columns["event_id"]
    assert sorted(ids) == [*range(40), *range(100, 130)]
    np.testing.assert_array_equal(found.columns["label"], ids >= 100)
    counts = dict(zip(ids, np.diff(found.offsets), strict=True))
    for table in tables:
        for i, event_id in enumerate(table.columns["event_id"]):
            assert counts[event_id] == table.offsets[i + 1] - table.offsets[i]
    np.testing.assert_array_equal(
        found.constituents["pdgid"], np.repeat(ids, np.diff(found.offsets))
    )


@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 10))
def test_nothing_is_lost_or_doubled(make_jets, sizes, seed):
    tables = [make_jets(n, seed=n, first_id=10 * i) for i, n in enumerate(sizes)]
    found = mixed(tables, np.random.default_rng(seed))
    for name in ("event_id", "mass"):
        expected = np.concatenate([table.columns[name] for table in tables])
        assert sorted(found.columns[name]) == sorted(expected)
    expected = np.concatenate([table.constituents["pt"] for table in tables])
    assert sorted(found.constituents["pt"]) == sorted(expected)


def test_the_order_is_the_generators(make_jets, assert_same_jets):
    tables = [make_jets(50)]
    first, again, other = (mixed(tables, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert_same_jets(again, first)
    assert not np.array_equal(first.columns["event_id"], other.columns["event_id"])
    assert not np.array_equal(first.columns["event_id"], tables[0].columns["event_id"])
