"""Stage ``symmetry``: what a trained network makes of images that are moved, turned or mirrored."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detcnn.artifacts.digests import value_digest
from detcnn.artifacts.kinds import EXPLANATION
from detcnn.artifacts.opening import Artifact
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.errors import ConfigError
from detcnn.evaluation.invariance import Response, performance_name, response, response_rows
from detcnn.events.images import DenseImages, as_dense
from detcnn.events.sampling import sample_of_each_class
from detcnn.imaging.symmetries import Symmetry, symmetry
from detcnn.plotting.report import Picture, Report, Section, Table, write_report
from detcnn.plotting.style import write_figure
from detcnn.plotting.symmetry import symmetry_figure
from detcnn.progress import SILENT, Progress
from detcnn.stages.trained import Shown, show
from detcnn.storage.csv_tables import write_csv

REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class SymmetryResult:
    """What was made: the artifact, the numbers in it, and what amounts are called if anything."""

    artifact: Artifact
    responses: tuple[Response, ...]
    performance: str
    names: tuple[str, ...]

    @property
    def report(self) -> Path:
        """The page's place."""
        return self.artifact.path / REPORT


def run(
    model: Path,
    *,
    name: str,
    output: Path,
    images: Path | None = None,
    split: str = "test",
    amounts: Sequence[float] = (),
    n_events: int = 2000,
    seed: int = 1,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> SymmetryResult:
    """Score images that are changed by several amounts.

    Parameters
    ----------
    model : Path
        The artifact.
    name : str
        A name in `detcnn.imaging.symmetries.SYMMETRIES`.
    output : Path
        Where the page, its figure and its numbers go.
    images : Path, optional
        As in `detcnn.stages.trained.show`.
    split : str
        Of the images.
    amounts : sequence of float
        By how much; by default what the symmetry says. The amount that changes nothing is added.
    n_events : int
        Events to do it with, as many of each class.
    seed : int
        Of the choice of events and the bootstrap.
    overwrite : bool
        Replace what is there.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    SymmetryResult

    Raises
    ------
    ConfigError
        If there is no such symmetry, images of these axes have none, or an amount cannot be.
    DataError
        If an artifact is not there or damaged, or images and model do not go together.
    OutputExistsError
        If the output exists.
    """
    shown = show(model, images, split=split)
    refuse_existing(output, overwrite=overwrite)
    schema = shown.store.schema
    chosen = symmetry(name, schema.grid)
    if name == "boost" and _is_centred(shown):
        raise ConfigError(
            "--symmetry boost: these images are centred, so a boost of the event leaves them as "
            "they are: use --symmetry shift"
        )
    asked = tuple(amounts) or chosen.amounts(schema.grid)
    for amount in asked:
        chosen.check(amount, schema.grid)
    steps = sorted({*map(float, asked), chosen.neutral})
    config = {
        "symmetry": name,
        "split": split,
        "amounts": steps,
        "n_events": n_events,
        "seed": seed,
    }
    identity = value_digest(
        {
            "format": EXPLANATION.version,
            "inputs": [entry.digest for entry in shown.inputs],
            "config": config,
        }
    )
    with build_artifact(
        output, kind=EXPLANATION, identity=identity, overwrite=overwrite
    ) as builder:
        responses = _respond(shown, chosen, steps, n_events, seed, progress)
        performance = performance_name(len(schema.classes))
        rows = response_rows(responses, names=chosen.names)
        write_csv(builder.folder / "symmetry.csv", rows)
        told = {"symmetry": name, "performance": performance, "responses": rows}
        (builder.folder / "symmetry.json").write_text(
            json.dumps({**config, **told}, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        section = _section(responses, chosen, name, performance)
        for picture in section.pictures:
            write_figure(picture.figure, builder.folder, picture.name)
        lead = (
            f"Network {shown.model.manifest.contents['network']}, up to {n_events:,} events of "
            f"the {split} split, changed by several amounts."
        )
        report = Report(title=f"Symmetry: {name}", lead=lead, sections=(section,))
        write_report(report, builder.folder / REPORT)
        artifact = builder.publish(
            stage="symmetry",
            config=config,
            inputs=shown.inputs,
            contents=told,
            circumstances={"model": str(model), "images": str(shown.images.path)},
        )
    return SymmetryResult(artifact, responses, performance, chosen.names)


def _is_centred(shown: Shown) -> bool:
    """Return whether each image was moved so that a point of its own event is in its middle."""
    image = shown.images.manifest.contents["image"] or {}
    return any(step["step"] == "centre" for step in image.get("align", ()))


def _respond(
    shown: Shown,
    chosen: Symmetry,
    steps: Sequence[float],
    n_events: int,
    seed: int,
    progress: Progress,
) -> tuple[Response, ...]:
    # Torch takes seconds to import; what is refused is refused before.
    from detcnn.training.device import find_device
    from detcnn.training.export import read_model
    from detcnn.training.prediction import predict
    from detcnn.training.splits import stored_extra
    from detcnn.training.tasks import Classification

    schema = shown.store.schema
    label = shown.split.label
    rows = sample_of_each_class(
        label, len(schema.classes), n=n_events, seed=seed, purpose="symmetry"
    )
    values = np.concatenate(
        [
            as_dense(
                block.take(rows[(rows >= start) & (rows < start + block.n_images)] - start)
            ).values
            for start, block in shown.split.iter_images()
        ]
    )
    weights = shown.split.weight[rows]
    trained = read_model(shown.model.path)
    model = trained.model.to(find_device())
    extra = stored_extra(shown.split, trained.description.inputs)[rows]
    task = Classification(len(schema.classes))
    unchanged = predict(model, task, DenseImages(values), extra=extra)
    # All layers of a volume are changed alike.
    pictures = DenseImages(values).folded.values
    bar = progress.task("scoring", total=len(steps), unit="amounts")
    found = []
    for amount in steps:
        changed = chosen.change(pictures, amount, schema.grid).reshape(values.shape)
        scores = predict(model, task, DenseImages(changed), extra=extra)
        found.append(response(amount, scores, unchanged, label[rows], weights=weights, seed=seed))
        bar.advance()
    bar.finish()
    return tuple(found)


def _section(
    responses: Sequence[Response], chosen: Symmetry, name: str, performance: str
) -> Section:
    return Section(
        title=name.capitalize(),
        lead=(
            "A network that has the symmetry, or has learned it, keeps its performance, and its "
            "scores, whatever the amount. What leaves the image is lost, but for shifts along a "
            "full turn of φ, and turns, zooms and boosts interpolate between pixels: some of a "
            "change is due to that."
        ),
        tables=(
            Table(
                header=(
                    chosen.amount.capitalize(),
                    performance,
                    "Mean change of the score",
                    "Mean size of the change",
                ),
                rows=tuple(
                    (
                        chosen.names[int(r.amount)] if chosen.names else f"{r.amount:g}",
                        r.performance.text(),
                        f"{r.mean_change:+.4f} ± {r.mean_change_error:.4f}",
                        f"{r.mean_size:.4f}",
                    )
                    for r in responses
                ),
                caption="Of the score of each event's own class; brackets are 68.3 % intervals.",
            ),
        ),
        pictures=(
            Picture(
                "symmetry",
                symmetry_figure(
                    responses,
                    amount=chosen.amount,
                    neutral=chosen.neutral,
                    performance=performance,
                    names=chosen.names,
                ),
                f"Response to {name}",
                "Above, the performance on the changed images; below, the mean change of the score "
                "of the event's own class, and the mean of the size of the change. Dotted: no "
                "change.",
            ),
        ),
    )
