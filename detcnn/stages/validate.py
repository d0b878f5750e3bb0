"""Stage ``validate``: whether simulated jets show what their definition demands."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.digests import file_digest, value_digest
from detcnn.artifacts.kinds import VALIDATION
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import Artifact
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.errors import DataError
from detcnn.evaluation.export import TableRow, plain
from detcnn.evaluation.intervals import LEVEL, Interval, clopper_pearson
from detcnn.evaluation.peaks import peak
from detcnn.evaluation.roc import bootstrap_auc, roc_curve
from detcnn.plotting.report import Details, Picture, Report, Section, Table, write_report
from detcnn.plotting.style import write_figure
from detcnn.plotting.validation import column_figure
from detcnn.simulation.definitions import DEFINITIONS
from detcnn.simulation.expectations import EXPECTATIONS, Expectation
from detcnn.simulation.image_file import FORMAT as IMAGE_FORMAT
from detcnn.simulation.jet_file import FORMAT, read_columns
from detcnn.simulation.whole_file import read_attributes
from detcnn.storage.csv_tables import write_csv

REPORT = "report.html"
TABLE = "validation.csv"

_DRAWN = {
    "pt": "Jet pT",
    "mass": "Jet mass",
    "multiplicity": "Number of constituents",
    "pthat": "pT-hat of the hard process",
}
_TOLERATED = 3.0


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation and what the sample shows.

    Parameters
    ----------
    expectation : Expectation
        What must be.
    found : Interval
        What is.
    n_jets : int
        From so many jets.
    """

    expectation: Expectation
    found: Interval
    n_jets: int

    @property
    def name(self) -> str:
        """What is compared, in words."""
        known = self.expectation
        what = {"auc": "AUC", "peak": "peak"}[known.statistic]
        return f"{what} of {known.column}, {known.larger_in}"

    @property
    def pull(self) -> float:
        """Difference in standard deviations of both."""
        error = (self.found.high - self.found.low) / 2
        difference = self.found.value - self.expectation.value
        return difference / math.hypot(error, self.expectation.uncertainty)

    @property
    def agrees(self) -> bool:
        """Whether the difference is within three standard deviations."""
        return abs(self.pull) <= _TOLERATED


@dataclass(frozen=True, slots=True)
class Generation:
    """How the jets of one class were made.

    Parameters
    ----------
    name : str
        The class.
    n_jets, n_events : int
        Jets of the class in the file, and events generated for them.
    vetoed : float
        Share of the events that the veto ended early.
    n_audited : int
        Wanted jets found in audited events.
    lost : Interval
        Share of these that the veto would have cost.
    pthat_cut : float or None
        Least pT-hat generated, in GeV.
    near_cut : float or None
        Share of the jets with a pT-hat within a tenth above it.
    """

    name: str
    n_jets: int
    n_events: int
    vetoed: float
    n_audited: int
    lost: Interval
    pthat_cut: float | None
    near_cut: float | None


@dataclass(frozen=True, slots=True)
class ValidateResult:
    """The page and what is on it."""

    artifact: Artifact
    checks: tuple[Check, ...]

    @property
    def report(self) -> Path:
        """The page's place."""
        return self.artifact.path / REPORT


