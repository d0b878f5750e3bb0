import json
import math

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import roc_auc_score

from detcnn.errors import ConfigError
from detcnn.evaluation.common_events import Result
from detcnn.evaluation.comparison import RejectionRatio, compare, mean_text
from detcnn.evaluation.comparison_rows import comparison_rows
from detcnn.evaluation.export import plain
from detcnn.evaluation.inputs import scored_events
from detcnn.evaluation.intervals import Interval
from detcnn.evaluation.published import PublishedFigure
from detcnn.evaluation.roc import roc_curve
from detcnn.evaluation.working_points import working_points

N = 600
LABELS = np.arange(N) % 2
CLASSES = ("gluon", "quark")


def result(score, *, labels=LABELS, first=0, weights=None):
    score = np.asarray(score)
    events = scored_events(
        np.column_stack([1 - score, score]), labels, classes=CLASSES, weights=weights
    )
    return Result("r", events, np.arange(first, first + len(score)), {})


def noisy(noise, *, seed=0, n=N, **options):
    """Scores that see the same truth, each through noise of its own."""
    seen = np.random.default_rng(99).normal(0, 1, n) + 1.5 * (np.arange(n) % 2)
    score = special.expit(seen + np.random.default_rng(seed).normal(0, noise, n))
    return result(score, labels=np.arange(n) % 2, **options)


def compared(*results, labels=None, **options):
    labels = labels or [f"r{i}" for i in range(len(results))]
    settings = {"signal": ["quark"], "targets": (0.3, 0.5), "n_replicas": 200, **options}
    return compare(results, labels=labels, **settings)


@pytest.fixture(scope="module")
def pair():
    return noisy(0.5, seed=1), noisy(0.8, seed=2)


def area(one):
    return roc_auc_score(one.events.labels, one.events.scores[:, 1])


def test_values_are_those_of_the_curves(pair):
    found = compared(*pair)
    assert found.title == "quark against gluon"
    for entry, one in zip(found.entries, pair, strict=True):
        assert entry.auc.value == pytest.approx(area(one))
        assert entry.auc.low < entry.auc.value < entry.auc.high
        roc = roc_curve(one.events.scores[:, 1], one.events.labels == 1)
        points = working_points(roc, targets=(0.3, 0.5))
        assert [r.interval for r in entry.rejections] == [p.background_rejection for p in points]
        assert [r.trainings[0] for r in entry.rejections] == pytest.approx(
            [p.background_rejection.value for p in points]
        )
    (difference,) = found.differences
    assert difference.is_paired
    assert difference.auc.value == pytest.approx(area(pair[1]) - area(pair[0]))
    ours, theirs = ([r.interval.value for r in entry.rejections] for entry in found.entries)
    assert [r.interval.value for r in difference.ratios] == pytest.approx(
        [b / a for a, b in zip(ours, theirs, strict=True)]
    )
    assert [(r.n_events, r.n_used, r.matched_set) for r in found.results] == 2 * [(N, N, 0)]


def test_the_order_of_two_results_only_turns_the_sign(pair):
    (one,), (other,) = (compared(*p).differences for p in (pair, pair[::-1]))
    assert other.auc.value == pytest.approx(-one.auc.value)
    assert (other.auc.low, other.auc.high) == pytest.approx((-one.auc.high, -one.auc.low))
    assert other.auc_p_value == one.auc_p_value
    for a, b in zip(one.ratios, other.ratios, strict=True):
        assert b.interval.value == pytest.approx(1 / a.interval.value)
        assert b.interval.low == pytest.approx(1 / a.interval.high)
        assert b.p_value == a.p_value


def test_the_order_of_events_does_not_matter(pair):
    shuffled = np.random.default_rng(0).permutation(N)
    first, second = pair
    mixed = Result(
        "mixed",
        scored_events(
            second.events.scores[shuffled], second.events.labels[shuffled], classes=CLASSES
        ),
        second.event_id[shuffled],
        {},
    )
    (one,), (other,) = (compared(first, b).differences for b in (second, mixed))
    assert other.auc == one.auc
    assert other.ratios == one.ratios


def test_a_result_is_no_better_than_itself(pair):
    (difference,) = compared(pair[0], pair[0]).differences
    assert (difference.auc.low, difference.auc.value, difference.auc.high) == (0, 0, 0)
    assert difference.auc_p_value == 1
    for ratio in difference.ratios:
        assert (ratio.interval.low, ratio.interval.high, ratio.p_value) == (1, 1, 1)


def test_what_is_clearly_better_has_the_smallest_p_value():
    found = compared(noisy(5, seed=1), noisy(0.1, seed=2))
    (difference,) = found.differences
    assert difference.auc.low > 0
    assert difference.auc_p_value == pytest.approx(2 / 201)
    assert found.p_value_text(difference.auc_p_value) == "≤ 0.01"
    assert found.p_value_text(0.1234) == "0.12"


