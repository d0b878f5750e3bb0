import os
import subprocess
import sys

import pytest

from detcnn.processors import available_cpus, prepare_threads


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
