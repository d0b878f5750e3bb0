import importlib
import math
import sys
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pythia8mc")

import pythia8mc

from detcnn.errors import DataError, MissingExtraError
from detcnn.events.observables import jet_observables
from detcnn.kernels.clustering import subjets
from detcnn.simulation import pythia
from detcnn.simulation.calorimeter import Calorimeter
from detcnn.simulation.definitions import QUARK_GLUON, TOP_QCD, W_QCD, Trimming, Truth
from detcnn.simulation.pythia import Tally, generate_jets

GLUON, QUARK = 0, 1
CHARGES = {11: -1, 13: -1, 22: 0, 130: 0, 211: 1, 321: 1, 2112: 0, 2212: 1}
MASSES = {11: 0.000511, 13: 0.10566, 22: 0.0, 130: 0.49761, 211: 0.13957, 321: 0.49368}
MASSES |= {2112: 0.93957, 2212: 0.93827}

# Every jet of the process is in the window soon, which makes unvetoed events affordable.
QUICK = replace(
    QUARK_GLUON,
    settings=(*QUARK_GLUON.settings, "PhaseSpace:pTHatMin = 500.", "PhaseSpace:pTHatMax = 560."),
)


def with_veto(definition, **changes):
    """Return the definition with the veto of every process changed."""
    return replace(
        definition,
        processes=tuple(
            replace(process, veto=replace(process.veto, **changes))
            for process in definition.processes
        ),
    )


@pytest.fixture(scope="module")
def generated():
    return [generate_jets(QUARK_GLUON, label, seed=1, piece=3, n_jets=15) for label in (0, 1)]


@pytest.fixture(scope="module", params=[GLUON, QUARK], ids=["gluon", "quark"])
def label(request):
    return request.param


@pytest.fixture(scope="module")
def jets(generated, label):
    return generated[label].jets


def test_fewer_jets_are_the_first_of_more(jets, label, assert_same_jets):
    fewer = generate_jets(QUARK_GLUON, label, seed=1, piece=3, n_jets=3).jets
    n = fewer.n_constituents
    assert_same_jets(
        fewer,
        replace(
            jets,
            offsets=jets.offsets[:4],
            constituents={name: column[:n] for name, column in jets.constituents.items()},
            columns={name: column[:3] for name, column in jets.columns.items()},
        ),
    )


@pytest.mark.parametrize(("seed", "piece"), [(2, 3), (1, 4)])
def test_seed_and_piece_change_the_jets(generated, seed, piece):
    other = generate_jets(QUARK_GLUON, QUARK, seed=seed, piece=piece, n_jets=2).jets
    assert not set(other.columns["mass"]) & set(generated[QUARK].jets.columns["mass"])


def test_classes_have_streams_of_their_own(generated):
    gluon, quark = (set(g.jets.columns["pthat"]) for g in generated)
    assert not gluon & quark


def test_jets_are_in_the_window(jets):
    pt = jets.columns["pt"]
    assert np.all((pt >= 500) & (pt < 550))
    assert np.all(np.abs(jets.columns["y"]) < 1.7)
    assert jets.n_events == 15


def test_labels_come_from_the_hard_process(jets, label):
    assert set(jets.columns["label"]) == {label}
    allowed = {21} if label == GLUON else {1, 2, 3, -1, -2, -3}
    assert set(jets.columns["parton_id"]) <= allowed


def test_event_ids_name_class_piece_and_number(jets, label):
    expected = [label * 2**48 + 3 * 2**24 + i for i in range(15)]
    assert jets.columns["event_id"].tolist() == expected


def test_constituents_are_visible_and_sorted(jets):
    ids = np.abs(jets.constituents["pdgid"])
    assert set(ids) <= set(CHARGES)
    expected = np.array([CHARGES[i] for i in ids]) * np.sign(jets.constituents["pdgid"])
    np.testing.assert_array_equal(jets.constituents["charge"], expected)
    for start, stop in pairwise(jets.offsets):
        assert np.all(np.diff(jets.constituents["pt"][start:stop]) <= 0)


