"""Tables that pandas wrote to HDF5: what their columns are called.

pandas keeps the names of the columns as a pickle, and unpickling runs whatever program the pickle
is. Here the pickle is read as data: a list of strings is understood, all else is refused.
"""

import pickletools
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

_MOST_BYTES = 1 << 24
_MARK = object()

_STRINGS = {
    "UNICODE",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}


def pickled_names(data: bytes) -> tuple[str, ...]:
    """Return the strings of a pickled list without unpickling it.

    Parameters
    ----------
    data : bytes
        A pickle of any protocol.

    Returns
    -------
    tuple of str
        Empty if it is anything else than a list of strings.
    """
    if len(data) > _MOST_BYTES:
        return ()
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for opcode, argument, _ in pickletools.genops(data):
            _step(opcode.name, argument, stack, memo)
    except (ValueError, IndexError, KeyError, OverflowError):
        return ()
    # A pickle leaves one value behind.
    found = stack[0] if len(stack) == 1 and isinstance(stack[0], list) else []
    return tuple(found) if all(isinstance(name, str) for name in found) else ()


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in _STRINGS:
        stack.append(argument)
    elif name in _PUTS:
        memo[argument] = stack[-1]
    elif name in _GETS:
        stack.append(memo[argument])
    elif name in _ACTIONS:
        _ACTIONS[name](stack, memo)
    else:
        raise ValueError(f"{name} is not what a list of names is made of")


def _since_mark(stack: list[Any]) -> list[Any]:
    position = len(stack) - 1 - stack[::-1].index(_MARK)
    items = stack[position + 1 :]
    del stack[position:]
    return items


def _append(stack: list[Any], items: list[Any]) -> None:
    if not isinstance(stack[-1], list):
        raise ValueError("only lists are added to")
    stack[-1].extend(items)


_ACTIONS: dict[str, Callable[[list[Any], dict[int, Any]], Any]] = {
    "PROTO": lambda stack, memo: None,
    "FRAME": lambda stack, memo: None,
    "STOP": lambda stack, memo: None,
    "NONE": lambda stack, memo: stack.append(None),
    "MARK": lambda stack, memo: stack.append(_MARK),
    "EMPTY_LIST": lambda stack, memo: stack.append([]),
    "LIST": lambda stack, memo: stack.append(_since_mark(stack)),
    "APPEND": lambda stack, memo: _append(stack, [stack.pop()]),
    "APPENDS": lambda stack, memo: _append(stack, _since_mark(stack)),
    "MEMOIZE": lambda stack, memo: memo.__setitem__(len(memo), stack[-1]),
}


def is_frame(dataset: h5py.Dataset) -> bool:
    """Tell whether a dataset of records is the table of a pandas frame, ``KEY/table``."""
    return (
        dataset.name.endswith("/table")
        and dataset.dtype.names is not None
        and any(name.startswith("values_block_") for name in dataset.dtype.names)
    )


def block_names(dataset: h5py.Dataset, field: str, width: int) -> tuple[str, ...]:
    """Return what the columns of one block of a frame's table are called.

    Parameters
    ----------
    dataset : h5py.Dataset
        The table.
    field : str
        Its field, such as ``values_block_0``.
    width : int
        Number of columns of the block.

    Returns
    -------
    tuple of str
        `width` names; empty if the table does not tell them in a way that can be read safely.
    """
    stated = dataset.attrs.get(f"{field}_kind")
    names: tuple[str, ...] = ()
    if isinstance(stated, str):
        stated = stated.encode("latin-1", errors="replace")
    elif isinstance(stated, np.void):
        stated = stated.tobytes()
    if isinstance(stated, bytes):
        names = pickled_names(stated)
    elif isinstance(stated, np.ndarray) and stated.dtype.kind in "OSU":
        names = tuple(_as_text(word) for word in stated.ravel())
    return names if len(names) == width else ()


def fixed_names(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Return the columns of ``block0_values`` in a frame of pandas' fixed format, if it is one."""
    base = dataset.name.rsplit("/", 1)[-1]
    if not (base.startswith("block") and base.endswith("_values")) or len(dataset.shape) != 2:
        return ()
    items = dataset.parent.get(base.removesuffix("_values") + "_items")
    if not isinstance(items, h5py.Dataset) or items.dtype.kind != "S":
        return ()
    if items.shape != dataset.shape[1:]:
        return ()
    return tuple(_as_text(word) for word in items[:])


def _as_text(word: Any) -> str:
    return word.decode(errors="replace") if isinstance(word, bytes) else str(word)
