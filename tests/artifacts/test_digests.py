import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.artifacts.digests import file_digest, value_digest
from detcnn.errors import DataError

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = LEAVES | FLOATS | st.lists(LEAVES) | st.dictionaries(st.text(), FLOATS, max_size=3)


def test_file_digest_is_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert file_digest(path) == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir()])
def test_unreadable_file(tmp_path, make):
    make(tmp_path / "a")
    with pytest.raises(DataError, match="a: cannot be read"):
        file_digest(tmp_path / "a")


def test_value_digest_by_hand():
    assert value_digest({"b": (1, 2.5), "a": None}) == (
        hashlib.sha256(b'{"a":null,"b":[1,2.5]}').hexdigest()
    )


def test_numbers_as_keys_sort_as_the_text_they_become():
    assert value_digest({2: "x", 10: "y"}) == value_digest({"10": "y", "2": "x"})


@given(st.dictionaries(st.text(), PLAIN, min_size=2, max_size=4))
def test_order_of_keys_does_not_matter(value):
    assert value_digest(value) == value_digest(dict(reversed(value.items())))


@given(PLAIN, PLAIN)
def test_different_values_have_different_digests(one, other):
    # JSON knows no difference between 1 and true that Python's == would see, so compare the text.
    assert (value_digest(one) == value_digest(other)) == (repr(one) == repr(other))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_what_json_has_no_word_for(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        value_digest({"a": value})
