"""Stage ``explain``: what a trained network looks for, and where it finds it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.digests import value_digest
from detcnn.artifacts.kinds import EXPLANATION
from detcnn.artifacts.opening import Artifact
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.errors import ConfigError
from detcnn.evaluation.class_means import class_means
from detcnn.events.images import DenseImages, as_dense
from detcnn.events.sampling import sample_of_each_class
from detcnn.plotting.explanation import maps_table_figure, mosaic_figure
from detcnn.plotting.report import Picture, Report, Section, Table, write_report
from detcnn.plotting.style import write_figure
from detcnn.progress import SILENT, Progress
from detcnn.stages.trained import Shown, empty_image, show, usual_patch

if TYPE_CHECKING:
    from detcnn.training.export import TrainedModel

REPORT = "report.html"
NUMBERS = "explanation.npz"

_MOST_MAPS = 16
_MOST_KERNELS = 64
_MOST_LAYERS = 6
_MOST_CHANNELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """What to look at.

    Parameters
    ----------
    n_events : int
        Events that maps are averaged over, as many of each class.
    events : tuple of int
        Events of the split to look at one by one; by default those of the sample whose own class
        has the highest and the lowest score.
    layer : str or None
        Layer whose maps Grad-CAM adds up; the last one that makes maps by default.
    occlusion : bool
        Whether to also empty the images patch by patch, which takes longest.
    seed : int
        Of the choice of events.
    """

    n_events: int = 200
    events: tuple[int, ...] = ()
    layer: str | None = None
    occlusion: bool = True
    seed: int = 1


@dataclass(frozen=True, slots=True)
class ExplainResult:
    """What was made: the artifact, and what it tells of in a few words."""

    artifact: Artifact
    told: Mapping[str, Any]

    @property
    def report(self) -> Path:
        """The page's place."""
        return self.artifact.path / REPORT


@dataclass(slots=True)
class _Findings:
    """All numbers that are found."""

    shown: Shown
    images: NDArray[np.float32]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    layer: str | None
    singles: dict[str, int]
    maps: dict[str, NDArray[Any]] = field(default_factory=dict)
    kernels: dict[str, NDArray[Any]] = field(default_factory=dict)
    layers: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.shown.store.schema.classes


