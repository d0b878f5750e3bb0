import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import DataError
from detcnn.events.observables import OBSERVABLES, jet_observables, masses_from
from detcnn.events.table import EventTable

PION, KAON = 0.13957039, 0.493677


def table(*jets, along="rapidity"):
    """Make a table of jets, each a list of (pt, eta or rapidity, phi, ...)."""
    rows = np.array([row for jet in jets for row in jet], dtype=np.float64)
    names = ("pt", along, "phi", "mass")[: rows.shape[1] if len(rows) else 3]
    columns = {name: rows[:, i] if len(rows) else np.zeros(0) for i, name in enumerate(names)}
    return EventTable(np.cumsum([0, *map(len, jets)]), columns)


def observed(*jets, along="rapidity", masses="nothing", names=OBSERVABLES):
    found = jet_observables(table(*jets, along=along), names, longitudinal=along, masses=masses)
    return {name.removeprefix("jet_"): values for name, values in found.items()}


def random_jets(seed, n_jets=8, most=40, width=0.3):
    rng = np.random.default_rng(seed)
    jets = []
    for _ in range(n_jets):
        n = rng.integers(1, most)
        axis = rng.uniform(-2, 2), rng.uniform(-np.pi, np.pi)
        columns = (
            rng.exponential(20, n),
            axis[0] + rng.normal(0, width, n),
            axis[1] + rng.normal(0, width, n),
            rng.exponential(0.3, n),
        )
        jets.append(np.column_stack(columns).tolist())
    return jets


def assert_same(first, second, rtol=1e-5):
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=rtol, atol=1e-5, err_msg=name)


def wrapped(angle):
    return math.remainder(angle, 2 * math.pi)


def slow(jet):
    """All six, for one jet of (pt, rapidity, phi, mass) with pT > 0, by the definitions."""
    momenta = []
    for pt, y, phi, mass in jet:
        mt = math.hypot(pt, mass)
        momenta.append(
            (pt * math.cos(phi), pt * math.sin(phi), mt * math.sinh(y), mt * math.cosh(y))
        )
    px, py, pz, energy = (math.fsum(column) for column in zip(*momenta, strict=True))
    total = math.fsum(c[0] for c in jet)
    tau = {n: mean_distance(jet, kt_axes(momenta, n)) for n in (1, 2, 3)}
    return {
        "multiplicity": len(jet),
        "mass": math.sqrt(max(energy**2 - px**2 - py**2 - pz**2, 0)),
        "width": mean_distance(jet, [direction((px, py, pz, energy))]),
        "ptd": math.sqrt(math.fsum(c[0] ** 2 for c in jet)) / total,
        "tau21": tau[2] / tau[1] if tau[1] > 1e-9 else -1,
        "tau32": tau[3] / tau[2] if tau[2] > 1e-9 else -1,
    }


def direction(momentum):
    px, py, pz, energy = momentum
    return 0.5 * math.log((energy + pz) / (energy - pz)), math.atan2(py, px)


def mean_distance(jet, axes):
    def nearest(c):
        return min(math.hypot(c[1] - y, wrapped(c[2] - phi)) for y, phi in axes)

    return sum(c[0] * nearest(c) for c in jet) / sum(c[0] for c in jet)


def kt_axes(momenta, n_axes):
    left = list(momenta)
    while len(left) > n_axes:
        distances = []
        for i, a in enumerate(left):
            for j in range(i):
                b = left[j]
                (ya, pa), (yb, pb) = direction(a), direction(b)
                pt = min(math.hypot(*a[:2]), math.hypot(*b[:2]))
                distances.append((pt * math.hypot(ya - yb, wrapped(pa - pb)), j, i))
        _, j, i = min(distances)
        b, a = left.pop(i), left.pop(j)
        left.append(tuple(x + y for x, y in zip(a, b, strict=True)))
    return [direction(momentum) for momentum in left]


def test_two_constituents_by_hand():
    found = observed([(30, 0, 0.2), (30, 0, -0.2)])
    assert found["multiplicity"].tolist() == [2]
    assert found["mass"][0] == pytest.approx(60 * math.sin(0.2))
    assert found["width"][0] == pytest.approx(0.2)
    assert found["ptd"][0] == pytest.approx(math.sqrt(0.5))
    # Each of the two is an axis: τ2 = τ3 = 0.
    assert found["tau21"].tolist() == [0]
    assert found["tau32"].tolist() == [-1]