def test_constituents_add_up_to_the_jet(jets):
    pt, eta, y, phi = (
        jets.constituents[name].astype(np.float64) for name in ("pt", "eta", "y", "phi")
    )
    mass = np.array([MASSES[i] for i in np.abs(jets.constituents["pdgid"])])
    transverse = np.hypot(pt, mass)
    np.testing.assert_allclose(pt * np.sinh(eta), transverse * np.sinh(y), rtol=2e-4, atol=2e-4)
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    px, py, pz = np.add.reduceat(momentum, jets.offsets[:-1], axis=1)
    energy = np.add.reduceat(transverse * np.cosh(y), jets.offsets[:-1])

    columns = jets.columns
    np.testing.assert_allclose(columns["pt"], np.hypot(px, py), rtol=1e-5)
    np.testing.assert_allclose(columns["phi"], np.arctan2(py, px), atol=1e-5)
    np.testing.assert_allclose(columns["eta"], np.arcsinh(pz / np.hypot(px, py)), atol=1e-5)
    np.testing.assert_allclose(columns["y"], np.arctanh(pz / energy), atol=1e-5)
    mass_squared = energy**2 - px**2 - py**2 - pz**2
    np.testing.assert_allclose(columns["mass"], np.sqrt(mass_squared), rtol=1e-2)


def test_azimuths_are_in_half_open_range(jets):
    for phi in (jets.columns["phi"], jets.constituents["phi"]):
        assert np.all((phi.astype(np.float64) >= -np.pi) & (phi.astype(np.float64) < np.pi))


def test_tally_counts_every_event(generated, label):
    tally = generated[label].tally
    assert tally.jets == 15
    assert tally.audited == tally.events // QUARK_GLUON.processes[label].veto.audit_every
    assert tally.jets <= tally.events - tally.vetoed - tally.failed < tally.events / 4


def test_tallies_add_up():
    assert Tally(1, 2, 3, 4, 5, 6, 7) + Tally(jets=10, audit_lost=1) == Tally(11, 2, 3, 4, 5, 6, 8)


def test_an_audit_counts_what_the_veto_would_cost():
    # No jet has 10 TeV: everything is condemned, and everything is audited.
    doomed = with_veto(QUICK, wide_from=10_000.0, audit_every=1)
    tally = generate_jets(doomed, QUARK, seed=1, piece=0, n_jets=3).tally
    assert (tally.audit_lost, tally.audit_jets, tally.vetoed) == (3, 3, 0)
    assert tally.audited == tally.events


@pytest.mark.parametrize("label", [GLUON, QUARK])
def test_the_veto_drops_no_wanted_jet(label):
    audited = with_veto(QUICK, audit_every=1)
    tally = generate_jets(audited, label, seed=2, piece=0, n_jets=15).tally
    assert tally.audit_jets == 15
    assert tally.audit_lost == 0


def test_hardest_jet_is_that_of_fastjet():
    fastjet = pytest.importorskip("fastjet")
    veto = with_veto(QUICK, audit_every=1).processes[QUARK].veto
    hook = pythia._build_hook(veto, QUICK.radius)
    settings = (*QUICK.settings, *QUICK.processes[QUARK].settings)
    generator = pythia._start_pythia(settings, 17, hook)
    finder = pythia._jet_finder(QUICK.radius, pt_min=250.0)
    n_compared = 0
    for _ in range(20):
        assert generator.next()
        finder.analyze(generator.event)
        particles = [
            (p.px(), p.py(), p.pz(), p.e())
            for p in (generator.event[i] for i in range(generator.event.size()))
            if p.isFinal() and p.idAbs() not in (12, 14, 16)
        ]
        definition = fastjet.JetDefinition(fastjet.antikt_algorithm, QUICK.radius)
        sequence = fastjet.ClusterSequence([fastjet.PseudoJet(*p) for p in particles], definition)
        expected = fastjet.sorted_by_pt(sequence.inclusive_jets(250.0))
        assert finder.sizeJet() == len(expected)
        for j, jet in enumerate(expected):
            found = (finder.pT(j), finder.y(j), finder.m(j), finder.multiplicity(j))
            reference = (jet.pt(), jet.rap(), jet.m(), len(jet.constituents()))
            assert found == pytest.approx(reference, rel=1e-6)
            n_compared += 1
    assert n_compared >= 20


