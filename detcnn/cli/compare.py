"""``detcnn compare``: several results against the first, with errors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detcnn.cli.console import command, print_summary, print_table, show_progress
from detcnn.cli.options import AsJson, Debug, Overwrite, Quiet, Update, Verbose

if TYPE_CHECKING:
    from detcnn.evaluation.comparison import Comparison, Difference


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="compare")(command(_compare))


def _compare(
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RESULT",
            help="Scores, or folders that have them: the artifacts of a study, or its metrics. "
            "The first is the reference.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="NAME",
            help="Name of a result, in the order of the results; by default what differs in their "
            "folders. Results of one name are trainings of one model.",
            show_default=False,
        ),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            "-g",
            metavar="NAME=A,B,C",
            help="Trainings of one model: their mean and spread are compared. May be repeated.",
            show_default=False,
        ),
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Add the mean scores of each group as a line.")
    ] = False,
    published: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Figures of others: name, auc, rejection, at_efficiency, source.",
            show_default=False,
        ),
    ] = None,
    along: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Labels end in a number, as in tuned@300, that this text describes: draw the area "
            "of each name along it.",
            show_default=False,
        ),
    ] = None,
    signal: Annotated[
        str | None,
        typer.Option(help="The class searched for; by default the last.", show_default=False),
    ] = None,
    working_points: Annotated[
        list[float] | None,
        typer.Option(
            "--at",
            metavar="EFFICIENCY",
            help="Signal efficiency to quote; may be repeated. By default 0.3, 0.5 and 0.7.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[float, typer.Option(help="Confidence level of every interval.")] = 0.683,
    replicas: Annotated[int, typer.Option(min=1, help="Bootstrap replicas.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 1,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the comparison goes.")
    ] = Path("comparison"),
    overwrite: Overwrite = False,
    update: Update = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Compare classifications: ROC curves with ratios, differences with intervals and p-values.

    Events are matched by id, and each bootstrap replica holds the same events for all results.

    Examples:

        detcnn compare old/work new/work

        detcnn compare work/a work/b --label old --label new -o old-new

        detcnn compare work/old --group new=work/s1,work/s2,work/s3 --ensemble

        detcnn compare work --published published.csv --at 0.3 --at 0.5

        detcnn compare a b c -l new@10 -l new@99 -l old@99 --along "jets"
    """
    from detcnn.evaluation.classification import TARGETS
    from detcnn.evaluation.export import plain
    from detcnn.stages.compare import run

    paths, names = _arrange(results or [], labels or [], groups or [])
    with show_progress(quiet=quiet) as progress:
        result = run(
            paths,
            labels=names,
            output=output,
            signal=signal,
            working_points=working_points or TARGETS,
            level=level,
            replicas=replicas,
            seed=seed,
            ensemble=ensemble,
            published=published,
            along=along,
            overwrite=overwrite,
            update=update,
            progress=progress,
        )
    comparison = result.comparison
    if as_json:
        summary = {
            "comparison": str(result.artifact.path),
            "report": str(result.report),
            "digest": result.artifact.manifest.digest,
            "results": plain(comparison.results),
            "entries": [
                {name: plain(getattr(entry, name)) for name in ("label", "auc", "rejections")}
                for entry in comparison.entries
            ],
            "differences": [
                {
                    name: plain(getattr(difference, name))
                    for name in ("label", "reference", "is_paired", "auc", "auc_p_value", "ratios")
                }
                for difference in comparison.differences
            ],
        }
        print_summary(summary, as_json=True, quiet=quiet)
    elif not quiet:
        _print(comparison, verbose=verbose)
        print(f"report: {result.report}")


def _arrange(
    results: list[Path], labels: list[str], groups: list[str]
) -> tuple[list[Path], list[str | None]]:
    """Return all results with their labels; a group names its own and adds those not yet there."""
    from detcnn.errors import ConfigError

    if labels and len(labels) != len(results):
        raise ConfigError(
            f"--label is given {len(labels)} times for {len(results)} results: expected once for "
            "each, or not at all; a --group names its own"
        )
    paths: list[Path] = list(results)
    names: list[str | None] = [*labels] if labels else [None] * len(results)
    for group in groups:
        name, _, members = group.partition("=")
        folders = [Path(member) for member in members.split(",") if member]
        if not name or not folders:
            raise ConfigError(f"--group {group}: expected NAME=A,B,C")
        for folder in folders:
            if folder not in paths:
                paths.append(folder)
                names.append(name)
            elif names[paths.index(folder)] is None:
                names[paths.index(folder)] = name
            else:
                raise ConfigError(f"--group {group}: {folder} has a label or a group already")
    return paths, names


def _print(comparison: "Comparison", *, verbose: bool) -> None:
    from detcnn.evaluation.comparison import mean_text
    from detcnn.evaluation.published import CAVEAT

    differences: dict[str, Difference] = {d.label: d for d in comparison.differences}
    rows = []
    for entry in comparison.entries:
        difference = differences.get(entry.label)
        change = [] if difference is None else _change(difference, comparison)
        values = [
            ("AUC", entry.auc, entry.auc_spread),
            *(
                (f"rejection at {100 * r.target:g} %", r.interval, r.spread)
                for r in entry.rejections
            ),
        ]
        for i, (quantity, interval, spread) in enumerate(values):
            text = mean_text(interval, spread, entry.n_trainings)
            against = change[i] if change else ("reference", "") if i == 0 else ("", "")
            rows.append((entry.label if i == 0 else "", quantity, text, *against))
    for name in dict.fromkeys(figure.name for figure in comparison.published):
        figures = [figure for figure in comparison.published if figure.name == name]
        areas = dict.fromkeys(f"{f.auc:g}" for f in figures if f.auc is not None)
        quoted = [
            *(("AUC", area) for area in areas),
            *(
                (f"rejection at {100 * f.at_efficiency:g} %", f"{f.rejection:g}")
                for f in figures
                if f.rejection is not None and f.at_efficiency is not None
            ),
        ]
        for i, (quantity, text) in enumerate(quoted):
            rows.append((name if i == 0 else "", quantity, text, CAVEAT, ""))
    print_table(
        rows,
        header=("", "", "value", f"against {comparison.entries[0].label}", "p"),
        title=f"{comparison.title}, {100 * comparison.level:g} % intervals",
    )
    for text in _events(comparison, verbose=verbose):
        print(text)


def _change(difference: "Difference", comparison: "Comparison") -> list[tuple[str, str]]:
    mark = "" if difference.is_paired else " unpaired"
    changes = [
        (f"Δ {difference.auc.text()}", difference.auc_p_value),
        *((f"× {ratio.text()}", ratio.p_value) for ratio in difference.ratios),
    ]
    return [(f"{text}{mark}", comparison.p_value_text(p_value)) for text, p_value in changes]


def _events(comparison: "Comparison", *, verbose: bool) -> list[str]:
    results = comparison.results
    sets = sorted({result.matched_set for result in results})
    lines = []
    for number in sets:
        inside = [result for result in results if result.matched_set == number]
        used = inside[0].n_used
        if not verbose and all(result.n_events == used for result in inside):
            who = "every result" if len(sets) == 1 else ", ".join(r.name for r in inside)
            lines.append(f"events: all {used:,} of {who}")
        else:
            each = ", ".join(f"{r.n_events:,} of {r.name}" for r in inside)
            lines.append(f"events: {used:,} in common, of {each}")
    return lines
