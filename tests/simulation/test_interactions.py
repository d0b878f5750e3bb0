import numpy as np
import pytest

from detcnn.kernels.transport import ELECTRON, MASSES, MUON, PROTON
from detcnn.simulation.interactions import interaction

NUCLEON = 938.9


def interactions(kind, n=400, energy=2.0):
    rng = np.random.default_rng(2)
    return [interaction(rng, kind=kind, energy=energy, vertex=(1.0, 2.0, 3.0)) for _ in range(n)]


def momenta(primaries):
    masses = MASSES[primaries[:, 0].astype(int)]
    sizes = np.sqrt(primaries[:, 7] * (primaries[:, 7] + 2 * masses))
    return sizes[:, np.newaxis] * primaries[:, 4:7]


@pytest.mark.parametrize(("kind", "lepton"), [("nue_cc", ELECTRON), ("numu_cc", MUON)])
def test_the_lepton_has_what_the_inelasticity_leaves(kind, lepton):
    for happened in interactions(kind):
        first = happened.primaries[0]
        assert first[0] == lepton
        assert first[7] + MASSES[lepton] == pytest.approx(2000.0 * (1 - happened.inelasticity))
        assert first[1:4].tolist() == [1.0, 2.0, 3.0]
        assert np.linalg.norm(happened.primaries[:, 4:7], axis=1) == pytest.approx(1.0)


def test_neutral_currents_show_no_lepton():
    kinds = {int(kind) for happened in interactions("nc") for kind in happened.primaries[:, 0]}
    assert PROTON in kinds
    assert not kinds & {ELECTRON, MUON}


def test_energy_and_momentum_are_conserved_where_nothing_is_unseen():
    n_whole = 0
    for happened in interactions("numu_cc"):
        primaries = happened.primaries
        n_protons = np.count_nonzero(primaries[:, 0] == PROTON)
        energy = (primaries[:, 7] + MASSES[primaries[:, 0].astype(int)]).sum()
        # Nucleons and pions of either charge have one mass here, which the kinds have not quite.
        assert energy <= 2000.0 + NUCLEON + 2.0
        if n_protons:
            n_whole += 1
            assert energy == pytest.approx(2000.0 + NUCLEON, abs=20.0)
            total = momenta(primaries).sum(axis=0)
            np.testing.assert_allclose(total, [0.0, 0.0, 2000.0], atol=1e-6)
    assert 100 < n_whole < 400


def test_quasi_elastic_protons_have_the_energy_that_the_lepton_lost():
    for happened in interactions("numu_cc"):
        if len(happened.primaries) == 2 and happened.primaries[1, 0] == PROTON:
            lost = 2000.0 * happened.inelasticity
            if happened.inelasticity < 0.05:
                assert happened.primaries[1, 7] == pytest.approx(lost, abs=1.0)