def test_stdout_stays_clean(capfd):
    generate_jets(QUICK, QUARK, seed=1, piece=0, n_jets=1)
    assert capfd.readouterr().out == ""


def test_an_unknown_setting_is_named():
    broken = replace(QUARK_GLUON, settings=("Beams:eNonsense = 1",))
    with pytest.raises(DataError, match="does not know 'Beams:eNonsense = 1'"):
        generate_jets(broken, GLUON, seed=1, piece=0, n_jets=1)


def test_settings_that_cannot_start_are_shown():
    broken = replace(QUARK_GLUON, settings=("Beams:eCM = 1.",))
    with pytest.raises(DataError, match=r"does not start .* Beams:eCM = 1\."):
        generate_jets(broken, GLUON, seed=1, piece=0, n_jets=1)


def test_a_missing_generator_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    monkeypatch.delitem(sys.modules, "detcnn.simulation.pythia")
    with pytest.raises(MissingExtraError, match=r"pip install 'detcnn\[simulate\]'"):
        importlib.import_module("detcnn.simulation.pythia")


def test_unmatched_and_split_tops_are_dropped():
    axis = pythia8mc.Vec4(600.0, 0.0, 0.0, 624.0)
    top = Truth(particle=6, radius=0.8)
    assert pythia._origin(decayed_top(spread=0.5), axis, top) == 6
    assert pythia._origin(decayed_top(spread=0.9), axis, top) is None
    assert pythia._origin(decayed_top(spread=0.5), axis, Truth(particle=24, radius=0.8)) == 24
    assert pythia._origin(decayed_top(spread=0.5), pythia8mc.Vec4(-600, 0, 0, 624), top) is None


@pytest.mark.parametrize(("definition", "identity", "number"), [(TOP_QCD, 6, 2), (W_QCD, 24, 1)])
def test_last_copies_are_those_of_the_whole_event(definition, identity, number):
    generator = pythia.start_generator(definition, 1, seed=1, piece=0).pythia
    n_compared = 0
    while n_compared < 5:
        if not generator.next():
            continue
        event = generator.event
        expected = [
            i
            for i in range(event.size())
            if event[i].idAbs() == identity and event[i].iBotCopyId() == i
        ]
        assert pythia._last_copies(generator, identity) == expected
        assert len(expected) == number
        n_compared += 1


def test_the_same_generator_makes_the_same_events(generated, label):
    tally = generated[label].tally
    started = pythia.start_generator(QUARK_GLUON, label, seed=1, piece=3)
    while started.hook.n_events < tally.events:
        started.pythia.next()
    assert started.hook.n_vetoed == tally.vetoed


def decayed_top(*, spread):
    """Return an event of t → b W, W → u d̄; the down quark is `spread` away from the rest."""

    def along(phi, pt, mass):
        momentum = (pt * math.cos(phi), pt * math.sin(phi), 0.0, math.hypot(pt, mass))
        return pythia8mc.Vec4(*momentum)

    event = pythia8mc.Event()
    for identity, mother, daughters, momentum in (
        (90, 0, (0, 0), along(0.0, 1.0, 1.0)),
        (6, 0, (2, 2), along(0.0, 600.0, 173.0)),
        (6, 1, (3, 4), along(0.0, 600.0, 173.0)),
        (5, 2, (0, 0), along(0.0, 200.0, 5.0)),
        (24, 2, (5, 5), along(0.0, 400.0, 80.0)),
        (24, 4, (6, 7), along(0.0, 400.0, 80.0)),
        (2, 5, (0, 0), along(0.0, 300.0, 0.0)),
        (-1, 5, (0, 0), along(spread, 100.0, 0.0)),
    ):
        event.append(identity, 23, mother, mother, *daughters, 0, 0, momentum, momentum.mCalc())
    return SimpleNamespace(event=event, process=event)


