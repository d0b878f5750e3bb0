import numpy as np

from detcnn.evaluation.distributions import score_distributions
from detcnn.evaluation.inputs import scored_events


def test_by_hand():
    score = np.array([0.1, 0.4, 0.6, 1.0, 0.5])
    events = scored_events(
        np.stack([score, 1 - score], axis=1),
        [0, 0, 0, 0, 1],
        classes=["a", "b"],
        weights=[1, 1, 3, -1, 2],
    )
    result = score_distributions(events, score, n_bins=2)
    # Class a has the weights (1 + 1) and (3 - 1) in bins of width 1/2, and 4 in all.
    np.testing.assert_allclose(result.density, [[1, 1], [0, 2]])
    np.testing.assert_allclose(result.error, [[np.sqrt(2) / 2, np.sqrt(10) / 2], [0, 2]])


def test_each_class_has_unit_area():
    rng = np.random.default_rng(2)
    scores = rng.dirichlet(np.ones(3), 500)
    events = scored_events(scores, rng.integers(0, 3, 500), classes=list("abc"))
    result = score_distributions(events, scores[:, 0])
    np.testing.assert_allclose((result.density * np.diff(result.edges)).sum(axis=1), 1)
