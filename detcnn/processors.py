"""Processors, threads and memory: what there is, and how libraries are to use it."""

import ctypes
import math
import os
from pathlib import Path


def available_cpus(*, cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many processors this process may use, at least 1.

    The smallest of: the processors that the scheduler allows (affinity, as set by ``taskset`` or
    Slurm) and the processor quotas of the process's control groups (containers), rounded up.

    Parameters
    ----------
    cgroups : Path
        Where the control groups are mounted; version 2 is read, others are ignored.
    """
    return max(1, min([_affinity(), *map(math.ceil, _quotas(cgroups))]))


def processor_vendor(*, facts: Path = Path("/proc/cpuinfo")) -> str:
    """Return who made the processor, ``"AuthenticAMD"`` say, and nothing where that is not told.

    Parameters
    ----------
    facts : Path
        Where Linux tells it.
    """
    try:
        lines = facts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    told = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in told if key.strip() == "vendor_id"), "")


def prepare_threads() -> None:
    """Set the environment for a training process, where the user has not set it.

    To be called before torch is imported, because its libraries read these once:

    - ``OMP_NUM_THREADS``: as many threads as `available_cpus`; more than that, and they wait for
      each other;
    - ``OMP_WAIT_POLICY=PASSIVE``: threads that wait sleep instead of spinning, which on a shared
      machine would take the processor from those they wait for;
    - ``CUBLAS_WORKSPACE_CONFIG``: matrix products on a GPU that give the same bits every time.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(available_cpus()))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def busy_advice() -> str | None:
    """Return what to do about a machine on which others compute, or None if it is free.

    Two threads that wait for each other at every layer are held up whenever one of them is: where
    programs outnumber processors, one thread trains faster than two. How many there are is left to
    the user, because results depend on it to the bit.
    """
    cpus = available_cpus()
    threads = os.environ.get("OMP_NUM_THREADS", str(cpus))
    load = os.getloadavg()[0]
    if cpus == 1 or threads == "1" or load < cpus:
        return None
    return (
        f"{load:.0f} programs compute on this machine, where {threads} threads are to train: "
        "with others beside it, OMP_NUM_THREADS=1 may be faster"
    )


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, to use it again.

    A training step allocates and frees the same megabytes as the step before. glibc would return
    each large block to the system at once and get it again page by page, zeros to be written
    first, which takes up to half of the time of a step. Blocks of 1 GiB and more, and whatever
    is free beyond as much, are still returned.

    Returns
    -------
    bool
        Whether the C library knows how: that of Linux does, others are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    trim_threshold, mmap_threshold = -1, -3
    # Older versions of glibc take none above 32 MiB.
    is_kept = any(mallopt(mmap_threshold, size) == 1 for size in (2**30, 2**25))
    return is_kept and mallopt(trim_threshold, 2**30) == 1


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(cgroups: Path) -> list[float]:
    """Return the quotas of the process's control group and of those around it."""
    try:
        # Version 2 has one line, "0::/group/of/the/process".
        own = Path("/proc/self/cgroup").read_text().strip().rpartition("0::/")[2]
    except OSError:
        own = ""
    quotas = []
    folder = cgroups / own
    for group in (folder, *folder.parents):
        if not group.is_relative_to(cgroups):
            break
        try:
            quota, period = (group / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota != "max":
            quotas.append(int(quota) / int(period))
    return quotas