def test_three_prongs_by_hand():
    # The close pair is first to merge, at φ = 0. τ2 = (10 · 0.01 + 10 · 0.01) / 40; the one axis
    # lies between the 20 GeV on either side, τ1 = (10 + 20 φ - 20 φ) / 40.
    found = observed([(10, 0, -0.01), (20, 0, 0.5), (10, 0, 0.01)])
    assert found["tau21"][0] == pytest.approx(0.005 / 0.25, rel=1e-6)
    assert found["tau32"].tolist() == [0]


def test_jets_of_one_and_of_none():
    found = observed([], [(25, 1.7, 3.1)], [])
    assert {name: values.tolist() for name, values in found.items()} == {
        "multiplicity": [0, 1, 0],
        "mass": [0, 0, 0],
        "width": [0, 0, 0],
        "ptd": [0, 1, 0],
        "tau21": [-1, -1, -1],
        "tau32": [-1, -1, -1],
    }
    assert observed()["mass"].shape == (0,)


def test_collinear_constituents_have_no_ratio():
    found = observed([(pt, 0.7, 3.14159) for pt in (40, 30, 20, 10, 5)])
    assert found["width"][0] < 1e-9
    assert (found["tau21"][0], found["tau32"][0]) == (-1, -1)


def test_a_jet_across_pi_is_whole():
    found = observed([(30, 0, math.pi - 0.2), (30, 0, -math.pi + 0.2)])
    assert found["width"][0] == pytest.approx(0.2)
    assert found["mass"][0] == pytest.approx(60 * math.sin(0.2))


def test_constituents_without_pt_play_no_part():
    jet = random_jets(1, n_jets=1)[0]
    padded = [(0, 0, 0, 0), *jet[:3], (0, 9, 1, 5), *jet[3:], (0, 0, 0, 0)]
    first, second = observed(jet, masses="mass"), observed(padded, masses="mass")
    assert_same(first, second, rtol=0)


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_definitions(seed):
    jets = [*random_jets(seed), *random_jets(seed, n_jets=4, most=4)]
    found = observed(*jets, masses="mass")
    for i, jet in enumerate(jets):
        for name, value in slow(jet).items():
            assert found[name][i] == pytest.approx(value, rel=1e-5, abs=1e-6), name


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.floats(-3, 3), st.floats(-20, 20), st.floats(0.01, 100))
def test_turns_boosts_and_scales(seed, boost, turn, scale):
    jets = random_jets(seed, n_jets=4)
    moved = [
        [(scale * pt, y + boost, phi + turn, scale * m) for pt, y, phi, m in jet] for jet in jets
    ]
    first, second = observed(*jets, masses="mass"), observed(*moved, masses="mass")
    second["mass"] /= scale
    assert_same(first, second, rtol=1e-4)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_order_and_neighbours_do_not_matter(seed):
    jets = random_jets(seed, n_jets=5)
    shuffled = [np.random.default_rng(seed).permutation(jet).tolist() for jet in jets[::-1]]
    first, second = observed(*jets, masses="mass"), observed(*shuffled, masses="mass")
    assert_same(first, {name: values[::-1] for name, values in second.items()})
    alone = observed(jets[2], masses="mass")
    for name in first:
        assert first[name][2] == alone[name][0]


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(
    st.lists(st.tuples(NUMBERS.map(abs), NUMBERS, NUMBERS, NUMBERS), max_size=6),
    st.sampled_from(["eta", "rapidity"]),
    st.sampled_from(["mass", "energy", "nothing"]),
)
def test_any_numbers_give_numbers_or_an_error(jet, along, masses):
    jets = table(jet, along=along)
    columns = dict(jets.constituents)
    columns.setdefault("mass", np.zeros(len(jet)))
    columns["energy"] = columns["mass"]
    jets = EventTable(jets.offsets, columns)
    try:
        found = jet_observables(jets, OBSERVABLES, longitudinal=along, masses=masses)
    except DataError:
        return
    for values in found.values():
        assert np.isfinite(values).all()
        assert (values >= -1).all()


