"""The decorator that every kernel wears, and the cache of compiled code behind it.

Compiling a kernel takes seconds, so machine code is kept on disk between runs. numba's own cache
crashes on a truncated file, on an installation that cannot be written, and when many jobs fill it
at once; this one never does, because each entry is one file that is checksummed, published by
renaming, and named by everything it depends on. Whatever is wrong with an entry, the kernel is
compiled again.

Compiled code that is found runs without numba's compiler, which takes half a second to get ready:
it is woken only when there is something to compile.
"""

import hashlib
import io
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numba
from numba.core.caching import CompileResultCacheImpl, NullCache
from numba.core.environment import Environment, lookup_environment
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_DIGEST_SIZE = hashlib.sha256().digest_size


def compiled(function: Kernel) -> Kernel:
    """Compile a function with numba when it is first called.

    Kernels release the interpreter lock, so threads run them side by side; none starts threads of
    its own. Arithmetic is IEEE (no ``fastmath``), and a division by zero gives infinity or NaN as
    in numpy. A kernel may call the kernels of its own folder only: an edit of any file there
    makes all of that folder's cached code stale.

    Parameters
    ----------
    function : callable
        Takes and returns arrays and numbers. Indices are not checked.

    Returns
    -------
    callable
        The compiled function; `function` itself where ``NUMBA_DISABLE_JIT`` is set.
    """
    return _compiled(function)


def summing(function: Kernel) -> Kernel:
    """Compile a function as `compiled` does, but for the order in which its sums are taken.

    The compiler chooses it, so that sums become vector instructions. It depends on the processor
    and on the number of terms, and on nothing else. All other arithmetic stays IEEE.
    """
    return _compiled(function, fastmath={"reassoc", "nsz"}, _nrt=False)


def borrowing(function: Kernel) -> Kernel:
    """Compile a function as `compiled` does that only borrows the arrays it is given.

    It allocates none and returns none, and does not count who refers to them: numba would at every
    slice, with an instruction that holds up all others. Its caller keeps them alive.
    """
    return _compiled(function, _nrt=False)


def _compiled(function: Kernel, **options: Any) -> Kernel:
    kernel: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
    # numba reads both from these attributes and has no public way to provide others. The second
    # loads the types that other packages (vector with sympy, awkward) add to numba: none of a
    # kernel's arguments is of them, and the compiler itself loads them when it is needed.
    kernel._cache = _CheckedCache(function)  # noqa: SLF001
    kernel._compilation_chain_init_hook = _nothing  # noqa: SLF001
    return kernel  # type: ignore[no-any-return]  # typed by the caller's Kernel


def cache_folder() -> Path | None:
    """Return where compiled kernels are kept.

    Returns
    -------
    Path or None
        ``$DETCNN_CACHE_DIR``, else ``$XDG_CACHE_HOME/detcnn``, else ``~/.cache/detcnn``, which
        need not exist; None where there is no home folder: then nothing is kept.
    """
    if own := os.environ.get("DETCNN_CACHE_DIR"):
        return Path(own)
    if user := os.environ.get("XDG_CACHE_HOME"):
        return Path(user) / "detcnn"
    try:
        return Path.home() / ".cache" / "detcnn"
    except RuntimeError:
        return None


def _nothing() -> None:
    """Stand in for a hook."""


@lru_cache
def _source_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class _Reduction(CompileResultCacheImpl):  # type: ignore[misc]  # numba is untyped
    """How numba turns compiled code into bytes and back, without its search for a folder."""

    def __init__(self) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Reads compiled code without importing the modules that its functions were written in.

    Those are numba's own wherever a kernel makes an array or takes a minimum: they register all
    they know with the compiler, and look for SciPy.
    """

    def find_class(self, module: str, name: str) -> Any:
        is_environment = (module, name) == (Environment.__module__, "_rebuild_env")
        return _environment if is_environment else super().find_class(module, name)


def _environment(module: str, constants: list[Any], name: str) -> Environment:
    """Return what machine code finds its constants in.

    numba would put the names of the module there as well, which only code that runs in the
    interpreter looks at; there is none of it in a kernel.
    """
    environment = lookup_environment(name)
    if environment is None:
        environment = Environment({"__name__": module})
        environment.env_name = name
        environment.consts[:] = constants
        Environment._memo[name] = environment  # noqa: SLF001  # as numba does
    return environment


class _CheckedCache(NullCache):  # type: ignore[misc]  # numba is untyped
    """Compiled code of one kernel: a file per signature, holding a SHA-256 and the payload.

    The payload is what numba makes of the code, after the names of the functions that it calls in
    numba's own libraries.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = function.__qualname__
        self._source = Path(function.__code__.co_filename)
        self._reduction = _Reduction()

    def _entry(self, signature: Any, codegen: Any) -> Path | None:
        folder = cache_folder()
        if folder is None:
            return None
        # The code generator's tuple names the processor: nodes of a cluster may share a home.
        key = repr((_source_digest(self._source.parent), self._source.name, str(signature)))
        key += repr(codegen.magic_tuple())
        version = f"{sys.implementation.cache_tag}-numba-{numba.__version__}"
        return folder / version / f"{self._name}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        entry = self._entry(sig, target_context.codegen())
        if entry is None:
            return None
        try:
            content = entry.read_bytes()
        except OSError:
            return None
        digest, payload = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
        if hashlib.sha256(payload).digest() != digest:
            return None
        symbols, reduced = _Unpickler(io.BytesIO(payload)).load()
        # What kernels call to allocate arrays. All else that numba's compiler would prepare (with
        # refresh, as numba's cache does) is for compiling, but for rare functions: to call one that
        # is not there would end the process.
        rtsys.initialize(target_context)
        if any(llvm.address_of_symbol(name) is None for name in symbols):
            target_context.refresh()
        return self._reduction.rebuild(target_context, reduced)

    def save_overload(self, sig: Any, data: Any) -> None:
        entry = self._entry(sig, data.codegen)
        if entry is None or data.library.has_dynamic_globals:
            return
        payload = dumps((_symbols(data.library), self._reduction.reduce(data)))
        try:
            _publish(entry, hashlib.sha256(payload).digest() + payload)
        except OSError:
            return  # A cache that cannot be written only costs time.


def _symbols(library: Any) -> list[str]:
    """Return the names of all that compiled code calls and does not hold itself."""
    module = llvm.parse_assembly(library.get_llvm_str())
    parts = (*module.functions, *module.global_variables)
    names = [part.name for part in parts if part.is_declaration]
    return sorted(name for name in names if not name.startswith("llvm."))


def _publish(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