def run(
    model: Path,
    *,
    output: Path,
    images: Path | None = None,
    split: str = "test",
    options: ExplainOptions | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> ExplainResult:
    """Write the kernels, the feature maps and what the scores come from.

    Parameters
    ----------
    model : Path
        The artifact.
    output : Path
        Where the page, its figures and its numbers go.
    images : Path, optional
        As in `detcnn.stages.trained.show`.
    split : str
        Of the images.
    options : ExplainOptions, optional
        What to look at.
    overwrite : bool
        Replace what is there.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    ExplainResult

    Raises
    ------
    ConfigError
        If there is no such event or layer, or no images are found.
    DataError
        If an artifact is not there or damaged, or images and model do not go together.
    OutputExistsError
        If the output exists.
    """
    options = options or ExplainOptions()
    shown = show(model, images, split=split)
    refuse_existing(output, overwrite=overwrite)
    n_axes = len(shown.store.schema.grid.axes)
    if n_axes != 2:
        raise ConfigError(
            f"{shown.images.path}: its images have {n_axes} axes: what a network looks at is shown "
            "of images of two; --symmetry and detcnn evaluate take all"
        )
    n_events = shown.split.n_events
    for event in options.events:
        if not 0 <= event < n_events:
            raise ConfigError(
                f"--event {event}: the {split} split has the events 0 to {n_events - 1:,}"
            )
    config = {"split": split, **{k: getattr(options, k) for k in ExplainOptions.__slots__}}
    config["events"] = list(options.events)
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
        # Torch takes seconds to import; what is refused is refused before.
        from detcnn.training.export import read_model

        found = _find(read_model(model), shown, options, progress)
        sections = _sections(found, split)
        figures = builder.folder / "figures"
        figures.mkdir(exist_ok=True)
        for section in sections:
            for picture in section.pictures:
                write_figure(picture.figure, figures, picture.name)
        arrays = {**found.maps, **found.kernels, **found.layers}
        arrays |= {"rows": found.rows, "labels": found.labels, "scores": found.scores}
        np.savez(builder.folder / NUMBERS, **arrays)  # type: ignore[arg-type]
        told = {
            "split": split,
            "classes": list(found.classes),
            "n_events": len(found.rows),
            "layer": found.layer,
            "events": {name: int(found.rows[i]) for name, i in found.singles.items()},
            "arrays": {name: list(values.shape) for name, values in arrays.items()},
        }
        (builder.folder / "explanation.json").write_text(
            json.dumps({**config, **told}, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        lead = (
            f"Network {shown.model.manifest.contents['network']}, {len(found.rows):,} events of "
            f"the {split} split."
        )
        write_report(
            Report(title="What the network looks at", lead=lead, sections=sections),
            builder.folder / REPORT,
        )
        artifact = builder.publish(
            stage="explain",
            config=config,
            inputs=shown.inputs,
            contents=told,
            circumstances={"model": str(model), "images": str(shown.images.path)},
        )
    return ExplainResult(artifact, told)


def _find(
    trained: "TrainedModel", shown: Shown, options: ExplainOptions, progress: Progress
) -> _Findings:
    from detcnn.training import attribution
    from detcnn.training.device import find_device
    from detcnn.training.prediction import predict
    from detcnn.training.splits import stored_extra
    from detcnn.training.tasks import Classification

    model, schema = trained.model, shown.store.schema
    n_classes = len(schema.classes)
    label = shown.split.label
    sample = sample_of_each_class(
        label, n_classes, n=options.n_events, seed=options.seed, purpose="explain"
    )
    rows = np.union1d(sample, np.array(options.events, dtype=np.int64))
    images = np.concatenate(
        [
            as_dense(block.take(rows[(rows >= start) & (rows < start + block.n_images)] - start))
            .values
            for start, block in shown.split.iter_images()
        ]
    )  # fmt: skip
    labels = label[rows]
    task = Classification(n_classes)
    model.to(find_device())
    extra = stored_extra(shown.split, trained.description.inputs)[rows]
    scores = predict(model, task, DenseImages(images), extra=extra)
    layers = attribution.spatial_layers(model, images[0], extra=extra[0])
    layer = attribution.check_layer(options.layer, layers) if options.layer else None
    layer = layer or (layers[-1] if layers else None)
    found = _Findings(
        shown=shown,
        images=images,
        rows=rows,
        labels=labels,
        scores=scores,
        layer=layer,
        singles=_singles(rows, labels, scores, schema.classes, options.events),
    )
    bar = progress.task("gradients", total=2, unit="methods")
    found.maps["saliency"] = attribution.saliency(model, images, extra=extra)
    bar.advance()
    if layer is not None:
        found.maps["grad_cam"] = attribution.grad_cam(model, images, layer, extra=extra)
    bar.advance()
    bar.finish()
    if options.occlusion:
        found.maps["occlusion"] = _occlusion(trained, task, found, extra, progress)
    kernels = attribution.first_kernels(model, schema.shape)
    if kernels is not None:
        found.kernels[f"kernels/{kernels.layer}"] = kernels.weights
    singles = list(found.singles.values())
    for name in _stages(layers):
        found.layers[f"maps/{name}"] = attribution.layer_maps(
            model, images[singles], name, extra=extra[singles]
        )
    return found


def _singles(
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    classes: Sequence[str],
    events: Sequence[int],
) -> dict[str, int]:
    """Return what to call the events looked at one by one, and their places in the sample."""
    if events:
        places = [int(np.searchsorted(rows, event)) for event in events]
        return {
            f"{classes[labels[i]]}, event {event}": i
            for event, i in zip(events, places, strict=True)
        }
    found = {}
    for k, name in enumerate(classes):
        own = np.flatnonzero(labels == k)
        if len(own):
            for which, choose in (("best", np.argmax), ("worst", np.argmin)):
                found[f"{which} {name}"] = int(own[choose(scores[own, k])])
    return found


def _stages(layers: Sequence[str]) -> list[str]:
    """Return the last layer of each part of the trunk that makes maps."""
    last: dict[str, str] = {}
    for name in layers:
        parts = name.split(".")
        if len(parts) > 1:
            last[".".join(parts[:2])] = name
    return list(last.values())[:_MOST_LAYERS]


def _occlusion(
    trained: "TrainedModel",
    task: Any,
    found: _Findings,
    extra: NDArray[np.float32],
    progress: Progress,
) -> NDArray[np.float64]:
    from detcnn.training.occlusion import iter_occlusion

    store = found.shown.store
    empty, _ = empty_image(store, found.shown.images.manifest.contents["occupancy"])
    patch = usual_patch(store.schema.grid)
    bar = progress.task("occluding", total=len(found.images), unit="images")
    changes = []
    for change in iter_occlusion(
        trained.model,
        task,
        found.images,
        empty=empty,
        extra=extra,
        patch=patch,
        stride=patch,
    ):
        changes.append(change)
        bar.advance()
    bar.finish()
    return np.stack(changes)


_METHODS = {
    "saliency": (
        "Saliency",
        "gradient of the logit",
        (
            "The absolute gradient of the output of a class with respect to each standardised "
            "pixel, the largest over the channels (arXiv:1312.6034): where a small change would "
            "matter, whether there is something or not."
        ),
    ),
    "grad_cam": (
        "Grad-CAM",
        "weighted maps of the layer",
        (
            "The maps of one layer added up with the mean gradients of the output of a class as "
            "weights, what is below zero left out (arXiv:1610.02391): where the layer holds what "
            "speaks for the class."
        ),
    ),
    "occlusion": (
        "Occlusion",
        "change of the score",
        (
            "Change of the score of a class when a patch of all channels is emptied "
            "(arXiv:1311.2901). Blue: what is there speaks for the class."
        ),
    ),
}


def _sections(found: _Findings, split: str) -> tuple[Section, ...]:
    return (
        _about_averages(found),
        _about_events(found),
        _about_layers(found),
        Section(
            title="Provenance",
            tables=(
                Table(
                    header=("What", "Name", "SHA-256"),
                    rows=tuple((e.role, e.name, e.digest) for e in found.shown.inputs),
                    caption=f"Events of the {split} split.",
                ),
            ),
        ),
    )


def _about_averages(found: _Findings) -> Section:
    grid, classes = found.shown.store.schema.grid, found.classes
    pictures = []
    for method, values in found.maps.items():
        title, quantity, caption = _METHODS[method]
        means = class_means(values, found.labels, len(classes))
        columns = [f"{name} output" for name in classes]
        pictures.append(
            Picture(
                f"mean-{method}",
                maps_table_figure(
                    {
                        name: dict(zip(columns, means[i], strict=True))
                        for i, name in enumerate(classes)
                    },
                    grid=grid,
                    quantity=f"Mean {quantity}",
                    signed=columns if method == "occlusion" else (),
                    shares_scale=True,
                ),
                f"{title}, average",
                f"{caption} Averages over the events of each true class (rows), for the output of "
                "each class (columns)."
                + (f" Layer {found.layer}." if method == "grad_cam" else ""),
            )
        )
    counts = [int((found.labels == i).sum()) for i in range(len(classes))]
    rows = tuple((name, f"{n:,}") for name, n in zip(classes, counts, strict=True))
    missing = "" if found.layer else " The network makes no maps, so there is no Grad-CAM."
    return Section(
        title="Averages by class",
        lead=f"What the outputs come from, on average.{missing}",
        tables=(Table(header=("Class", "Events"), rows=rows),),
        pictures=tuple(pictures),
    )


def _about_events(found: _Findings) -> Section:
    schema = found.shown.store.schema
    rows: dict[str, dict[str, NDArray[Any]]] = {}
    table = []
    for name, i in found.singles.items():
        own = int(found.labels[i])
        channels = [channel.name for channel in schema.channels][:_MOST_CHANNELS]
        rows[name] = dict(zip(channels, found.images[i], strict=False)) | {
            _METHODS[method][0]: values[i, own] for method, values in found.maps.items()
        }
        scores = [f"{score:.3f}" for score in found.scores[i].tolist()]
        table.append((name, f"{found.rows[i]:,}", schema.classes[own], *scores))
    return Section(
        title="Single events",
        lead=(
            "The best and the worst event of a class are those with the highest and the lowest "
            "score of their own class, among the events averaged over."
        ),
        tables=(
            Table(
                header=("Event", "Number", "True class", *(f"{n} score" for n in schema.classes)),
                rows=tuple(table),
            ),
        ),
        pictures=(
            Picture(
                "events",
                maps_table_figure(
                    rows,
                    grid=schema.grid,
                    signed=("Occlusion",),
                    images=[channel.name for channel in schema.channels],
                ),
                "Single events",
                f"The image, up to {_MOST_CHANNELS} of its channels, and what the output of the "
                "event's own class comes from. Each panel has its own colours.",
            ),
        ),
    )


def _about_layers(found: _Findings) -> Section:
    schema = found.shown.store.schema
    pictures = []
    for name, weights in found.kernels.items():
        drawn = weights[:_MOST_KERNELS]
        channels = [channel.name for channel in schema.channels][: drawn.shape[1]]
        groups = dict(zip(channels, drawn.transpose(1, 0, 2, 3), strict=False))
        layer = name.removeprefix("kernels/")
        pictures.append(
            Picture(
                "kernels",
                mosaic_figure(groups, grid=schema.grid, quantity="Weight", is_signed=True),
                f"Kernels of {layer}",
                f"The weights of the first layer for each channel; {len(drawn)} of "
                f"{len(weights)} filters, in their order.",
            )
        )
    for i, event in enumerate(found.singles):
        groups = {}
        for name, values in found.layers.items():
            own = values[i]
            strongest = np.sort(np.argsort(-np.abs(own).mean(axis=(1, 2)))[:_MOST_MAPS])
            groups[name.removeprefix("maps/")] = own[strongest]
        if groups:
            pictures.append(
                Picture(
                    f"maps-{i + 1}",
                    mosaic_figure(
                        groups,
                        grid=schema.grid,
                        quantity="Output of the layer",
                        is_signed=any(values.min() < 0 for values in groups.values()),
                        has_own_scale=True,
                    ),
                    f"Feature maps: {event}",
                    f"What the parts of the network make of the event, the {_MOST_MAPS} strongest "
                    "channels of each.",
                )
            )
    return Section(title="Kernels and feature maps", pictures=tuple(pictures))
