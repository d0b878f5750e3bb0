import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detcnn.training.history import EpochRecord, stalls


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([], 1, 0),
        ([1.0], 1, 0),
        ([1.0, 0.9, 0.8], 1, 0),
        ([1.0, 1.0], 1, 1),
        ([1.0, 1.1, 0.9, 1.0], 2, 0),
        ([1.0, 1.1, 1.2], 2, 1),
        ([1.0, 2.0, 2.0, 2.0, 2.0], 2, 2),
        ([1.0, 2.0, 0.5, 2.0, 0.6], 2, 1),
    ],
)
def test_stalls_by_hand(losses, patience, expected):
    assert stalls(losses, patience=patience) == expected


def test_an_improvement_must_be_worth_it():
    losses = [1.0, 0.95, 0.91, 0.5]
    assert stalls(losses, patience=2, min_improvement=0.1) == 1
    assert stalls(losses, patience=2, min_improvement=0.01) == 0


@given(st.lists(st.floats(-1, 1)), st.integers(1, 4))
def test_stalls_only_grow_and_by_one_at_most(losses, patience):
    counts = [stalls(losses[:n], patience=patience) for n in range(len(losses) + 1)]
    assert set(np.diff(counts)) <= {0, 1}


def test_the_row_of_a_table_has_no_times():
    record = EpochRecord(
        epoch=2,
        train_loss=0.5,
        validation={"loss": 0.6, "auc": 0.7},
        learning_rate=0.1,
        n_images=100,
        seconds=3.5,
        is_best=True,
    )
    assert record.row() == {
        "epoch": 2,
        "train_loss": 0.5,
        "validation_loss": 0.6,
        "validation_auc": 0.7,
        "learning_rate": 0.1,
    }
