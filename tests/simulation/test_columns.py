import math

import numpy as np

from detcnn.simulation.columns import CONSTITUENT_COLUMNS, JET_COLUMNS, as_columns


def test_rows_become_typed_columns():
    columns = as_columns(
        [(1.5, 0.1, 0.2, 0.3, -211, -1), (0.5, 0.4, 0.5, 0.6, 22, 0)], CONSTITUENT_COLUMNS
    )
    assert {name: column.dtype.str for name, column in columns.items()} == {
        name: kind.dtype for name, kind in CONSTITUENT_COLUMNS.items()
    }
    assert columns["pdgid"].tolist() == [-211, 22]
    assert columns["pt"].tolist() == [1.5, 0.5]


def test_no_rows_give_empty_columns():
    columns = as_columns([], JET_COLUMNS)
    assert list(columns) == list(JET_COLUMNS)
    assert all(len(column) == 0 for column in columns.values())


def test_phi_stays_below_pi_although_the_nearest_float32_is_above():
    assert float(np.float32(math.pi)) > math.pi
    rows = [(1.0, 0.0, 0.0, phi, 22, 0) for phi in (math.pi, -math.pi, 3.0)]
    phi = as_columns(rows, CONSTITUENT_COLUMNS)["phi"].astype(np.float64)
    assert np.all((-math.pi <= phi) & (phi < math.pi))
    np.testing.assert_allclose(phi, [math.pi, -math.pi, 3.0], atol=2e-7)
