import numpy as np
import pytest
from scipy.stats import sem

from detcnn.errors import DataError
from detcnn.evaluation.occlusion import OcclusionSums, occlusion_from_table, occlusion_table
from detcnn.storage.tables import read_parquet, write_parquet

SHAPE = (2, 3, 4)
LABELS = [0, 2, 0, 2, 2]


@pytest.fixture(scope="module")
def changes():
    # Far from zero, where sums of squares would lose their digits.
    return 1e6 + np.random.default_rng(0).random((5, *SHAPE))


@pytest.fixture(scope="module")
def maps(changes):
    sums = OcclusionSums(4, SHAPE)
    for change, label in zip(changes, LABELS, strict=True):
        sums.add(change, label)
    sums.add(changes[0], 3)
    return sums.maps()


def test_means_and_errors_are_those_of_each_class(maps, changes):
    assert maps.n_images.tolist() == [2, 0, 3, 1]
    for label in (0, 2):
        own = changes[[i for i, other in enumerate(LABELS) if other == label]]
        np.testing.assert_allclose(maps.mean[label], own.mean(axis=0))
        np.testing.assert_allclose(maps.error[label], sem(own, axis=0), rtol=1e-6)
    assert np.isnan(maps.mean[1]).all()
    np.testing.assert_array_equal(maps.mean[3], changes[0])
    assert np.isnan(maps.error[[1, 3]]).all()


def test_maps_come_back_from_their_table(maps, tmp_path):
    write_parquet(tmp_path / "maps.parquet", occlusion_table(maps))
    found = occlusion_from_table(read_parquet(tmp_path / "maps.parquet"))
    np.testing.assert_array_equal(found.mean, maps.mean)
    np.testing.assert_array_equal(found.error, maps.error)
    np.testing.assert_array_equal(found.n_images, maps.n_images)


def test_rows_of_the_table_name_their_pixel(maps):
    table = occlusion_table(maps)
    i = 2 * 12 + 1 * 4 + 3
    assert (table["label"][i], table["row"][i], table["column"][i]) == (2, 1, 3)
    assert table["mean_1"][i] == maps.mean[2, 1, 1, 3]


def test_another_table_is_refused(maps):
    table = occlusion_table(maps)
    for name in ("row", "error_1", "n_images"):
        with pytest.raises(DataError, match="make the scores again"):
            occlusion_from_table({key: table[key] for key in table if key != name})
    with pytest.raises(DataError, match="make the scores again"):
        occlusion_from_table({key: values[:-1] for key, values in table.items()})
