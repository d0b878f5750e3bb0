import numpy as np

from detcnn.evaluation.class_means import class_means


def test_means_by_hand_and_none_of_an_empty_class():
    maps = np.array([[[1.0, 2.0]], [[3.0, 6.0]], [[5.0, 5.0]]])
    means = class_means(maps, np.array([0, 0, 2]), 3)
    assert means[0].tolist() == [[2, 4]]
    assert np.isnan(means[1]).all()
    assert means[2].tolist() == [[5, 5]]