def test_trimming_is_that_of_the_clustering_kernel():
    settings = (*W_QCD.settings, *W_QCD.processes[0].settings)
    hook = pythia._build_hook(W_QCD.processes[0].veto, W_QCD.radius)
    generator = pythia._start_pythia(settings, 5, hook)
    finder = pythia._jet_finder(W_QCD.radius, pt_min=100.0)
    n_removed = []
    while len(n_removed) < 5:
        generator.next()
        finder.analyze(generator.event)
        if finder.sizeJet() == 0 or finder.multiplicity(0) < 10:
            continue
        particles = [generator.event[i] for i in finder.constituents(0)]
        pt, y, phi, mass = np.array([(p.pT(), p.y(), p.phi(), p.m()) for p in particles]).T
        px, py = pt * np.cos(phi), pt * np.sin(phi)
        subjet = subjets(pt, y, phi, mass=mass, radius=0.3)
        subjet_pt = np.hypot(np.bincount(subjet, px), np.bincount(subjet, py))
        is_kept = subjet_pt[subjet] >= 0.05 * np.hypot(px.sum(), py.sum())
        kept = pythia._trimmed(particles, Trimming(radius=0.3, fraction=0.05), pt=finder.pT(0))
        assert sorted(p.pT() for p in kept) == pytest.approx(sorted(pt[is_kept]))
        n_removed.append(np.count_nonzero(~is_kept))
    assert min(n_removed) < max(n_removed)


@pytest.fixture(scope="module")
def tops():
    return generate_jets(TOP_QCD, 1, seed=1, piece=0, n_jets=12).jets


@pytest.fixture(scope="module")
def w_jets():
    return generate_jets(W_QCD, 1, seed=1, piece=0, n_jets=12).jets


def test_tops_are_in_their_window_and_have_their_mass(tops):
    assert np.all((tops.columns["pt"] >= 550) & (tops.columns["pt"] < 650))
    assert np.all(np.abs(tops.columns["eta"]) < 2)
    assert set(tops.columns["parton_id"]) <= {6, -6}
    assert np.median(tops.columns["mass"]) == pytest.approx(173, abs=15)


def test_w_jets_are_trimmed(w_jets):
    columns = w_jets.columns
    assert np.all((columns["pt"] >= 250) & (columns["pt"] < 300))
    assert set(columns["parton_id"]) <= {24, -24}
    assert np.median(columns["mass"]) == pytest.approx(81, abs=8)
    assert np.all(columns["pt"] <= columns["ungroomed_pt"])
    assert np.all(columns["mass"] <= columns["ungroomed_mass"] + 1e-3)
    assert np.any(columns["mass"] < columns["ungroomed_mass"] - 1)


def test_the_veto_of_a_resonance_drops_no_wanted_jet():
    tally = generate_jets(with_veto(W_QCD, audit_every=1), 1, seed=3, piece=0, n_jets=15).tally
    assert (tally.audit_jets, tally.audit_lost) == (15, 0)


def test_a_calorimeter_makes_jets_of_towers():
    jets = generate_jets(
        QUICK, QUARK, seed=1, piece=0, n_jets=8, calorimeter=Calorimeter(cell=0.1)
    ).jets
    assert set(np.abs(jets.constituents["pdgid"])) <= {0, 13, 22}
    towers = np.abs(jets.constituents["pdgid"]) != 13
    # In the middle of cells that start at -4.9.
    assert jets.constituents["eta"][towers] * 10 % 1 == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_allclose(
        jets.constituents["eta"][towers], jets.constituents["y"][towers], atol=1e-5
    )
    assert np.all((jets.columns["pt"] >= 500) & (jets.columns["pt"] < 550))
    # Worked out again from what is stored: towers are massless.
    mass = jet_observables(jets, ["jet_mass"], longitudinal="eta", masses="pdgid")["jet_mass"]
    np.testing.assert_allclose(mass, jets.columns["mass"], rtol=1e-3)
    again = generate_jets(QUICK, QUARK, seed=1, piece=0, n_jets=2, calorimeter=Calorimeter())
    np.testing.assert_array_equal(again.jets.columns["pt"], jets.columns["pt"][:2])
