"""Files of masks: every class comes back, however many there are."""

import h5py
import numpy as np
import pytest

from detcnn.storage.masks import FORMAT, FORMAT_VERSION, write_masks


@pytest.mark.parametrize(("n", "dtype"), [(2, "u1"), (256, "u1"), (257, "u2"), (1000, "u2")])
def test_all_classes_come_back(tmp_path, n, dtype):
    masks = np.arange(n - 48, n).reshape(4, 1, 3, 4) % n
    write_masks(
        tmp_path / "masks.h5",
        iter([masks[:3], masks[3:]]),
        shape=(1, 3, 4),
        classes=[f"class {i}" for i in range(n)],
        event_id=np.array([7, 5, 1 << 40, 2]),
    )
    with h5py.File(tmp_path / "masks.h5") as file:
        assert (file.attrs["format"], file.attrs["format_version"]) == (FORMAT, FORMAT_VERSION)
        assert file["mask"].dtype == np.dtype(dtype)
        np.testing.assert_array_equal(file["mask"], masks)
        assert file["event_id"][:].tolist() == [7, 5, 1 << 40, 2]
        assert len(file.attrs["classes"]) == n
