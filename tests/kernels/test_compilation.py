import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detcnn.kernels import compilation

MODULE = """
from detcnn.kernels.compilation import compiled

@compiled
def twice(number):
    return 2 * number
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DETCNN_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def source(tmp_path, monkeypatch):
    path = tmp_path / "code" / "kernel.py"
    path.parent.mkdir()
    path.write_text(MODULE)
    # Cached code refers to its module by name.
    monkeypatch.syspath_prepend(path.parent)
    yield path
    sys.modules.pop("kernel", None)


def fresh(source):
    """A kernel as a new process would have it: not compiled yet."""
    compilation._source_digest.cache_clear()
    names = {"__name__": "kernel"}
    exec(compile(source.read_text(), source, "exec"), names)
    return names["twice"]


def was_cached(kernel):
    return sum(kernel.stats.cache_hits.values()) == 1


def was_cached_after(source):
    kernel = fresh(source)
    kernel(21)
    return was_cached(kernel)


def entries(cache):
    return [path for path in cache.rglob("*") if path.is_file()]


def test_second_process_finds_the_code(cache, source):
    first = fresh(source)
    assert first(21) == 42
    assert not was_cached(first)
    assert len(entries(cache)) == 1
    second = fresh(source)
    assert second(21) == 42
    assert was_cached(second)


def test_each_signature_has_its_entry(cache, source):
    kernel = fresh(source)
    assert kernel(2) == 4
    assert kernel(0.5) == 1.0
    assert len(entries(cache)) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:17],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"\x80\x04foreign",
    ],
)
def test_damaged_entry_is_compiled_again(cache, source, damage):
    fresh(source)(21)
    (entry,) = entries(cache)
    intact = entry.read_bytes()
    entry.write_bytes(damage(intact))
    kernel = fresh(source)
    assert kernel(21) == 42
    assert not was_cached(kernel)
    assert was_cached_after(source)


def test_edited_neighbour_makes_the_code_stale(cache, source):
    fresh(source)(21)
    source.with_name("neighbour.py").write_text("FACTOR = 3\n")
    kernel = fresh(source)
    kernel(21)
    assert not was_cached(kernel)


def test_cache_that_cannot_be_written(cache, source):
    cache.write_text("a file where the folder should be")
    assert fresh(source)(21) == 42
    assert not was_cached_after(source)


def test_entry_that_cannot_be_published_leaves_nothing(cache, source, monkeypatch):
    def refuse(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    assert fresh(source)(21) == 42
    assert entries(cache) == []


def test_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("DETCNN_CACHE_DIR", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/user")
    monkeypatch.setenv("HOME", "/home/me")
    assert compilation.cache_folder() == Path("/own")
    monkeypatch.delenv("DETCNN_CACHE_DIR")
    assert compilation.cache_folder() == Path("/user/detcnn")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert compilation.cache_folder() == Path("/home/me/.cache/detcnn")


def test_no_home_means_no_cache(source, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("DETCNN_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert compilation.cache_folder() is None
    assert fresh(source)(21) == 42
    assert not was_cached_after(source)


def run(source, then="print(kernel.twice(21))", **environment):
    command = f"import sys; sys.path.insert(0, sys.argv[1]); import kernel; {then}"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", command, str(source.parent)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_fill_one_cold_cache(cache, source):
    processes = [run(source) for _ in range(4)]
    for process in processes:
        out, error = process.communicate()
        assert (out, error) == ("42\n", "")
    assert len(entries(cache)) == 1
    assert was_cached_after(source)


COMPILER = "numba.np.arraymath"


def test_code_that_is_found_does_not_wake_the_compiler(cache, source):
    then = f"print(kernel.twice(21), {COMPILER!r} in sys.modules)"
    assert run(source, then).communicate() == ("42 True\n", "")
    assert run(source, then).communicate() == ("42 False\n", "")


LARGEST = """
import numpy as np
from detcnn.kernels.compilation import compiled

@compiled
def twice(number):
    return np.full(3, 2 * number).max()
"""


def test_code_of_numba_that_a_kernel_calls_does_not_wake_it(cache, source):
    source.write_text(LARGEST)
    test_code_that_is_found_does_not_wake_the_compiler(cache, source)


# What the allocator, loops in Python's manner, exceptions and libraries of algebra are needed for.
KINDS = """
import numpy as np
from detcnn.kernels.compilation import compiled

@compiled
def reverse(numbers):
    return np.sort(numbers)[::-1].copy()

@compiled
def squares(numbers):
    return np.array([number**2 for number in numbers])

@compiled
def refuse(numbers):
    if len(numbers) > 1:
        raise ValueError("too many")
    return numbers

@compiled
def halves(numbers):
    return np.linalg.solve(2 * np.eye(len(numbers)), numbers)

numbers = np.array([1.0, 3.0, 2.0])
kernels = (reverse, squares, halves, refuse)
for kernel in kernels:
    try:
        print(kernel(numbers))
    except ValueError as error:
        print(error)
print([sum(kernel.stats.cache_hits.values()) for kernel in kernels])
"""


@pytest.mark.usefixtures("cache")
def test_code_of_all_kinds_is_found(source):
    source.write_text(KINDS)
    results = "[3. 2. 1.]\n[1. 9. 4.]\n[0.5 1.5 1. ]\ntoo many\n"
    assert run(source, "").communicate() == (f"{results}[0, 0, 0, 0]\n", "")
    assert run(source, "").communicate() == (f"{results}[1, 1, 1, 1]\n", "")


def test_symbols_that_are_missing_wake_the_compiler(cache, source, monkeypatch):
    fresh(source)(21)
    woken = []
    monkeypatch.setattr(compilation.llvm, "address_of_symbol", lambda name: None)
    monkeypatch.setattr(
        "numba.core.base.BaseContext.refresh", lambda context: woken.append(context)
    )
    kernel = fresh(source)
    assert kernel(21) == 42
    assert was_cached(kernel)
    assert len(woken) == 1


def test_installation_without_a_home(source):
    process = run(source, HOME="/dev/null", DETCNN_CACHE_DIR="", XDG_CACHE_HOME="")
    assert process.communicate() == ("42\n", "")


def test_kernels_follow_ieee(cache, source):
    source.write_text(MODULE.replace("2 * number", "1 / number"))
    kernel = fresh(source)
    assert kernel(0.0) == np.inf
    assert np.isnan(kernel(np.nan))
