"""Independent tasks: in this process, in threads of it, or in several processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from detcnn.errors import DetcnnError

T = TypeVar("T")
R = TypeVar("R")


def run_tasks(
    function: Callable[[T], R],
    tasks: Sequence[T],
    *,
    workers: int,
    on_result: Callable[[R], Any] = lambda _: None,
) -> None:
    """Call a function on each of many independent tasks.

    The first exception, or Ctrl-C, ends everything at once: what other workers are at is lost, so
    a function that leaves something on disk moves it into place when it is whole. Workers die with
    their parent.

    Parameters
    ----------
    function : callable
        A module-level function; its tasks and results go through pickle.
    tasks : sequence
        What to call it on.
    workers : int
        Number of processes; 1 runs all tasks here, in order.
    on_result : callable, optional
        Called here with each result, in the order in which tasks end.

    Raises
    ------
    DetcnnError
        If a worker process dies without an exception. Exceptions of `function` pass unchanged.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        for task in tasks:
            on_result(function(task))
        return
    strangers = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent) as pool:
        try:
            with _interrupts_held_back():
                futures = [pool.submit(function, task) for task in tasks]
            for future in as_completed(futures):
                on_result(future.result())
        except BrokenProcessPool:
            raise DetcnnError(
                "a worker process died, perhaps for lack of memory: "
                "run the same command again with fewer workers"
            ) from None
        except BaseException:
            for child in set(multiprocessing.active_children()) - strangers:
                child.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def run_in_threads(
    function: Callable[[T], R],
    tasks: Sequence[T],
    *,
    n_threads: int,
    on_result: Callable[[R], Any] = lambda _: None,
    is_enough: Callable[[int], bool] = lambda _: False,
) -> Sequence[T]:
    """Call a function on independent tasks in threads of this process, for as long as that pays.

    The first exception, or Ctrl-C, ends it as soon as the tasks that are under way are done.

    Parameters
    ----------
    function : callable
        Safe to be called by several threads.
    tasks : sequence
        What to call it on.
    n_threads : int
        Number of threads, at least 1.
    on_result : callable, optional
        Called here with each result, in the order in which tasks end.
    is_enough : callable, optional
        Called here after each result with the number of results; once it says so, no more tasks
        are begun.

    Returns
    -------
    sequence
        The tasks that were not begun.
    """
    left: set[Future[R]] = set()
    with ThreadPoolExecutor(n_threads) as pool:
        futures = {pool.submit(function, task): task for task in tasks}
        try:
            for n_results, future in enumerate(as_completed(futures), start=1):
                if future not in left:
                    on_result(future.result())
                    if not left and is_enough(n_results):
                        left = {other for other in futures if other.cancel()}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return [task for future, task in futures.items() if future in left]


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    # Processes started in this block inherit the mask, so that Ctrl-C, which the terminal sends to
    # all, reaches the parent alone.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
