"""Making the next thing while the present one is in use."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

Item = TypeVar("Item")


def prefetched(items: Generator[Item, None, None]) -> Iterator[Item]:
    """Yield what a generator yields, while a thread of its own makes one item ahead.

    Of the generator's items two are alive, if the caller keeps none: one that is in use, and one
    that is made or waits. What it raises is raised here, in the turn of the item that failed.
    However the iteration ends, the thread ends with it, and the generator is closed.

    Parameters
    ----------
    items : generator
        Runs in the thread alone.

    Yields
    ------
    object
        The items, in their order.
    """
    end = object()
    try:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as thread:
            coming = thread.submit(next, items, end)
            while (item := coming.result()) is not end:
                coming = thread.submit(next, items, end)
                yield cast("Item", item)
    finally:
        items.close()