def test_other_events_are_compared_unpaired(pair):
    elsewhere = noisy(0.8, seed=2, first=N)
    together, apart = (compared(pair[0], b, n_replicas=2000) for b in (pair[1], elsewhere))
    (paired,), (unpaired,) = together.differences, apart.differences
    assert (paired.is_paired, unpaired.is_paired) == (True, False)
    assert [r.matched_set for r in apart.results] == [0, 1]
    assert unpaired.auc.value == pytest.approx(paired.auc.value)
    width = unpaired.auc.high - unpaired.auc.low
    assert width > 1.15 * (paired.auc.high - paired.auc.low)
    singles = [entry.auc.high - entry.auc.low for entry in apart.entries]
    assert width == pytest.approx(np.hypot(*singles), rel=0.1)


def test_common_events_alone_are_used(pair):
    first = pair[0]
    part = noisy(0.8, seed=2, n=400)
    found = compared(first, part)
    assert [(r.n_events, r.n_used) for r in found.results] == [(N, 400), (400, 400)]
    expected = roc_auc_score(LABELS[:400], first.events.scores[:400, 1])
    assert found.entries[0].auc.value == pytest.approx(expected)


# Several trainings


@pytest.fixture(scope="module")
def trainings():
    return [noisy(noise, seed=seed) for seed, noise in enumerate((0.5, 0.9, 1.4))]


def test_trainings_of_one_label_are_averaged(pair, trainings):
    found = compared(pair[0], *trainings, labels=["one", "many", "many", "many"])
    assert [r.name for r in found.results] == ["one", "many 1", "many 2", "many 3"]
    one, many = found.entries
    assert (one.n_trainings, one.auc_spread, one.rejections[0].spread) == (1, None, None)
    areas = [area(training) for training in trainings]
    assert many.auc_trainings == pytest.approx(areas)
    assert many.auc.value == pytest.approx(np.mean(areas))
    assert many.auc_spread == pytest.approx(np.std(areas, ddof=1))
    rejection = many.rejections[0]
    passing = 1 / np.array(rejection.trainings)
    assert rejection.interval.value == pytest.approx(1 / passing.mean())
    spread = passing.std(ddof=1) / passing.mean() ** 2
    assert rejection.spread == pytest.approx(spread)
    at = np.searchsorted(many.curve.efficiency, 0.3 - 1e-9)
    assert many.curve.low[at] == pytest.approx(1 / (passing.mean() + passing.std(ddof=1)))
    assert found.differences[0].auc.value == pytest.approx(np.mean(areas) - area(pair[0]))


def test_the_error_of_a_mean_holds_the_spread_of_its_trainings(pair, trainings):
    def width(*results):
        labels = ["one", *["many"] * (len(results) - 1)]
        (difference,) = compared(*results, labels=labels, n_replicas=2000, level=0.8).differences
        return difference.auc.high - difference.auc.low

    areas = [area(training) for training in trainings]
    one, many = width(pair[0], trainings[1]), width(pair[0], *trainings)
    # The 80 % interval of Student's t with two degrees of freedom is 1.886 either way.
    of_spread = 2 * 1.886 * np.std(areas, ddof=1) / math.sqrt(3)
    assert of_spread < many < np.hypot(one, of_spread) * 1.1
    # Trainings that agree leave the finite number of events alone.
    same = width(pair[0], trainings[1], trainings[1], trainings[1])
    assert same == pytest.approx(one, rel=1e-9)


def test_an_ensemble_has_the_mean_of_the_scores(pair, trainings):
    labels = ["one", "many", "many", "many"]
    found = compared(pair[0], *trainings, labels=labels, ensemble=True)
    _, many, ensemble = found.entries
    assert ensemble.label == "many, ensemble"
    assert (ensemble.is_ensemble, ensemble.n_trainings, ensemble.auc_spread) == (True, 3, None)
    mean = np.mean([training.events.scores[:, 1] for training in trainings], axis=0)
    assert ensemble.auc.value == pytest.approx(roc_auc_score(LABELS, mean))
    assert ensemble.auc.value > many.auc.value
    assert [d.label for d in found.differences] == ["many", "many, ensemble"]


# No background left


def ranked(n_above, n=40):
    """Background rises above signal `n_above` times; without ties."""
    labels = np.repeat([1, 0], n)
    score = np.concatenate([np.linspace(0.6, 0.9, n), np.linspace(0.1, 0.4, n)])
    score[n : n + n_above] = np.linspace(0.95, 0.99, n_above)
    return result(score, labels=labels)


def test_no_survivor_is_a_limit_by_hand():
    (difference,) = compared(ranked(3), ranked(0), targets=(0.5,)).differences
    (ratio,) = difference.ratios
    # All of three survivors are the reference's: p³ = 5 % at the limit p / (1 − p) of the ratio.
    share = 0.05 ** (1 / 3)
    assert ratio.interval.is_lower_limit
    assert ratio.interval.low == pytest.approx(share / (1 - share))
    assert ratio.p_value == pytest.approx(2 * 0.5**3)
    assert ratio.text().startswith("> 0.58")
    assert np.isnan(difference.curve.value).any()
    (back,) = compared(ranked(0), ranked(3), targets=(0.5,)).differences[0].ratios
    assert (back.interval.value, back.interval.high) == pytest.approx((0, (1 - share) / share))
    assert back.text() == "< 1.71 (95 % CL)"
    assert back.p_value == ratio.p_value


