"""Processors, threads and memory: what there is, and how libraries are to use it."""

import ctypes
import math
import os
import time
from pathlib import Path

_SECONDS_WATCHED = 0.2
"""In which Linux counts 20 ticks of each processor."""


def available_cpus(*, cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many processors this process may use, at least 1.

    The smallest of: the processors that the scheduler allows (affinity, as set by ``taskset`` or
    Slurm) and the processor quotas of the process's control groups (containers), rounded up.

    Parameters
    ----------
    cgroups : Path
        Where the control groups are mounted; version 2 is read, others are ignored.
    """
    return max(1, min([_affinity(), *map(math.ceil, _quotas(cgroups).values())]))


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


def busy_cpus(*, stat: Path = Path("/proc/stat"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many of the `available_cpus` other programs keep busy, rounded.

    What they use is watched for a fifth of a second, in which this process sleeps: a load average
    would still tell of what ended a minute ago. Only processors that this process may use count,
    not the rest of a machine on which a batch system has given it these; and where a quota of its
    control group is less than that, only what the group itself uses.

    Parameters
    ----------
    stat : Path
        Where Linux tells what each processor has done.
    cgroups : Path
        As for `available_cpus`.

    Returns
    -------
    int
        0 where it is not told, and where there is only one, which is to be used anyway.
    """
    n_available = available_cpus(cgroups=cgroups)
    if n_available == 1:
        return 0
    quotas = _quotas(cgroups)
    group = min(quotas, key=lambda folder: quotas[folder], default=None)

    def used() -> float:
        if group is not None and quotas[group] < _affinity():
            return _used_by_group(group / "cpu.stat")
        return _used_of_processors(stat)

    try:
        began, before = time.monotonic(), used()
        time.sleep(_SECONDS_WATCHED)
        n_busy = (used() - before) / (time.monotonic() - began)
    except (OSError, LookupError, ValueError):
        return 0
    # Counters go back where a virtual machine has moved.
    return max(0, min(n_available, math.floor(n_busy + 0.5)))


def prepare_threads(*, n_busy: int = 0) -> None:
    """Set the environment for a process that computes, where the user has not set it.

    To be called before torch is imported, because its libraries read these once:

    - ``OMP_NUM_THREADS``: as many threads as `available_cpus` that are not busy, at least 1; if
      there are more, all of them wait at every layer for those that are held up;
    - ``OMP_WAIT_POLICY=PASSIVE``: threads that wait sleep instead of spinning, which on a shared
      machine would take the processor from those they wait for;
    - ``CUBLAS_WORKSPACE_CONFIG``: matrix products on a GPU that give the same bits every time.

    Parameters
    ----------
    n_busy : int
        Processors to leave to other programs.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cpus() - n_busy)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


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


def _quotas(cgroups: Path) -> dict[Path, float]:
    """Return the quotas of the process's control group and of those around it."""
    try:
        # Version 2 has one line, "0::/group/of/the/process".
        own = Path("/proc/self/cgroup").read_text().strip().rpartition("0::/")[2]
    except OSError:
        own = ""
    quotas = {}
    folder = cgroups / own
    for group in (folder, *folder.parents):
        if not group.is_relative_to(cgroups):
            break
        try:
            quota, period = (group / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota != "max":
            quotas[group] = int(quota) / int(period)
    return quotas


def _used_by_group(stat: Path) -> float:
    """Return the processor seconds that a control group has used."""
    return int(_told(stat)["usage_usec"][0]) / 1e6


def _used_of_processors(stat: Path) -> float:
    """Return the seconds in which processors that this process may use were not idle."""
    told = _told(stat)
    ticks = 0
    for cpu in os.sched_getaffinity(0):
        # What follows, guests, is in the first two as well.
        user, nice, system, _idle, _waiting, *others = map(int, told[f"cpu{cpu}"][:8])
        ticks += user + nice + system + sum(others)
    return ticks / os.sysconf("SC_CLK_TCK")


def _told(facts: Path) -> dict[str, list[str]]:
    """Return the words of each line of a file by the first of them."""
    lines = (line.split() for line in facts.read_text(encoding="ascii").splitlines())
    return {key: values for key, *values in lines}