def run(path: Path, *, output: Path, overwrite: bool = False) -> ValidateResult:
    """Compare a file of jets with what is known of its definition.

    Parameters
    ----------
    path : Path
        A file that ``simulate`` wrote.
    output : Path
        Folder of the page, its figures and numbers.
    overwrite : bool
        Replace what is there.

    Returns
    -------
    ValidateResult

    Raises
    ------
    DataError
        If the file is not one of jets that ``simulate`` wrote, or damaged.
    OutputExistsError
        If the output exists.
    """
    refuse_existing(output, overwrite=overwrite)
    attributes = read_attributes(path)
    if attributes.get("format") == IMAGE_FORMAT:
        raise DataError(
            f"{path}: images of 'detcnn simulate {attributes.get('study')}', of which nothing is "
            f"known to compare with: validate takes jets alone, those of {', '.join(DEFINITIONS)}"
        )
    if attributes.get("format") != FORMAT or attributes.get("study") not in DEFINITIONS:
        raise DataError(
            f"{path}: no file of 'detcnn simulate', whose definition would tell what to expect"
        )
    study, digest = attributes["study"], file_digest(path)
    classes: list[str] = json.loads(attributes["classes"])
    columns = read_columns(path)
    identity = value_digest({"format": VALIDATION.version, "input": digest})
    with build_artifact(output, kind=VALIDATION, identity=identity, overwrite=overwrite) as builder:
        has_calorimeter = attributes.get("calorimeter", "none") != "none"
        checks = tuple(
            _check(expectation, columns, classes)
            # What is known, is known of particles.
            for expectation in (() if has_calorimeter else EXPECTATIONS[study])
        )
        generations = _generations(attributes, columns, classes)
        sections = (
            _comparison(checks, has_calorimeter=has_calorimeter),
            _distributions(checks, columns, classes),
            _generation(generations, attributes["settings"]),
        )
        figures = builder.folder / "figures"
        figures.mkdir(exist_ok=True)
        for picture in sections[1].pictures:
            write_figure(picture.figure, figures, picture.name)
        n_jets = len(columns["label"])
        lead = (
            f"{path.name}: {n_jets:,} jets, seed {attributes['seed']}; {_definition(attributes)}."
        )
        write_report(
            Report(title=f"Validation: {study}", lead=lead, sections=sections),
            builder.folder / REPORT,
        )
        contents = {
            "checks": [
                {
                    "name": check.name,
                    "expected": check.expectation.value,
                    "uncertainty": check.expectation.uncertainty,
                    "found": plain(check.found),
                    "agrees": check.agrees,
                }
                for check in checks
            ]
        }
        (builder.folder / "validation.json").write_text(
            json.dumps(contents, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        write_csv(builder.folder / TABLE, _table_rows(checks, generations))
        artifact = builder.publish(
            stage="validate",
            config={},
            inputs=[Input(role="jets", name=path.name, digest=digest)],
            contents=contents,
            circumstances={"jets": str(path)},
        )
    return ValidateResult(artifact, checks)


def _check(
    expectation: Expectation, columns: Mapping[str, NDArray[Any]], classes: list[str]
) -> Check:
    values = columns[expectation.column].astype(np.float64)
    is_chosen = columns["label"] == classes.index(expectation.larger_in)
    if expectation.statistic == "peak":
        return Check(expectation, peak(values[is_chosen]), int(is_chosen.sum()))
    area = bootstrap_auc(roc_curve(values, is_chosen), values, is_chosen).interval
    return Check(expectation, area, len(values))


def _comparison(checks: tuple[Check, ...], *, has_calorimeter: bool) -> Section:
    rows = tuple(
        (
            check.name,
            f"{check.expectation.value:g} ± {check.expectation.uncertainty:g}{_unit(check)}",
            f"{check.found.text()}{_unit(check)}",
            f"{check.n_jets:,}",
            f"{check.pull:+.1f}",
            "yes" if check.agrees else "NO",
        )
        for check in checks
    )
    sources = "\n".join(f"{check.name}: {check.expectation.source}" for check in checks)
    header = ("Quantity", "Expected", "Found", "Jets", "Pull", "Agrees")
    return Section(
        title="Compared with what is known",
        lead=(
            "Nothing is known of jets behind a calorimeter; see the distributions."
            if has_calorimeter
            else "The area under the ROC curve of a single column, where the class named has the "
            "larger values, and the place of a peak in that class; brackets are 68.3 % bootstrap "
            "intervals. A pull, the difference over both errors, beyond ±3 is a disagreement."
        ),
        tables=(Table(header=header, rows=rows),) if rows else (),
        details=(Details("Where the expectations come from", sources),) if rows else (),
    )


def _unit(check: Check) -> str:
    # Of all columns that are looked at for a peak.
    return " GeV" if check.expectation.statistic == "peak" else ""


def _distributions(
    checks: tuple[Check, ...], columns: Mapping[str, NDArray[Any]], classes: list[str]
) -> Section:
    marks = {
        check.expectation.column: (check.expectation.value, check.expectation.source)
        for check in checks
        if check.expectation.statistic == "peak"
    }
    pictures = []
    for column, title in _DRAWN.items():
        values = {
            name: columns[column][columns["label"] == label] for label, name in enumerate(classes)
        }
        # A resonance has no pT-hat.
        values = {name: own for name, own in values.items() if np.any(own != 0)}
        absent = [name for name in classes if name not in values]
        mark, mark_name = marks.get(column, (None, ""))
        pictures.append(
            Picture(
                f"column-{column}",
                column_figure(column, values, mark=mark, mark_name=mark_name),
                title,
                "Each class normalised to unit area; the largest 0.2\N{NO-BREAK SPACE}% of all "
                "values lie beyond the axis."
                + (f" Events of {' and '.join(absent)} have none." if absent else ""),
            )
        )
    return Section(title="Distributions", pictures=tuple(pictures))


def _generations(
    attributes: Mapping[str, Any], columns: Mapping[str, NDArray[Any]], classes: list[str]
) -> tuple[Generation, ...]:
    statistics = json.loads(attributes["statistics"])
    settings = json.loads(attributes["settings"])
    found = []
    for label, name in enumerate(classes):
        tally, cut = statistics[name], _pthat_cut(settings[name])
        pthat = columns["pthat"][columns["label"] == label]
        found.append(
            Generation(
                name=name,
                n_jets=tally["jets"],
                n_events=tally["events"],
                vetoed=tally["vetoed"] / tally["events"],
                n_audited=tally["audit_jets"],
                lost=clopper_pearson(tally["audit_lost"], tally["audit_jets"]).item(),
                pthat_cut=cut,
                near_cut=None if cut is None else float(np.mean(pthat < 1.1 * cut)),
            )
        )
    return tuple(found)


def _generation(generations: tuple[Generation, ...], settings: str) -> Section:
    return Section(
        title="Generation",
        lead=(
            "A veto ends an event early where it cannot give a wanted jet. A share of the events "
            "is audited: generated to the end whatever the veto says, so that wanted jets it "
            "would have cost are seen. Nor can a jet come from below the pT-hat cut: how many are "
            "missing is told by those just above it, of which there should be few."
        ),
        tables=(
            Table(
                header=(
                    "Class",
                    "Jets",
                    "Events generated",
                    "Events vetoed",
                    "Audited jets",
                    "Of these lost to a veto",
                    "pT-hat cut",
                    "Jets within 10 % above it",
                ),
                rows=tuple(
                    (
                        made.name,
                        f"{made.n_jets:,}",
                        f"{made.n_events:,}",
                        f"{100 * made.vetoed:.1f} %",
                        f"{made.n_audited:,}",
                        _percent_text(made.lost),
                        "none" if made.pthat_cut is None else f"{made.pthat_cut:g} GeV",
                        "–" if made.near_cut is None else f"{100 * made.near_cut:.2f} %",
                    )
                    for made in generations
                ),
                caption=(
                    f"Brackets: central {100 * LEVEL:g} % Clopper-Pearson intervals."
                    if any(made.n_audited for made in generations)
                    else ""
                ),
            ),
        ),
        details=(Details("Settings of Pythia", json.dumps(json.loads(settings), indent=2)),),
    )


def _percent_text(share: Interval) -> str:
    if math.isnan(share.value):
        return "–"
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}] %"