def test_no_survivor_of_other_numbers_of_events():
    (ratio,) = compared(
        ranked(3, n=40), replace_ids(ranked(0, n=80)), targets=(0.5,)
    ).differences[0].ratios  # fmt: skip
    # Twice the background makes it harder to have none left.
    share = 0.05 ** (1 / 3)
    assert ratio.interval.low == pytest.approx(2 * share / (1 - share))
    assert ratio.p_value == pytest.approx(2 / 3**3)


def replace_ids(one):
    return Result("elsewhere", one.events, one.event_id + 10_000, {})


def test_no_survivors_at_all_say_nothing():
    found = compared(ranked(0), ranked(0))
    (ratio, _) = found.differences[0].ratios
    assert ratio.text() == "no background passes either"
    assert ratio.p_value == 1
    assert found.entries[0].rejections[0].interval.is_lower_limit
    assert found.entries[0].rejections[0].trainings == (math.inf,)
    json.dumps(plain(found), allow_nan=False)


def test_trainings_without_survivors_share_their_limit():
    found = compared(ranked(0), ranked(0), ranked(4), labels=["none", "none", "some"])
    none, some = found.entries
    assert none.rejections[0].interval.is_lower_limit
    assert none.rejections[0].spread is None
    mixed = compared(ranked(4), ranked(0), labels=["mixed", "mixed"]).entries[0].rejections[0]
    assert mixed.trainings == (10, math.inf)
    assert mixed.interval.value == 20
    assert mixed.spread == pytest.approx(20 * math.sqrt(2))
    assert some.rejections[0].interval.value == 10


def test_few_survivors_leave_the_ratio_unbounded():
    (ratio,) = compared(ranked(6), ranked(1), targets=(0.5,), n_replicas=2000).differences[0].ratios
    assert ratio.interval.value == pytest.approx(6)
    # The one survivor is missing in 37 % of the replicas.
    assert ratio.interval.high == math.inf
    assert ratio.text().endswith("unbounded)")


# Weights, words, errors


def test_weights_count():
    weights = np.where(np.arange(N) < N // 2, 2.0, 1.0)
    one, other = noisy(0.5, seed=1, weights=weights), noisy(0.8, seed=2, weights=weights)
    found = compared(one, other)
    for entry, scores in zip(found.entries, (one, other), strict=True):
        expected = roc_auc_score(LABELS, scores.events.scores[:, 1], sample_weight=weights)
        assert entry.auc.value == pytest.approx(expected)


def test_rows_hold_every_number(pair, trainings):
    published = PublishedFigure("theirs", 0.9, 30.0, 0.5, "arXiv:1")
    found = compared(
        pair[0], *trainings, labels=["one", "many", "many", "many"], published=[published]
    )
    rows = comparison_rows(found)
    assert len({tuple(row) for row in rows}) == 1
    quantities = [(row["entry"], row["quantity"], row["target"]) for row in rows]
    assert quantities == [
        ("one", "auc", None),
        ("one", "background_rejection", 0.3),
        ("one", "background_rejection", 0.5),
        ("many", "auc", None),
        ("many", "background_rejection", 0.3),
        ("many", "background_rejection", 0.5),
        ("many", "auc_difference", None),
        ("many", "rejection_ratio", 0.3),
        ("many", "rejection_ratio", 0.5),
        ("theirs", "auc", None),
        ("theirs", "background_rejection", 0.5),
    ]
    assert rows[3]["spread"] == found.entries[1].auc_spread
    assert rows[6]["p_value"] == found.differences[0].auc_p_value
    assert (rows[6]["reference"], rows[6]["value"]) == ("one", found.differences[0].auc.value)
    assert (rows[-1]["value"], rows[-1]["method"]) == (30, "published, not the same jets")


def test_texts():
    interval = Interval(0.8, 0.78, 0.82, 0.683, "m")
    assert mean_text(interval, None, 1) == "0.800 [0.780, 0.820]"
    assert mean_text(interval, 0.0123, 3) == "0.800 [0.780, 0.820] ± 0.012 (3 trainings)"
    assert mean_text(interval, 0.0, 2).endswith("± 0.00 (2 trainings)")
    assert RejectionRatio(0.5, interval, 1.0).text() == interval.text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signal": ["top"]}, "signal top: expected one or more of the classes gluon, quark"),
        ({"signal": CLASSES}, "signal gluon, quark"),
        ({"targets": (0.5, 1.5)}, "target signal efficiency 1.5"),
        ({"level": 1.0}, "confidence level 1.0"),
        ({"ensemble": True}, "no label has several trainings"),
    ],
)
def test_impossible_options_are_refused(pair, options, words):
    with pytest.raises(ConfigError, match=words):
        compared(*pair, **options)


def test_an_ensemble_needs_common_events(pair):
    with pytest.raises(ConfigError, match="'m' have no events in common"):
        compared(pair[0], noisy(0.5, first=N), labels=["m", "m"], ensemble=True)
