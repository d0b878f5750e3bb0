import itertools
import json
from fractions import Fraction

import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.class_selection import Cut, best_corner, evaluate_selections
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.export import plain, selection_rows
from detcnn.evaluation.inputs import scored_events
from detcnn.evaluation.intervals import clopper_pearson


def events(of_a, labels, weights=None):
    """Two classes, a and b, by the score of a."""
    scores = np.column_stack([of_a, 1 - np.asarray(of_a)])
    return scored_events(scores, labels, classes=("a", "b"), weights=weights)


TUNING = events([0.9, 0.8, 0.7, 0.6, 0.2, 0.1], [0, 0, 1, 0, 1, 1])
# a: at 0.8 efficiency 2/3, purity 1, product 0.667; at 0.6 1, 3/4, 0.75; b: at 1 − 0.2 2/3, 1;
# at 1 − 0.7 1, 3/4 (0.75).
EVENTS = events([0.95, 0.65, 0.5, 0.4, 0.7, 0.3], [0, 0, 0, 0, 1, 1])
# a at 0.6: 2 of 4 pass, and 1 of b: 2/4, 2/3. b at 0.3, a below 0.7: both pass, and 3 of a.


def test_thresholds_of_some_events_are_judged_in_others():
    found = evaluate_selections(EVENTS, TUNING, bootstrap=Bootstrap(n_replicas=50))
    a, b = found.classes
    assert (a.name, b.name) == ("a", "b")
    assert a.threshold == pytest.approx(0.6)
    assert a.selected.efficiency.value == pytest.approx(2 / 4)
    assert a.selected.purity.value == pytest.approx(2 / 3)
    assert a.selected.product.value == pytest.approx(1 / 3)
    assert b.threshold == pytest.approx(0.3)
    assert b.selected.efficiency.value == 1
    assert b.selected.purity.value == pytest.approx(2 / 5)
    assert found.n_tuning == 6


def test_weights_count_in_the_choice_and_in_the_judgement():
    heavy = events([0.9, 0.8, 0.7, 0.6, 0.2, 0.1], [0, 0, 1, 0, 1, 1], weights=[1, 1, 4, 1, 1, 1])
    judged = events([0.95, 0.85, 0.5, 0.82], [0, 0, 0, 1], weights=[1, 2, 1, 3])
    a = evaluate_selections(judged, heavy, bootstrap=Bootstrap(n_replicas=50)).classes[0]
    # At 0.6 the purity is now 3/7.
    assert a.threshold == pytest.approx(0.8)
    assert a.selected.efficiency.value == pytest.approx(3 / 4)
    assert a.selected.purity.value == pytest.approx(3 / 6)


def test_the_curve_ends_where_all_pass():
    a = evaluate_selections(EVENTS, TUNING, bootstrap=Bootstrap(n_replicas=50)).classes[0]
    assert a.efficiency[-1] == 1
    assert a.purity[-1] == pytest.approx(4 / 6)
    assert np.isnan(a.purity[0])
    # 0.95, 0.7, 0.65, 0.5, 0.4, 0.3
    assert a.purity[1:].tolist() == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4, 4 / 5, 4 / 6])


def slow_corner(values, is_of_class):
    """Every pair of thresholds, in exact numbers."""
    best, at = Fraction(-1), None
    for corner in itertools.product(*(sorted(set(column)) for column in values.T.tolist())):
        passes = [all(v >= c for v, c in zip(row, corner, strict=True)) for row in values.tolist()]
        kept = sum(p and bool(s) for p, s in zip(passes, is_of_class, strict=True))
        if any(passes):
            product = Fraction(kept, int(is_of_class.sum())) * Fraction(kept, sum(passes))
            if product > best:
                best, at = product, corner
    return best, at


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_columns", [1, 2, 3])
def test_the_corner_is_that_of_a_search_through_all(seed, n_columns):
    rng = np.random.default_rng(seed)
    is_of_class = rng.random(40) < 0.4
    values = rng.integers(0, 9, (40, n_columns)) + 2.0 * is_of_class[:, np.newaxis]
    corner = best_corner(values, is_of_class, np.ones(40))
    passes = (values >= corner).all(axis=1)
    kept = int((passes & is_of_class).sum())
    found = Fraction(kept, int(is_of_class.sum())) * Fraction(kept, int(passes.sum()))
    assert found == slow_corner(values, is_of_class)[0]


def test_many_values_are_searched_among_quantiles_of_the_class():
    # The class lies in [0, 1), the rest below: the loosest quantile is its smallest value.
    rng = np.random.default_rng(3)
    inside, outside = rng.random(500), -rng.random(500) - 0.1
    values = np.concatenate([inside, outside])[:, np.newaxis]
    corner = best_corner(values, np.arange(1000) < 500, np.ones(1000))
    assert corner.tolist() == [inside.min()]


LENGTHS = {"length": [3, 4, 9, 5, 6, 2], "width": [5, 6, 7, 5, 7, 1]}
# Of a: 3, 4, 5 long and 5, 6, 5 wide; of b: 9, 6, 2 long and 7, 7, 1 wide. Up to 5 long and at
# least 5 wide: all of a and nothing else.
CUT = Cut("a", {"length": "below", "width": "above"})
JUDGED = {"length": [3, 6, 4, 1, 5, 7], "width": [5, 9, 4, 8, 6, 9]}
# Passing: the first and the fourth of a, and the first of b.


def cut_beside(judged=EVENTS, tuning=TUNING, cut=CUT, columns=JUDGED, **options):
    return evaluate_selections(
        judged,
        tuning,
        cuts=[cut],
        columns=columns,
        tuning_columns=LENGTHS,
        **{"bootstrap": Bootstrap(n_replicas=100), **options},
    ).cuts[0]


