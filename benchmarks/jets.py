"""Jets to measure with: those of sample_data, or random ones of any number."""

from pathlib import Path

import h5py
import numpy as np

from detcnn.events.table import EventTable

SAMPLE = Path(__file__).parents[1] / "sample_data" / "quark_gluon.h5"


def sample(n_jets: int) -> EventTable:
    """Return real quark and gluon jets; the file is repeated until there are enough."""
    with h5py.File(SAMPLE) as file:
        offsets = file["jets/offsets"][:]
        constituents = {
            name: file[f"constituents/{name}"][:]
            for name in ("pt", "eta", "phi", "pdgid", "charge")
        }
        constituents["rapidity"] = file["constituents/y"][:]
        label = file["jets/label"][:]
    n_times = -(-n_jets // len(label))
    lengths = np.tile(np.diff(offsets), n_times)[:n_jets]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return EventTable(
        offsets=offsets,
        constituents={
            name: np.tile(values, n_times)[: offsets[-1]] for name, values in constituents.items()
        },
        columns={"label": np.tile(label, n_times)[:n_jets].astype(np.int64)},
        first_row=0,
    )


def of_fifty(n_jets: int, *, seed: int = 1) -> EventTable:
    """Return random jets of 50 particles each: the size that published figures are quoted for."""
    rng = np.random.default_rng(seed)
    n = 50 * n_jets
    pdgid = rng.choice(np.array([211, -211, 22, 130], dtype=np.int32), n)
    return EventTable(
        offsets=np.arange(0, n + 1, 50),
        constituents={
            "pt": (rng.pareto(1.5, n) + 0.5).astype(np.float32),
            "rapidity": rng.normal(0, 0.12, n).astype(np.float32),
            "phi": rng.normal(0, 0.12, n).astype(np.float32),
            "pdgid": pdgid,
            "charge": (np.sign(pdgid) * (np.abs(pdgid) == 211)).astype(np.int8),
        },
        columns={},
        first_row=0,
    )
