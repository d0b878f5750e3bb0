import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.imaging.channels import (
    Channel,
    distinct_weights,
    membership,
    weight_columns,
    with_charges,
)

CONSTITUENTS = {
    "pt": np.array([1.0, 2.0, 3.0], dtype=np.float32),
    "eta": np.array([0.0, 1.0, -1.0], dtype=np.float32),
    "phi": np.zeros(3, dtype=np.float32),
    "pdgid": np.array([211, 22, -13]),
}


def test_membership_has_a_bit_for_each_selection():
    channels = (
        Channel("all"),
        Channel("charged", "count", "charged"),
        Channel("charged pt", "pt", "charged"),
        Channel("photons", "pt", "photon"),
        Channel("muons", "pt", (13, -13)),
        Channel("antimuons", "pt", (-13,)),
    )
    assert membership(CONSTITUENTS, channels).tolist() == [0b00011, 0b00101, 0b11011]


def test_weights():
    names = ["pt", "count", "charge", "charge_pt", "energy"]
    columns = weight_columns(CONSTITUENTS, names, longitudinal="eta")
    np.testing.assert_array_equal(columns[0], [1, 2, 3])
    np.testing.assert_array_equal(columns[1], [1, 1, 1])
    np.testing.assert_array_equal(columns[2], [1, 0, 1])
    np.testing.assert_array_equal(columns[3], [1, 0, 3])
    np.testing.assert_allclose(columns[4], [1, 2 * np.cosh(1), 3 * np.cosh(1)])
    assert columns.dtype == np.float64


def test_distinct_weights_keep_their_order():
    channels = (Channel("a", "count"), Channel("b"), Channel("c", "count"))
    assert distinct_weights(channels) == ["count", "pt"]


def test_charges_are_looked_up_only_where_they_are_needed():
    assert "charge" not in with_charges(CONSTITUENTS, (Channel("pt"),))
    for channel in (Channel("n", "pt", "neutral"), Channel("q", "charge")):
        charge = with_charges(CONSTITUENTS, (channel,))["charge"]
        np.testing.assert_array_equal(charge, [1, 0, 1])
    assert "charge" not in CONSTITUENTS


def test_unknown_weight():
    with pytest.raises(ConfigError, match="channel 'a': unknown weight 'et', expected one of pt"):
        Channel("a", "et")


def test_unknown_selection():
    with pytest.raises(ConfigError, match="unknown selection 'kaon'"):
        membership(CONSTITUENTS, (Channel("a", "pt", "kaon"),))


def test_no_column_to_take_charges_from():
    constituents = {"pt": np.ones(1)}
    with pytest.raises(DataError, match="neither a 'charge' nor a 'pdgid'"):
        with_charges(constituents, (Channel("a", "charge"),))
