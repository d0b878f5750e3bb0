import threading
import time

import pytest

from detcnn.training.prefetch import prefetched


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("prefetch")]


def counted(n, made, closed=None):
    try:
        for i in range(n):
            made.append(i)
            yield i
    finally:
        if closed is not None:
            closed.append(True)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_all_items_come_in_order_and_the_thread_ends(n):
    assert list(prefetched(counted(n, []))) == list(range(n))
    assert not threads()


def test_no_more_than_one_is_made_ahead():
    made = []
    stream = prefetched(counted(9, made))
    for i in range(4):
        assert next(stream) == i
        # Time to make more, if it would.
        time.sleep(0.02)
        assert len(made) <= i + 2
    stream.close()


def test_items_are_made_elsewhere():
    def where():
        yield threading.get_ident()

    assert next(prefetched(where())) != threading.get_ident()


def test_an_error_comes_in_the_turn_of_the_item_that_failed():
    def failing():
        yield 1
        raise OSError("disk gone")

    stream = prefetched(failing())
    assert next(stream) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(stream)
    assert not threads()


def test_leaving_ends_the_thread_and_closes_the_generator():
    closed = []
    for item in prefetched(counted(9, [], closed)):
        if item == 2:
            break
    assert not threads()
    assert closed == [True]


def test_one_inside_another():
    inner = prefetched(counted(5, []))
    assert list(prefetched(2 * i for i in inner)) == [0, 2, 4, 6, 8]
    assert not threads()
