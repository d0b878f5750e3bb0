"""Independent random streams, each a function of (seed, purpose, indices).

Nothing in detcnn reads a global random state. A stream is named by what it is for and by where it
is used (shard, epoch, batch ...), so the numbers do not depend on how many workers run, on what ran
before, or on where a killed run was taken up again.
"""

import hashlib

import numpy as np


def _entropy(seed: int, purpose: str, index: tuple[int, ...]) -> np.random.SeedSequence:
    # A hash, not Python's hash(): that one differs from process to process.
    name = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.SeedSequence(entropy=seed, spawn_key=(name, *index))


def generator(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """Return the random generator of one stream.

    Parameters
    ----------
    seed : int
        The study's seed, non-negative.
    purpose : str
        What the numbers are for, for example ``"augment"``. Streams of different purposes are
        independent.
    *index : int
        Which of the streams of that purpose: epoch, batch, shard ..., each from 0 to 2³² − 1, and
        always as many of them for one purpose.

    Returns
    -------
    numpy.random.Generator
        Equal arguments give equal streams, on every platform.
    """
    return np.random.default_rng(_entropy(seed, purpose, index))


def derived_seed(seed: int, purpose: str, *index: int, below: int = 2**63) -> int:
    """Return an integer seed in [1, below) for a library that takes one number.

    Parameters
    ----------
    seed, purpose, *index
        As in `generator`.
    below : int
        Exclusive upper bound, at least 2, for example 900,000,001 for Pythia 8.

    Returns
    -------
    int
    """
    word = int(_entropy(seed, purpose, index).generate_state(1, np.uint64)[0])
    return 1 + word % (below - 1)
