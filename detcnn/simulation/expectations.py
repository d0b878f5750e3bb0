"""What is known of the simulated sets, so that a new sample can be told from a wrong one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from detcnn.simulation.definitions import QUARK_GLUON, TOP_QCD, W_QCD


@dataclass(frozen=True, slots=True)
class Expectation:
    """One number that a sample must show.

    Parameters
    ----------
    statistic : {"auc", "peak"}
        The area under the ROC curve of a jet column between two classes; or where the column has
        its peak in one.
    larger_in : str
        The class that has more of the column; or the class of the peak.
    column : str
        ``multiplicity`` (number of constituents) or a column of the file.
    value : float
        What is expected, for a peak in the column's unit.
    uncertainty : float
        One standard deviation of `value`, or for a peak how far showers and hadrons may move it.
    source : str
        Where the value is from.
    """

    statistic: Literal["auc", "peak"]
    larger_in: str
    column: str
    value: float
    uncertainty: float
    source: str


EXPECTATIONS: Mapping[str, tuple[Expectation, ...]] = {
    QUARK_GLUON.name: (
        Expectation(
            "auc",
            "gluon",
            "multiplicity",
            0.8397,
            0.0028,
            "10,000 jets a class of the same definition, Pythia 8.317, no event vetoed",
        ),
        Expectation(
            "auc",
            "gluon",
            "mass",
            0.7410,
            0.0035,
            "10,000 jets a class of the same definition, Pythia 8.317, no event vetoed",
        ),
        Expectation("auc", "gluon", "pt", 0.5, 0.003, "both classes fill the window alike"),
    ),
    TOP_QCD.name: (
        Expectation(
            "auc",
            "top",
            "mass",
            0.918,
            0.003,
            "8,000 jets a class of the same selection, Pythia 8.317, without multiple interactions",
        ),
        Expectation(
            "peak", "top", "mass", 172.6, 1.0, "mass of the top quark (Particle Data Group)"
        ),
    ),
    W_QCD.name: (
        Expectation("auc", "w", "pt", 0.5, 0.01, "the mass of the W' is chosen for it"),
        Expectation("peak", "w", "mass", 80.4, 1.0, "mass of the W boson (Particle Data Group)"),
    ),
}
"""Expectations by the name of the definition."""
