import numpy as np

from detcnn.events.sampling import sample_of_each_class

LABEL = np.array([0, 1, 1, 0, 2, 1, 1, 0, 1, 1])


def sample(n, seed=1, purpose="x"):
    return sample_of_each_class(LABEL, 4, n=n, seed=seed, purpose=purpose)


def test_an_equal_share_of_each_class_in_rising_order():
    rows = sample(8)
    assert np.bincount(LABEL[rows], minlength=4).tolist() == [2, 2, 1, 0]
    assert (np.diff(rows) > 0).all()
    assert np.bincount(LABEL[sample(1)]).tolist() == [1, 1, 1]
    assert sample(1000).tolist() == list(range(10))


def test_seed_and_purpose_decide():
    assert sample(8).tolist() == sample(8).tolist()
    others = [sample(8, seed=s, purpose=p).tolist() for s, p in ((2, "x"), (3, "x"), (1, "y"))]
    assert any(other != sample(8).tolist() for other in others)
