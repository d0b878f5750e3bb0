"""One-to-one pairs of largest worth, where few of all pairs are possible."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

Index = NDArray[np.int64]


def best_pairs(first: Index, second: Index, worth: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Choose among possible pairs, so that nothing is in two and the sum of their worth is largest.

    What no chain of possible pairs holds together is solved apart, so that the time grows with the
    number of pairs, and only within such a group with the third power of its size.

    Parameters
    ----------
    first, second : numpy.ndarray
        int64, shape (n_pairs,), not negative: what is in each pair; no pair comes twice.
    worth : numpy.ndarray
        float64, shape (n_pairs,), positive.

    Returns
    -------
    numpy.ndarray
        bool, shape (n_pairs,): which pairs are chosen. Of choices of equal worth it is one.

    Notes
    -----
    H. W. Kuhn, Nav. Res. Logist. Q. 2 (1955) 83.
    """
    is_chosen = np.zeros(len(worth), np.bool_)
    if len(worth) == 0:
        return is_chosen
    n_first = int(first.max()) + 1
    n_nodes = n_first + int(second.max()) + 1
    graph = sparse.coo_array((np.ones(len(worth)), (first, n_first + second)), (n_nodes, n_nodes))
    _, group = sparse.csgraph.connected_components(graph, directed=False)
    group = group[first]
    is_alone = np.bincount(group)[group] == 1
    is_chosen[is_alone] = True
    order = np.argsort(group, kind="stable")
    order = order[~is_alone[order]]
    ends = np.flatnonzero(np.diff(group[order])) + 1
    for pairs in np.split(order, ends) if len(order) else ():
        _, row = np.unique(first[pairs], return_inverse=True)
        _, column = np.unique(second[pairs], return_inverse=True)
        place = np.full((row.max() + 1, column.max() + 1), -1)
        place[row, column] = pairs
        table = np.where(place >= 0, worth[place], 0.0)
        taken = place[optimize.linear_sum_assignment(table, maximize=True)]
        is_chosen[taken[taken >= 0]] = True
    return is_chosen
