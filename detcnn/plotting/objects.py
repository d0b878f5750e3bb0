"""What a report says about objects found in masks."""

from detcnn.evaluation.objects import ObjectsEvaluation
from detcnn.plotting.binned import binned_figure
from detcnn.plotting.event_values import event_values_figure
from detcnn.plotting.report import Picture, Section, Table


def objects_sections(evaluation: ObjectsEvaluation) -> tuple[Section, ...]:
    """Return the part of a report that says how well objects are found and counted.

    Returns
    -------
    tuple of Section
        One: table, efficiency and purity against the value of an object, and the sum of values.
        Each `Picture` has a name to write its figure under.
    """
    name, level = evaluation.name, f"{100 * evaluation.level:.3g}\N{NO-BREAK SPACE}%"
    table = Table(
        header=("Objects", level + " interval"),
        rows=(
            ("efficiency", evaluation.efficiency.text()),
            ("purity", evaluation.purity.text()),
            ("true, in one half of the events", evaluation.true_count.text()),
            ("found there", evaluation.found_count.text()),
            ("found · purity / efficiency", evaluation.corrected_count.text()),
            ("corrected over true", evaluation.closure.text()),
        ),
        caption=(
            f"{evaluation.n_true:,} true objects of {name} and {evaluation.n_found:,} found ones "
            f"in {evaluation.n_events:,} events; they are pixels that touch, and belong together "
            f"one to one. Efficiency and purity: {evaluation.efficiency.method}; counts: "
            f"{evaluation.found_count.method}. The count of half the events, chosen by a "
            "hash, is corrected with purity and efficiency of the other half: corrected over true "
            "is 1 if such a correction can be trusted."
        ),
    )
    return (
        Section(
            title=f"Objects: {name}",
            lead=(
                f"Efficiency {evaluation.efficiency.text()}, purity {evaluation.purity.text()}; "
                f"corrected over true count {evaluation.closure.text()}."
            ),
            tables=(table,),
            pictures=(
                Picture(
                    f"objects-{name}-efficiency",
                    binned_figure(
                        [evaluation.efficiency_by_value, evaluation.purity_by_value],
                        ylabel="Share of objects",
                        entries="Objects",
                        is_share=True,
                    ),
                    f"Finding {name}",
                    "Efficiency in bins of the value of the true object, purity in bins of that of "
                    "the found one; below, the numbers of true and of found objects.",
                ),
                Picture(
                    f"objects-{name}-sum",
                    event_values_figure(
                        [evaluation.value_ratio], xlabel="Sum over found / sum over true objects"
                    ),
                    f"Sum of {name}",
                    f"{evaluation.value_name}: the sum over all found objects of an event over "
                    "that of all true ones. Thin line: median.",
                ),
            ),
        ),
    )
