"""How many events each class has."""

from collections.abc import Mapping

from detcnn.quality.findings import Finding

LARGEST_RATIO = 10.0
"""Of the largest class to the smallest: beyond, training has to be told to balance them."""

_CHECK = "class-balance"


def balance_findings(counts: Mapping[str, int], where: str) -> tuple[Finding, ...]:
    """Compare the number of events of the classes.

    A class without events is trouble. A warning is a single class, and a ratio beyond
    `LARGEST_RATIO`, because accuracy and loss then say little of the rare class.

    Parameters
    ----------
    counts : mapping
        Class to number of events; at least one class.
    where : str
        The split; empty if there is none.

    Returns
    -------
    tuple of Finding
        One, which is fine if nothing is wrong and then tells the numbers.
    """
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    told = f"{where or 'all'}: {told}"
    smallest = min(counts, key=lambda name: counts[name])
    rarest, most = counts[smallest], max(counts.values())
    if len(counts) == 1:
        message, remedy = f"one class alone, {told}", "name a file of another class beside it"
        return (Finding(_CHECK, "warning", most, "", message, remedy),)
    if rarest == 0:
        message, remedy = f"no events of {smallest} in {told}", f"add events of {smallest}"
        return (Finding(_CHECK, "trouble", 0, "", message, remedy),)
    if most > LARGEST_RATIO * rarest:
        message = f"{smallest} is rare in {told}"
        remedy = "keep preprocess.balance_classes on, and judge by ROC curves, not by accuracy"
        return (Finding(_CHECK, "warning", rarest, "", message, remedy),)
    return (Finding(_CHECK, "fine", sum(counts.values()), "", told),)