def _table_rows(checks: tuple[Check, ...], generations: tuple[Generation, ...]) -> list[TableRow]:
    """Return every number of the page, one row each, all with the same columns."""
    rows = [
        _row(
            check.expectation.statistic,
            check.expectation.larger_in,
            column=check.expectation.column,
            n_jets=check.n_jets,
            interval=check.found,
            expected=check.expectation.value,
            uncertainty=check.expectation.uncertainty,
            pull=check.pull,
            agrees=check.agrees,
            source=check.expectation.source,
        )
        for check in checks
    ]
    for made in generations:
        rows += [
            _row("jets", made.name, value=made.n_jets),
            _row("events", made.name, value=made.n_events),
            _row("vetoed", made.name, value=made.vetoed),
            _row("lost_to_veto", made.name, n_jets=made.n_audited, interval=made.lost),
        ]
        if made.pthat_cut is not None:
            rows += [
                _row("pthat_cut", made.name, column="pthat", value=made.pthat_cut),
                _row("near_pthat_cut", made.name, n_jets=made.n_jets, value=made.near_cut),
            ]
    return rows


def _row(quantity: str, of: str, *, interval: Interval | None = None, **cells: Any) -> TableRow:
    row: TableRow = dict.fromkeys(
        (
            "quantity", "class", "column", "n_jets", "value", "low", "high", "level", "method",
            "expected", "uncertainty", "pull", "agrees", "source",
        )
    )  # fmt: skip
    numbers = {} if interval is None else plain(interval)
    numbers.pop("is_lower_limit", None)
    return {**row, "quantity": quantity, "class": of, **numbers, **plain(cells)}


def _pthat_cut(settings: list[str]) -> float | None:
    cuts = [s.partition("=")[2] for s in settings if s.startswith("PhaseSpace:pTHatMin")]
    return float(cuts[-1]) if cuts else None


def _definition(attributes: Mapping[str, Any]) -> str:
    definition = json.loads(attributes["definition"])
    return str(definition["source"])
