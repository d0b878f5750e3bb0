import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detcnn.errors import DetcnnError
from detcnn.scaleout.pool import run_in_threads, run_tasks

SCRIPT = """
import os, sys, time
from detcnn.scaleout.pool import run_tasks

def work(seconds):
    if seconds:
        print(os.getpid(), flush=True)
    time.sleep(seconds)

if __name__ == "__main__":
    run_tasks(work, [600, 600], workers=2)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie has ended; nobody has asked about it yet.
    return ") Z " not in Path(f"/proc/{pid}/stat").read_text()


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def busy_pool(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = [int(process.stdout.readline()) for _ in range(2)]
    yield process, workers
    for pid in [process.pid, *workers]:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_gives_one_result(workers: int):
    results: list[int] = []
    run_tasks(math.factorial, range(10), workers=workers, on_result=results.append)
    assert sorted(results) == [math.factorial(n) for n in range(10)]


def test_one_worker_keeps_the_order_and_the_process():
    results: list[int] = []
    run_tasks(lambda n: n + os.getpid(), [3, 1, 2], workers=1, on_result=results.append)
    assert [n - os.getpid() for n in results] == [3, 1, 2]


def test_no_tasks_are_done_at_once():
    run_tasks(math.factorial, [], workers=4, on_result=lambda _: pytest.fail("no task, no result"))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_of_the_function_passes_unchanged(workers: int):
    with pytest.raises(ValueError, match="negative"):
        run_tasks(math.factorial, [1, -1, 2], workers=workers)


def test_a_dead_worker_is_one_clear_error():
    with pytest.raises(DetcnnError, match="a worker process died"):
        run_tasks(os._exit, [3, 3], workers=2)


def test_ctrl_c_ends_workers_in_the_middle_of_their_task():
    def interrupt(_: None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks(time.sleep, [0, 600], workers=2, on_result=interrupt)
    assert not multiprocessing.active_children()


def test_ctrl_c_for_the_whole_process_group_is_heard_by_the_parent_alone(busy_pool):
    process, workers = busy_pool
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert not any(map(is_alive, workers))


def test_workers_die_with_a_killed_parent(busy_pool):
    process, workers = busy_pool
    process.kill()
    assert wait_for(lambda: not any(map(is_alive, workers)))


def test_threads_give_every_result_here_and_leave_nothing():
    results: list[int] = []
    left = run_in_threads(math.factorial, range(10), n_threads=3, on_result=results.append)
    assert sorted(results) == [math.factorial(n) for n in range(10)]
    assert not left


def test_threads_that_have_done_enough_leave_the_tasks_that_were_not_begun():
    results: list[int] = []
    left = run_in_threads(
        math.factorial,
        range(100),
        n_threads=2,
        on_result=results.append,
        is_enough=lambda n_results: n_results == 3,
    )
    assert len(results) >= 3
    assert sorted(results) == sorted(math.factorial(n) for n in set(range(100)) - set(left))


def test_threads_end_with_the_first_exception():
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError("zero")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="zero"):
        run_in_threads(work, range(1000), n_threads=2)
    assert len(begun) < 1000
