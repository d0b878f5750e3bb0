import numpy as np
import pytest

from detcnn.kernels.clustering import subjets


def random_jet(seed, n):
    rng = np.random.default_rng(seed)
    return {
        "pt": rng.exponential(10, n),
        "rapidity": rng.normal(0.7, 0.4, n),
        "phi": rng.normal(np.pi, 0.4, n),
    }


def groups(label):
    return sorted(np.flatnonzero(label == number).tolist() for number in set(label.tolist()))


def test_two_prongs_by_hand():
    # 0 and 2 are 0.1 apart, 1 is far away and softer than both together, but hardest alone.
    label = subjets(np.array([6.0, 10.0, 5.0]), np.array([0.0, 1.0, 0.1]), np.zeros(3), radius=0.3)
    assert label.tolist() == [0, 1, 0]


def test_a_pair_across_pi_is_one_subjet():
    phi = np.array([np.pi - 0.05, -np.pi + 0.05])
    assert subjets(np.ones(2), np.zeros(2), phi, radius=0.3).tolist() == [0, 0]
    assert subjets(np.ones(2), np.zeros(2), phi, radius=0.09).tolist() == [0, 1]


def test_the_algorithms_differ_as_they_should():
    # A hard core, a soft one 0.25 away, and a softer one 0.25 further on, within R of the second.
    pt, x, phi = np.array([100.0, 2.0, 1.0]), np.array([0.0, 0.25, 0.5]), np.zeros(3)
    assert subjets(pt, x, phi, radius=0.3, power=-1).tolist() == [0, 0, 1]
    assert subjets(pt, x, phi, radius=0.3, power=1).tolist() == [0, 1, 1]


@pytest.mark.parametrize("power", [1.0, 0.0, -1.0])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 30])
def test_equals_the_search_over_all_pairs(reference, power, n):
    for seed in range(5):
        jet = random_jet(seed, n)
        mass = np.random.default_rng(seed).exponential(0.2, n)
        options = {"radius": 0.4, "power": power, "mass": mass}
        expected = reference.subjets(**jet, **options)
        np.testing.assert_array_equal(subjets(**jet, **options), expected)


@pytest.mark.parametrize("power", [1.0, 0.0, -1.0])
def test_equals_fastjet(power):
    fastjet = pytest.importorskip("fastjet")
    algorithm = {1: "kt_algorithm", 0: "cambridge_algorithm", -1: "antikt_algorithm"}[int(power)]
    definition = fastjet.JetDefinition(getattr(fastjet, algorithm), 0.3)
    for seed in range(20):
        jet = random_jet(seed, 60)
        inputs = []
        for k, (pt, y, phi) in enumerate(zip(*jet.values(), strict=True)):
            px, py = pt * np.cos(phi), pt * np.sin(phi)
            inputs.append(fastjet.PseudoJet(px, py, pt * np.sinh(y), pt * np.cosh(y)))
            inputs[-1].set_user_index(k)
        cluster = fastjet.ClusterSequence(inputs, definition)
        found = fastjet.sorted_by_pt(cluster.inclusive_jets())
        expected = np.empty(60, dtype=np.int64)
        for number, subjet in enumerate(found):
            expected[[c.user_index() for c in subjet.constituents()]] = number
        np.testing.assert_array_equal(subjets(**jet, radius=0.3, power=power), expected)


def test_order_of_the_constituents_does_not_matter():
    jet = random_jet(3, 50)
    order = np.random.default_rng(0).permutation(50)
    label = subjets(**jet, radius=0.3)
    shuffled = subjets(**{name: column[order] for name, column in jet.items()}, radius=0.3)
    np.testing.assert_array_equal(shuffled, label[order])


@pytest.mark.parametrize("power", [1.0, 0.0, -1.0])
def test_zero_pt_is_no_trouble(power):
    label = subjets(
        np.array([0.0, 5.0, 0.0]), np.array([0.1, 0.0, 0.1]), np.zeros(3), radius=0.3, power=power
    )
    assert label[1] == 0
    assert len(groups(label)) in (1, 2, 3)


def test_a_radius_of_zero_is_refused():
    with pytest.raises(ValueError, match="radius 0"):
        subjets(np.ones(1), np.ones(1), np.ones(1), radius=0)
