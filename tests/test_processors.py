import ctypes
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detcnn import processors
from detcnn.processors import available_cpus, keep_freed_memory, prepare_threads


@pytest.fixture
def eight_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("5000 100000", 1),
        ("6400000 100000", 8),
        ("max 100000", 8),
        ("unreadable", 8),
        (None, 8),
    ],
)
@pytest.mark.usefixtures("eight_cpus")
def test_affinity_and_quota(tmp_path, quota, expected):
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota + "\n")
    assert available_cpus(cgroups=tmp_path) == expected


@pytest.mark.usefixtures("eight_cpus")
def test_what_the_user_has_set_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    prepare_threads()
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_the_settings_can_be_made_before_torch_is_loaded():
    code = (
        "import os, sys, detcnn.processors as processors; processors.prepare_threads();"
        "assert 'torch' not in sys.modules;"
        "assert os.environ['OMP_NUM_THREADS'] == str(processors.available_cpus())"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_available_cpus_are_those_of_this_process():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert available_cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert available_cpus() == len(allowed)


def page_faults(prelude: str) -> int:
    """Return how often a fresh process touches a new page when it fills 64 MiB again and again."""
    code = (
        f"import resource; {prelude}\n"
        "for round in range(6):\n"
        "    block = bytearray(2**26); del block\n"
        "    if round == 0: first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_kept_memory_is_used_again():
    keep = "from detcnn.processors import keep_freed_memory as keep; did_keep = keep();"
    if platform.libc_ver()[0] == "glibc":
        assert page_faults(f"{keep} assert did_keep") < page_faults("") / 10
    else:
        page_faults(keep)


def test_a_c_library_that_does_not_know_how_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()


@pytest.mark.parametrize(("largest", "expected"), [(2**30, True), (2**25, True), (0, False)])
def test_the_largest_threshold_that_is_taken_is_set(monkeypatch, largest, expected):
    taken = {}

    class Library:
        @staticmethod
        def mallopt(option, value):
            if option == -3 and value > largest:
                return 0
            taken[option] = value
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    assert keep_freed_memory() == expected
    assert taken == ({-3: largest, -1: 2**30} if expected else {})


class Clock:
    """A clock that goes on when somebody sleeps, by a tenth of a second more, as on a busy machine.

    What else happens in the meantime is given.
    """

    def __init__(self, meanwhile):
        self.now, self.meanwhile = 100.0, meanwhile

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds + 0.1
        self.meanwhile(round(seconds + 0.1, 9))


def busy(monkeypatch, *, meanwhile, **places):
    monkeypatch.setattr(processors, "time", Clock(meanwhile))
    return processors.busy_cpus(**places)


TICKS = os.sysconf("SC_CLK_TCK")


def write_stat(path, *cpus):
    """Write what eight processors have done, those given after an eon of everything else."""
    shares = [*cpus, *[(0,) * 8] * (8 - len(cpus))]
    lines = [
        " ".join([f"cpu{i}", *(str(10_000 + round(share * TICKS)) for share in cpu), "77", "9"])
        for i, cpu in enumerate(shares)
    ]
    path.write_text("\n".join(["cpu  1 2 3 4 5 6 7 8 9 10", *lines, "intr 5 0 0", ""]))


# Seconds of 0.3 that a processor was at: user, nice, system, idle, waiting for a disk, interrupts
# of two kinds, and work for other virtual machines.
IDLE = (0, 0, 0, 0.3, 0, 0, 0, 0)
WAITING = (0, 0, 0, 0.1, 0.2, 0, 0, 0)
BUSY = (0.2, 0.04, 0.02, 0, 0, 0.01, 0.01, 0.02)
QUARTER = (0.07, 0, 0, 0.23, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("cpus", "allowed", "expected"),
    [
        ([IDLE, IDLE], {0, 1}, 0),
        ([WAITING, IDLE], {0, 1}, 0),
        ([BUSY, IDLE], {0, 1}, 1),
        ([BUSY, BUSY], {0, 1}, 2),
        # A machine has its own to do: less than half a processor is nothing.
        ([QUARTER, IDLE], {0, 1}, 0),
        ([QUARTER] * 8, set(range(8)), 2),
        # A job that has two processors of a full machine to itself.
        ([BUSY, BUSY, BUSY, IDLE, IDLE, BUSY], {3, 4}, 0),
        ([BUSY, BUSY, BUSY, IDLE, IDLE, BUSY], {3, 5}, 1),
        # One that is there alone is used anyway.
        ([BUSY, BUSY], {1}, 0),
        # On another host, counters have begun anew.
        ([(-9, 0, 0, 0, 0, 0, 0, 0)] * 2, {0, 1}, 0),
    ],
)
def test_busy_processors_are_those_that_this_process_may_use(
    monkeypatch, tmp_path, cpus, allowed, expected
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed, raising=False)
    stat = tmp_path / "stat"
    write_stat(stat)
    found = busy(
        monkeypatch, meanwhile=lambda _: write_stat(stat, *cpus), stat=stat, cgroups=tmp_path
    )
    assert found == expected


@pytest.mark.parametrize(
    ("quota", "used_by_group", "expected"),
    [
        # Of two processors that are the group's own, whatever the other six do.
        ("200000 100000", 0.0, 0),
        ("200000 100000", 1.1, 1),
        ("200000 100000", 2.0, 2),
        # Ticks may be counted late: it is never more than there are.
        ("200000 100000", 9.0, 2),
        # No more than a promise: what counts are the eight that there are, all of them busy.
        ("900000 100000", 0.0, 8),
        ("max 100000", 0.0, 8),
    ],
)
@pytest.mark.usefixtures("eight_cpus")
def test_of_a_group_with_a_quota_its_own_load_counts(
    monkeypatch, tmp_path, quota, used_by_group, expected
):
    stat, used = tmp_path / "stat", tmp_path / "cpu.stat"
    (tmp_path / "cpu.max").write_text(quota)
    write_stat(stat)
    used.write_text("usage_usec 5000000\nuser_usec 7\n")

    def meanwhile(seconds):
        write_stat(stat, *[BUSY] * 8)
        used.write_text(f"usage_usec {5_000_000 + round(used_by_group * seconds * 1e6)}\n")

    assert busy(monkeypatch, meanwhile=meanwhile, stat=stat, cgroups=tmp_path) == expected


@pytest.mark.parametrize("text", [None, "", "cpu0 1 2", "cpu0 1 2 3 x 5 6 7 8"])
def test_where_it_is_not_told_no_processor_is_busy(monkeypatch, tmp_path, text):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    stat = tmp_path / "stat"
    if text is not None:
        stat.write_text(text)
    assert busy(monkeypatch, meanwhile=lambda _: None, stat=stat, cgroups=tmp_path) == 0


def test_this_machine_tells_what_its_processors_do():
    stat = Path("/proc/stat")
    if not stat.exists():
        assert processors.busy_cpus() == 0
        return
    before = processors._used_of_processors(stat)
    deadline = time.process_time() + 0.1
    while time.process_time() < deadline:
        pass
    assert processors._used_of_processors(stat) > before


@pytest.mark.parametrize(("n_busy", "expected"), [(0, "8"), (3, "5"), (8, "1")])
def test_busy_processors_are_left_to_others(monkeypatch, n_busy, expected):
    monkeypatch.setattr(processors, "available_cpus", lambda: 8)
    # Set and removed, so that it is as before afterwards.
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    del os.environ["OMP_NUM_THREADS"]
    prepare_threads(n_busy=n_busy)
    assert os.environ["OMP_NUM_THREADS"] == expected


def test_the_vendor_of_the_processor(tmp_path):
    facts = tmp_path / "cpuinfo"
    assert processors.processor_vendor(facts=facts) == ""
    facts.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t: 1\n", encoding="utf-8")
    assert processors.processor_vendor(facts=facts) == "AuthenticAMD"
    facts.write_text("processor : 0\nBogoMIPS : 243.75\n", encoding="utf-8")
    assert processors.processor_vendor(facts=facts) == ""
