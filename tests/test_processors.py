import ctypes
import os
import platform
import subprocess
import sys

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


@pytest.mark.parametrize(
    ("cpus", "threads", "load", "is_advised"),
    [(2, None, 1.9, False), (2, None, 6.0, True), (2, "1", 6.0, False), (1, None, 6.0, False)],
)
def test_advice_on_a_busy_machine(monkeypatch, cpus, threads, load, is_advised):
    monkeypatch.setattr(processors, "available_cpus", lambda: cpus)
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if threads:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    advice = processors.busy_advice()
    assert (advice is not None) == is_advised
    assert not is_advised or "6 programs" in advice


def test_the_vendor_of_the_processor(tmp_path):
    facts = tmp_path / "cpuinfo"
    assert processors.processor_vendor(facts=facts) == ""
    facts.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t: 1\n", encoding="utf-8")
    assert processors.processor_vendor(facts=facts) == "AuthenticAMD"
    facts.write_text("processor : 0\nBogoMIPS : 243.75\n", encoding="utf-8")
    assert processors.processor_vendor(facts=facts) == ""
