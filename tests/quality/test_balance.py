import pytest

from detcnn.quality.balance import balance_findings, lone_class_findings


@pytest.mark.parametrize(
    ("counts", "severity", "message"),
    [
        ({"q": 100, "g": 10}, "fine", "train: q 100, g 10"),
        ({"q": 101, "g": 10}, "warning", "g is rare in train: q 101, g 10"),
        ({"q": 1000, "g": 0}, "trouble", "no events of g in train: q 1,000, g 0"),
    ],
)
def test_balance_is_judged_by_the_ratio(counts, severity, message):
    (finding,) = balance_findings(counts, "train")
    assert (finding.check, finding.severity) == ("class-balance", severity)
    assert finding.message == message


@pytest.mark.parametrize(("is_learned", "severity"), [(True, "warning"), (False, "fine")])
def test_one_class_alone_is_too_few_only_if_classes_are_learned(is_learned, severity):
    (finding,) = lone_class_findings("q", 3, is_learned=is_learned)
    assert (finding.check, finding.severity, finding.count) == ("class-balance", severity, 3)
    assert finding.message.startswith("one class alone, q 3")
