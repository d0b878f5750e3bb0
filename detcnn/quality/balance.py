"""How many events each class has."""

from collections.abc import Mapping

from detcnn.quality.findings import Finding

LARGEST_RATIO = 10.0
"""Of the largest class to the smallest: beyond, training has to be told to balance them."""

_CHECK = "class-balance"


def balance_findings(counts: Mapping[str, int], where: str) -> tuple[Finding, ...]:
    """Compare the number of events of the classes.

    A class without events is trouble. A warning is a ratio beyond `LARGEST_RATIO`, because accuracy
    and loss then say little of the rare class.

    Parameters
    ----------
    counts : mapping
        Class to number of events; at least two classes.
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
    if rarest == 0:
        message, remedy = f"no events of {smallest} in {told}", f"add events of {smallest}"
        return (Finding(_CHECK, "trouble", 0, "", message, remedy),)
    if most > LARGEST_RATIO * rarest:
        message = f"{smallest} is rare in {told}"
        remedy = "keep preprocess.balance_classes on, and judge by ROC curves, not by accuracy"
        return (Finding(_CHECK, "warning", rarest, "", message, remedy),)
    return (Finding(_CHECK, "fine", sum(counts.values()), "", told),)


def lone_class_findings(name: str, count: int, *, is_learned: bool) -> tuple[Finding, ...]:
    """Return what is to be said where all events are of one class.

    Parameters
    ----------
    name : str
        The class.
    count : int
        Its events.
    is_learned : bool
        Whether classes are what is to be told apart: one alone is then warned of.
    """
    message = f"one class alone, {name} {count:,}"
    if not is_learned:
        return (Finding(_CHECK, "fine", count, "", f"{message}, and no class is learned"),)
    remedy = "name a file of another class beside it, or what else is learned as train.task"
    return (Finding(_CHECK, "warning", count, "", message, remedy),)
