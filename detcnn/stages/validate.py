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
from detcnn.evaluation.export import plain
from detcnn.evaluation.intervals import Interval, clopper_pearson
from detcnn.evaluation.peaks import peak
from detcnn.evaluation.roc import bootstrap_auc, roc_curve
from detcnn.plotting.report import Details, Picture, Report, Section, Table, write_report
from detcnn.plotting.style import write_figure
from detcnn.plotting.validation import column_figure
from detcnn.simulation.definitions import DEFINITIONS
from detcnn.simulation.expectations import EXPECTATIONS, Expectation
from detcnn.simulation.jet_file import FORMAT, read_attributes, read_columns

REPORT = "report.html"

_DRAWN = ("pt", "mass", "multiplicity", "pthat")
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
        If the file is not one that ``simulate`` wrote, or damaged.
    OutputExistsError
        If the output exists.
    """
    refuse_existing(output, overwrite=overwrite)
    attributes = read_attributes(path)
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
        sections = (
            _comparison(checks, has_calorimeter=has_calorimeter),
            _distributions(checks, columns, classes),
            _generation(attributes, columns, classes),
        )
        figures = builder.folder / "figures"
        figures.mkdir(exist_ok=True)
        for picture in sections[1].pictures:
            write_figure(picture.figure, figures, picture.name)
        n_jets = len(columns["label"])
        lead = f"{path.name}: {n_jets:,} jets, seed {attributes['seed']}. {_definition(attributes)}"
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
            f"{check.expectation.value:g} ± {check.expectation.uncertainty:g}",
            check.found.text(),
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
            else "The area under the ROC curve of a single column, and the place of a peak; "
            "brackets are 68.3 % bootstrap intervals. A pull beyond ±3 is a disagreement."
        ),
        tables=(Table(header=header, rows=rows),) if rows else (),
        details=(Details("Where the expectations come from", sources),) if rows else (),
    )


def _distributions(
    checks: tuple[Check, ...], columns: Mapping[str, NDArray[Any]], classes: list[str]
) -> Section:
    marks = {
        check.expectation.column: (check.expectation.value, check.expectation.source)
        for check in checks
        if check.expectation.statistic == "peak"
    }
    pictures = []
    for column in _DRAWN:
        values = {
            name: columns[column][columns["label"] == label] for label, name in enumerate(classes)
        }
        # A resonance has no pT-hat.
        values = {name: own for name, own in values.items() if np.any(own != 0)}
        mark, mark_name = marks.get(column, (None, ""))
        pictures.append(
            Picture(
                f"column-{column}",
                column_figure(column, values, mark=mark, mark_name=mark_name),
                column,
                "Each class normalised to unit area.",
            )
        )
    return Section(title="Distributions", pictures=tuple(pictures))


def _generation(
    attributes: Mapping[str, Any], columns: Mapping[str, NDArray[Any]], classes: list[str]
) -> Section:
    statistics = json.loads(attributes["statistics"])
    settings = json.loads(attributes["settings"])
    rows = []
    for label, name in enumerate(classes):
        tally = statistics[name]
        lost = clopper_pearson(
            np.array([tally["audit_lost"]]), np.array([tally["audit_jets"]]), level=0.683
        )
        cut = _pthat_cut(settings[name])
        pthat = columns["pthat"][columns["label"] == label]
        rows.append(
            (
                name,
                f"{tally['jets']:,}",
                f"{tally['events']:,}",
                f"{tally['vetoed'] / tally['events']:.1%}",
                f"{tally['audit_lost']} of {tally['audit_jets']} (below {lost.high[0]:.1%})",
                "none" if cut is None else f"{cut:g} GeV",
                "–" if cut is None else f"{np.mean(pthat < 1.1 * cut):.2%}",
            )
        )
    return Section(
        title="Generation",
        lead=(
            "A share of the events is audited: generated to the end whatever the veto says, so "
            "that wanted jets it would have cost are seen. Jets just above the pT-hat cut tell "
            "how many are missing below it: fewer than those in the first tenth above."
        ),
        tables=(
            Table(
                header=(
                    "Class",
                    "Jets",
                    "Events",
                    "Vetoed",
                    "Lost to the veto",
                    "pT-hat cut",
                    "Jets within 10 % above it",
                ),
                rows=tuple(rows),
            ),
        ),
        details=(Details("Settings of Pythia", json.dumps(settings, indent=2)),),
    )


def _pthat_cut(settings: list[str]) -> float | None:
    cuts = [s.partition("=")[2] for s in settings if s.startswith("PhaseSpace:pTHatMin")]
    return float(cuts[-1]) if cuts else None


def _definition(attributes: Mapping[str, Any]) -> str:
    definition = json.loads(attributes["definition"])
    return str(definition["source"])
