"""The machine that figures belong to."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from detcnn.processors import available_cpus

PACKAGES = (
    "typer",
    "rich",
    "numpy",
    "numba",
    "zarr",
    "h5py",
    "torch",
    "scikit-learn",
    "pythia8mc",
    "energyflow",
    "fast-histogram",
    "boost-histogram",
    "webdataset",
)


def description() -> str:
    """Return the processor, its cores, memory, and the versions of what was compared."""
    lines = [
        f"{_processor()}, {available_cpus()} cores, {_memory():.0f} GiB, {platform.system()}",
        f"Python {sys.version.split()[0]}; "
        + ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name))),
    ]
    return "\n\n".join(lines)


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    entries = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in entries.items()}
    flags = fields.get("flags", "").split()
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    family = "/".join(fields.get(key, "?") for key in ("cpu family", "model", "stepping"))
    return f"{fields.get('model name', platform.machine())} ({family}; {', '.join(known)})"


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
