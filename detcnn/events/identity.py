"""Event ids, and what hangs on them: which split an event belongs to."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import ConfigError
from detcnn.events.table import EventTable, ImageTable

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit words so that every input bit reaches every output bit.

    The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), a bijection.
    """
    words = words + _GAMMA
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def content_ids(table: EventTable | ImageTable) -> NDArray[np.int64]:
    """Return an id for each event that depends on nothing but its content.

    Equal events have equal ids wherever they stand, so that a duplicate never falls into another
    split than its twin. The order of constituents does not matter. For input without event ids.

    Returns
    -------
    numpy.ndarray
        int64, shape (n_events,).
    """
    if isinstance(table, EventTable):
        longitudinal = "eta" if "eta" in table.constituents else "rapidity"
        names = ("pt", longitudinal, "phi") if table.has_momenta else sorted(table.constituents)
        words = np.zeros(table.n_constituents, dtype=np.uint64)
        for name in names:
            words = mix(words ^ _bits(table.constituents[name]))
        offsets = table.offsets
    else:
        filled = np.flatnonzero(table.images.values)
        n_pixels = int(np.prod(table.images.shape))
        words = mix(
            mix((filled % n_pixels).astype(np.uint64)) ^ _bits(table.images.values.ravel()[filled])
        )
        offsets = np.searchsorted(filled, np.arange(table.n_events + 1) * n_pixels)
    # Unsigned sums wrap around, so the differences of running sums are exact.
    running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words, dtype=np.uint64)])
    return np.asarray(running[offsets[1:]] - running[offsets[:-1]]).view(np.int64)


def physical_events(event_id: NDArray[np.int64], source: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each row that tells the events of all sources apart.

    Parameters
    ----------
    event_id, source : numpy.ndarray
        int64, shape (n_rows,): the id, which several sources may have given, and the source.

    Returns
    -------
    numpy.ndarray
        int64, shape (n_rows,): a hash of both, the same for rows of one event of one source, such
        as the tiles of a frame.
    """
    ids, sources = (of.astype(np.int64).view(np.uint64) for of in (event_id, source))
    return mix(ids ^ mix(sources)).view(np.int64)


def split_indices(
    event_ids: NDArray[np.int64], fractions: Mapping[str, float], *, salt: int = 0
) -> NDArray[np.int8]:
    """Return the index of the split each event belongs to.

    The split is a function of the event id and the salt alone: all jets of one event go together,
    no order of rows plays a part, and a larger sample keeps the split of a smaller one.

    Parameters
    ----------
    event_ids : numpy.ndarray
        int64, shape (n_events,).
    fractions : mapping
        Split to its share of events; they add up to 1.
    salt : int
        Another salt gives another, independent division.

    Returns
    -------
    numpy.ndarray
        int8, shape (n_events,): index into `fractions`.

    Raises
    ------
    ConfigError
        If the fractions do not add up to 1, or one is negative.
    """
    shares = np.array(list(fractions.values()))
    if np.any(shares < 0) or not np.isclose(shares.sum(), 1.0, rtol=0, atol=1e-9):
        named = ", ".join(f"{name} {share:g}" for name, share in fractions.items())
        raise ConfigError(f"split: {named} add up to {shares.sum():g}, expected shares of 1")
    key = mix(np.array([salt], dtype=np.uint64))
    hashed = mix(event_ids.view(np.uint64) ^ key)
    uniform = (hashed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.searchsorted(np.cumsum(shares)[:-1], uniform, side="right").astype(np.int8)


def _bits(values: NDArray[np.float32]) -> NDArray[np.uint64]:
    # Adding zero makes -0.0 and 0.0 one value.
    return (np.asarray(values, dtype=np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