@pytest.mark.parametrize("along", ["eta", "rapidity"])
def test_energies_tell_the_masses(along):
    jets = random_jets(5)
    by_mass = table(*jets, along=along)
    pt, x, mass = (by_mass.constituents[name] for name in ("pt", along, "mass"))
    transverse = np.hypot(pt, mass)
    energy = transverse * np.cosh(x) if along == "rapidity" else np.hypot(pt * np.cosh(x), mass)
    by_energy = EventTable(by_mass.offsets, {**by_mass.constituents, "energy": energy})
    found = [
        jet_observables(jets, OBSERVABLES, longitudinal=along, masses=masses)
        for jets, masses in ((by_mass, "mass"), (by_energy, "energy"), (by_mass, "nothing"))
    ]
    assert_same(found[0], found[1])
    assert (found[0]["jet_mass"] > found[2]["jet_mass"]).all()


def test_pseudorapidities_with_masses_become_rapidities():
    jets = random_jets(7)
    pt, y, phi, mass = np.array([row for jet in jets for row in jet]).T
    eta = np.arcsinh(np.hypot(pt, mass) * np.sinh(y) / pt)
    with_eta = np.split(np.column_stack([pt, eta, phi, mass]), np.cumsum([len(j) for j in jets]))
    assert_same(
        observed(*jets, masses="mass"),
        observed(*(jet.tolist() for jet in with_eta[:-1]), along="eta", masses="mass"),
    )


def test_species_tell_the_masses():
    jet = [(20.0, 0.1, 0.2), (5.0, -0.2, 0.3), (2.0, 0.0, 0.0), (1.0, 0.1, 0.0)]
    columns = dict(table(jet).constituents)
    # A pion, a kaon, a photon, and a number that is no particle.
    columns["pdgid"] = np.array([-211, 321, 22, 0])
    by_species = jet_observables(
        EventTable(np.array([0, 4]), columns), OBSERVABLES, longitudinal="rapidity", masses="pdgid"
    )
    with_masses = [(*c, m) for c, m in zip(jet, (PION, KAON, 0, 0), strict=True)]
    expected = observed(with_masses, masses="mass")
    assert by_species["jet_mass"][0] == pytest.approx(expected["mass"][0], rel=1e-6)


@pytest.mark.parametrize(
    ("roles", "source"),
    [
        ({"pt", "eta", "phi"}, "nothing"),
        ({"pt", "pdgid"}, "pdgid"),
        ({"pdgid", "energy"}, "energy"),
        ({"pdgid", "energy", "mass"}, "mass"),
    ],
)
def test_masses_come_from_the_most_direct_column(roles, source):
    assert masses_from(roles) == source


def test_negative_masses_count_as_none():
    jet = random_jets(2, n_jets=1)[0]
    negative = [(*c[:3], -1.0) for c in jet]
    assert_same(observed(negative, masses="mass"), observed([c[:3] for c in jet]), rtol=0)


def test_only_what_is_asked_for_comes_back_in_small_types():
    found = observed([(1, 0, 0)], names=("jet_width", "jet_multiplicity"))
    assert {name: values.dtype for name, values in found.items()} == {
        "width": np.float32,
        "multiplicity": np.int64,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pt": [1, 1, -2]}, "row 8, constituent 1: pt is -2.0, expected 0 to 1e"),
        ({"phi": [1, np.nan, 1]}, "row 8, constituent 0: phi is nan"),
        ({"mass": [np.inf, 0, 0]}, "row 7, constituent 0: mass is inf"),
        ({"pt": [1, 1e30, 1e30], "rapidity": [0, 90, -90]}, "row 8: jet_mass is .*beyond"),
    ],
)
def test_impossible_values_are_named(change, message):
    columns = {name: np.ones(3) for name in ("pt", "rapidity", "phi", "mass")} | change
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    jets = EventTable(np.array([0, 1, 3]), columns, first_row=7)
    with pytest.raises(DataError, match=message):
        jet_observables(jets, OBSERVABLES, longitudinal="rapidity", masses="mass")


def test_the_table_is_left_as_it_is():
    jets = table(*random_jets(3))
    before = {name: values.copy() for name, values in jets.constituents.items()}
    jet_observables(jets, OBSERVABLES, longitudinal="rapidity", masses="mass")
    for name, values in before.items():
        np.testing.assert_array_equal(jets.constituents[name], values)