def test_a_cut_of_two_columns():
    cut = cut_beside()
    assert cut.title == "length ≤ 5, width ≥ 5"
    assert cut.selected.efficiency.value == pytest.approx(2 / 4)
    assert cut.selected.purity.value == pytest.approx(2 / 3)


def test_the_network_at_the_purity_of_the_cut():
    # All that passes the cut in the tuning events is of a: the network reaches that at 0.8.
    cut = cut_beside()
    assert cut.threshold == pytest.approx(0.8)
    assert cut.network.efficiency.value == pytest.approx(1 / 4)
    assert cut.network.purity.value == 1
    assert cut.gain.value == pytest.approx(-1 / 4)


def test_a_purity_the_network_never_has_leaves_nothing():
    upside_down = events([0.1, 0.2, 0.9, 0.3, 0.8, 0.7], [0, 0, 1, 0, 1, 1])
    cut = cut_beside(tuning=upside_down)
    assert cut.threshold == np.inf
    assert cut.network.efficiency.value == 0
    assert np.isnan(cut.network.purity.value)
    (row,) = [
        row
        for row in selection_rows(evaluate(upside_down))
        if row["quantity"] == "selected_purity" and row["discriminant"] == "network at its purity"
    ]
    assert row["value"] is None
    assert row["threshold"] is None


def evaluate(tuning=TUNING):
    return evaluate_selections(
        EVENTS,
        tuning,
        cuts=[CUT],
        columns=JUDGED,
        tuning_columns=LENGTHS,
        bootstrap=Bootstrap(n_replicas=100),
    )


def test_the_same_selection_has_no_gain_in_any_replica():
    # The column is the score itself.
    cut = evaluate_selections(
        EVENTS,
        TUNING,
        cuts=[Cut("a", {"score": "above"})],
        columns={"score": EVENTS.scores[:, 0]},
        tuning_columns={"score": TUNING.scores[:, 0]},
        bootstrap=Bootstrap(n_replicas=100),
    ).cuts[0]
    assert (cut.gain.value, cut.gain.low, cut.gain.high) == (0, 0, 0)
    assert cut.p_value == 1
    assert cut.selected == cut.network


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(11)
    held = []
    for seed in range(150):
        labels = np.repeat([0, 1], 100)
        of_a = np.clip(rng.normal(0.6 - 0.2 * labels, 0.15), 0, 1)
        found = evaluate_selections(
            events(of_a, labels), TUNING, bootstrap=Bootstrap(n_replicas=200, seed=seed)
        )
        one = found.classes[0].selected.efficiency
        # Threshold 0.6, the mean of the class: half of it passes.
        held.append(one.low <= 0.5 <= one.high)
    # Binomial, three standard deviations of 150 draws and the coarseness of 100 events.
    assert 0.55 < np.mean(held) < 0.82


def test_jets_of_one_event_are_no_independent_events():
    labels = np.repeat([0, 1], 30)
    of_a = np.clip(np.random.default_rng(2).normal(0.6 - 0.2 * labels, 0.15), 0, 1)
    once = evaluate_selections(events(of_a, labels), TUNING, bootstrap=Bootstrap(n_replicas=50))
    thrice = evaluate_selections(
        events(np.repeat(of_a, 3), np.repeat(labels, 3)),
        TUNING,
        bootstrap=Bootstrap(n_replicas=50, unit=np.repeat(np.arange(60), 3)),
    )
    for one, of_three in zip(once.classes, thrice.classes, strict=True):
        for name in ("efficiency", "purity", "product"):
            first, other = getattr(one.selected, name), getattr(of_three.selected, name)
            # A share is never surer than that of as many independent jets: thrice as many here.
            assert (first.low, first.value, first.high) == pytest.approx(
                (other.low, other.value, other.high), abs=0.03
            )


def test_rows_have_the_columns_of_the_others():
    rows = selection_rows(evaluate())
    assert {row["quantity"] for row in rows} == {
        "selected_efficiency",
        "selected_purity",
        "selected_product",
        "efficiency_over_cut",
    }
    of_a = [row for row in rows if row["signal"] == "a"]
    assert [row["discriminant"] for row in of_a if row["quantity"] == "selected_purity"] == [
        "network",
        "length ≤ 5, width ≥ 5",
        "network at its purity",
    ]
    assert {row["background"] for row in of_a} == {"b"}
    (gain,) = [row for row in rows if row["quantity"] == "efficiency_over_cut"]
    assert gain["value"] == pytest.approx(-1 / 4)
    assert 0 < gain["p_value"] <= 1
    json.dumps(plain(evaluate()), allow_nan=False)


def test_what_is_not_there_is_named():
    with pytest.raises(ConfigError, match="class 'c' of a cut is unknown: expected one of a, b"):
        cut_beside(cut=Cut("c", {"length": "below"}))
    with pytest.raises(ConfigError, match="'depth' of a cut is not there; there are: length"):
        cut_beside(cut=Cut("a", {"depth": "below"}))
    with pytest.raises(ConfigError, match="names no column"):
        cut_beside(cut=Cut("a", {}))
    with pytest.raises(DataError, match=r"column 'length' has 1 values that are NaN"):
        cut_beside(columns={**JUDGED, "length": [3, 6, np.nan, 1, 5, 7]})


def test_a_class_that_passes_whole_still_has_room():
    labels = np.repeat([0, 1], 6)
    of_a = np.where(labels == 0, 0.95, 0.05)
    found = evaluate_selections(events(of_a, labels), TUNING, bootstrap=Bootstrap(n_replicas=40))
    selected = found.classes[0].selected
    least = clopper_pearson(6, 6).item().low
    for share in (selected.efficiency, selected.purity):
        assert (share.low, share.value, share.high) == pytest.approx((least, 1, 1))
