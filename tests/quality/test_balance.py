import pytest

from detcnn.quality.balance import balance_findings


@pytest.mark.parametrize(
    ("counts", "severity", "message"),
    [
        ({"q": 100, "g": 10}, "fine", "train: q 100, g 10"),
        ({"q": 101, "g": 10}, "warning", "g is rare in train: q 101, g 10"),
        ({"q": 1000, "g": 0}, "trouble", "no events of g in train: q 1,000, g 0"),
        ({"q": 3}, "warning", "one class alone, train: q 3"),
    ],
)
def test_balance_is_judged_by_the_ratio(counts, severity, message):
    (finding,) = balance_findings(counts, "train")
    assert (finding.check, finding.severity) == ("class-balance", severity)
    assert finding.message == message
