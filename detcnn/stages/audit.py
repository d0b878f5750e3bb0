"""Stage ``audit``: whether input files or images can be trusted.

Everything is read once, in blocks. Of every event 23 bytes are kept (hash of content, id, pT,
class and split), of the event columns a bounded sample, and of the pixels a few sums.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.kinds import IMAGES
from detcnn.artifacts.opening import Artifact, iter_damaged, open_artifact
from detcnn.config.audit import AuditConfig
from detcnn.config.preprocess import SplitConfig
from detcnn.config.study import Study
from detcnn.config.tasks import MultiTaskConfig
from detcnn.errors import ConfigError, DataError
from detcnn.events.grid import Grid
from detcnn.events.identity import content_ids, split_indices
from detcnn.events.images import as_dense, as_sparse, filled_planes, pixel_totals
from detcnn.events.labels import DROPPED, Classes
from detcnn.events.observables import OBSERVABLES
from detcnn.events.table import Column, EventTable, ImageTable
from detcnn.events.truth import Points
from detcnn.events.windows import Window
from detcnn.imaging.alignment import Normalise
from detcnn.imaging.channels import Channel
from detcnn.imaging.hits import COUNT, HitRecipe
from detcnn.imaging.projection import Recipe
from detcnn.progress import SILENT, Progress, Task
from detcnn.quality.collisions import (
    CollisionTally,
    collision_findings,
    outside_findings,
    tally_collisions,
)
from detcnn.quality.findings import CHECKS, Finding, Place, Severity, worst
from detcnn.quality.review import Review
from detcnn.quality.units import constituent_pt_sums
from detcnn.quality.values import selected_events, sound_events
from detcnn.sources.base import Layout, Sample, Source
from detcnn.sources.chain import Chain, expand_paths
from detcnn.sources.chain import open_sources as open_chain
from detcnn.stages.frames import Frames, open_frames
from detcnn.stages.preprocessing.inputs import classes_of, open_sources
from detcnn.stages.preprocessing.recipes import (
    build_hit_recipe,
    build_recipe,
    check_recipe,
    first_recipe,
    image_channels,
    image_grid,
    project_events,
)
from detcnn.storage.reader import open_store
from detcnn.storage.schema import SPLITS, STORE, picture_channels

_EVENTS_AT_ONCE = 1 << 14
_PIXELS_AT_ONCE = 1 << 23
_MOST_REFUSALS = 100


@dataclass(frozen=True, slots=True)
class Audit:
    """What the checks have found.

    Parameters
    ----------
    kind : str
        What was looked at, in a few words.
    n_events : int
        Events that were looked at.
    findings : tuple of Finding
        The worst first; one or more for every check that was made.
    """

    kind: str
    n_events: int
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Severity:
        """The worst severity of all findings."""
        return worst(self.findings)


def run(
    path: Path,
    *,
    study: Study | None = None,
    preset: str | None = None,
    accept: tuple[str, ...] = (),
    progress: Progress = SILENT,
) -> Audit:
    """Check an input file, all inputs of a study together, or images.

    Parameters
    ----------
    path : Path
        The input file, the study file, or the folder of the images.
    study : Study, optional
        What the study file says; None for the others.
    preset : str, optional
        The image that is made of the constituents of a lone input file, to see what falls outside
        and what shares a pixel; ``"jet_pt"`` if left out.
    accept : tuple of str
        Checks whose trouble is known, and only warned of.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    Audit

    Raises
    ------
    DataError
        If there is nothing there that detcnn reads.
    ConfigError
        If the parts of a file cannot be told apart without being named, the study does not fit its
        input, or a check or preset is unknown.
    """
    config = AuditConfig() if study is None else study.audit
    accepted = {*accept, *config.accept}
    for check in sorted(accepted - CHECKS.keys()):
        raise ConfigError(
            f"accept: no check is called {check!r}: expected one of {', '.join(CHECKS)}"
        )
    if study is not None:
        kind, review = "inputs of a study", _review_study(study, path.parent, progress)
    elif path.is_dir():
        kind, review = "detcnn images", _review_images(path, progress)
    else:
        kind, review = "input file", _review_file(path, preset, progress)
    findings = [
        replace(finding, severity="warning", remedy="known, and accepted")
        if finding.severity == "trouble" and finding.check in accepted
        else finding
        for finding in review.findings()
    ]
    return Audit(kind, review.n_events, tuple(findings))


def _review_study(study: Study, base: Path, progress: Progress) -> Review:
    config = study.preprocess
    sources = open_sources(config, base=base)
    classes = classes_of(config, sources)
    recipe: Recipe | HitRecipe | None = None
    if config.image is not None:
        recipe = build_recipe(config.image)
    elif config.hits is not None:
        recipe = build_hit_recipe(config.hits)
    for source in sources:
        check_recipe(recipe, source)
    review = Review(
        classes.names,
        splits=SPLITS,
        channels=_channel_names(sources[0], recipe),
        windows=_windows(study.audit.window),
        filled=tuple(name for name in SPLITS if getattr(config.split, name) > 0),
        learns_classes=_learns_classes(study),
    )
    cuts = _windows(config.select)
    _Reader(review, _files(sources), classes, recipe, cuts, config.split).read(progress)
    return review


def _learns_classes(study: Study) -> bool:
    """Tell whether the classes of events are what a study learns."""
    task = study.train.task
    heads = task.heads.values() if isinstance(task, MultiTaskConfig) else ()
    return any(one.name == "classification" for one in (task, *(head.task for head in heads)))


def _windows(limits: Mapping[str, tuple[float | None, float | None]]) -> tuple[Window, ...]:
    return tuple(Window(column, low, high) for column, (low, high) in limits.items())


def _files(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Return one source for each file, so that findings name the file and its own rows."""
    return tuple(
        part
        for source in sources
        for part in (source.parts if isinstance(source, Chain) else (source,))
    )


def _review_file(path: Path, preset: str | None, progress: Progress) -> Review:
    source = open_chain(expand_paths(str(path), base=Path()))
    labels = source.label_names
    names = tuple(
        dict.fromkeys([*labels.values(), *(s.class_name for s in source.samples if s.class_name)])
    )
    values = tuple(tuple(v for v, called in labels.items() if called == name) for name in names)
    recipe = first_recipe(source, preset)
    review = Review(
        names,
        channels=_channel_names(source, recipe),
        learns_classes=not (source.layout.pixels or source.layout.points),
    )
    reader = _Reader(review, _files([source]), Classes(names, values), recipe)
    reader.is_image_stated = preset is not None
    reader.read(progress)
    return review


def _channel_names(source: Source, recipe: Recipe | HitRecipe | None) -> tuple[str, ...]:
    shape = source.image_shape if recipe is None else recipe.shape
    if shape is None:
        return ()
    grid = image_grid(shape, recipe, names=source.layout.axes)
    planes = image_channels(shape, recipe, stated=source.layout.channel_units)
    channels = picture_channels(planes, grid)
    return tuple(channel.name for channel in channels)


@dataclass(slots=True)
class _Reader:
    """Shows the events of input files to a review, block by block."""

    review: Review
    sources: tuple[Source, ...]
    classes: Classes
    recipe: Recipe | HitRecipe | None
    cuts: tuple[Window, ...] = ()
    split: SplitConfig | None = None
    is_image_stated: bool = True
    collisions: CollisionTally = field(default_factory=CollisionTally)
    n_refusals: int = 0
    n_outside: int = 0
    pt_outside: float = 0.0
    pt: float = 0.0

    def read(self, progress: Progress) -> None:
        """Read all events, and note what is known only then."""
        n_events = sum(sample.n_events for source in self.sources for sample in source.samples)
        task = progress.task("looking at events", total=n_events, unit="events")
        self.review.note((), "unreadable")
        for file in range(len(self.sources)):
            for sample in range(len(self.sources[file].samples)):
                self._read_sample(file, sample, task)
        task.finish()
        if isinstance(self.recipe, Recipe) and self.pt > 0:
            share = self.pt_outside / self.pt
            image = _described(self.recipe.grid)
            self.review.note(
                outside_findings(
                    self.n_outside, share, image=image, is_stated=self.is_image_stated
                ),
                "outside-grid",
            )
            self.review.note(collision_findings(self.collisions), "pixel-collisions")

    def _read_sample(self, file: int, number: int, task: Task) -> None:
        source = self.sources[file]
        for start, stop in _blocks(source.samples[number].n_events, source.image_shape):
            self._read_rows(file, number, start, stop)
            task.advance(stop - start)

    def _read_rows(self, file: int, number: int, start: int, stop: int) -> None:
        """Look at some rows; of those that cannot be read, at all but the events that are why."""
        source = self.sources[file]
        try:
            table = source.read(number, start, stop)
        except DataError as error:
            if stop - start == 1 or self.n_refusals >= _MOST_REFUSALS:
                self.n_refusals += 1
                self.review.note([_unreadable(stop - start, error)])
            else:
                middle = (start + stop) // 2
                self._read_rows(file, number, start, middle)
                self._read_rows(file, number, middle, stop)
            return
        sample, layout = source.samples[number], source.layout
        name = f"{source.path}: {sample.name}"
        place = Place(name, start, layout.constituents or layout.hits, layout.columns)
        classes = self._classes(table, sample)
        self._take_events(table, place, file, classes)
        if isinstance(table, ImageTable):
            self.review.take_images(table.images.folded, place, classes=classes)
            _take_source_truth(self.review, table, layout, place)
            return
        self.review.take_constituents(table, place)
        if start == 0 and table.has_momenta:
            self.review.take_units(table, place)
        try:
            self._project(table, source.path, classes)
        except DataError as error:
            self.review.note([_unreadable(stop - start, error)])

    def _classes(self, table: EventTable | ImageTable, sample: Sample) -> NDArray[np.int64]:
        if sample.class_name is not None or "label" not in table.columns:
            index = self.classes.index_of(sample.class_name or "")
            return np.full(table.n_events, index, dtype=np.int64)
        return self.classes.indices(table.columns["label"])

    def _take_events(
        self,
        table: EventTable | ImageTable,
        place: Place,
        file: int,
        classes: NDArray[np.int64],
    ) -> None:
        worked_out = _worked_out(table)
        columns = {**worked_out, **table.columns}
        cuts = [cut for cut in self.cuts if cut.column in columns or not _is_observable(cut)]
        for window in (*self.review.windows, *cuts):
            if window.column not in columns:
                raise ConfigError(
                    f"{place.name}: no column {window.column!r}, of which a window is asked; "
                    f"there are: {', '.join(sorted(columns))}"
                )
        for cut in cuts:
            is_cut = ~cut.holds(columns[cut.column])
            classes = np.where(is_cut, DROPPED, classes)
            n_cut = int(np.count_nonzero(is_cut))
            message = f"{cut.complaint}, dropped by preprocess.select"
            self.review.note([Finding("window", "fine", n_cut, message=message)], "window")
        contents = content_ids(table)
        ids = columns.get("event_id", contents)
        splits = np.zeros(len(contents), dtype=np.int8)
        if self.split is not None:
            fractions = {name: float(getattr(self.split, name)) for name in SPLITS}
            splits = split_indices(ids, fractions, salt=self.split.salt)
        self.review.take_events(
            table.columns,
            place,
            worked_out=worked_out,
            file=file,
            contents=contents,
            classes=classes,
            splits=splits,
        )

    def _project(self, table: EventTable, path: Path, classes: NDArray[np.int64]) -> None:
        """Count the constituents of each pixel, of events that can have an image."""
        if self.recipe is None:
            return
        if isinstance(self.recipe, HitRecipe):
            images = as_sparse(project_events(table, self.recipe, path=path).images)
            self.review.tally(images.folded, classes=classes)
            return
        is_sound = sound_events(table)
        sound = selected_events(table, is_sound)
        counting = replace(
            self.recipe,
            channels=tuple(Channel(c.name, "count", c.selection) for c in self.recipe.channels),
            steps=tuple(step for step in self.recipe.steps if not isinstance(step, Normalise)),
            image_steps=(),
        )
        projection = project_events(sound, counting, path=path)
        images = as_sparse(projection.images)
        self.review.tally(images, classes=classes[is_sound])
        self.collisions += tally_collisions(images)
        self.n_outside += int(projection.n_outside.sum())
        self.pt_outside += float(projection.pt_outside.sum())
        self.pt += float(sound.constituents["pt"].sum(dtype=np.float64))


def _take_source_truth(review: Review, table: ImageTable, layout: Layout, place: Place) -> None:
    """Look at what a file tells of the pixels and points of a block of its images."""
    truth = {}
    for name, images in table.truth.pixels.items():
        told = layout.pixels[name]
        planes = filled_planes(table.images, images.shape[0], of_channels=told.of == "channels")
        truth[name] = (told.classes, as_dense(images).values, as_dense(planes).values > 0)
    review.take_truth(truth, table.truth.points, place, sizes=table.images.shape[1:])


def _take_stored_truth(
    review: Review,
    frames: Frames,
    points: Mapping[str, Points],
    start: int,
    place: Place,
    *,
    n: int,
) -> None:
    """Look at what a store tells of the pixels and points of `n` frames."""
    stop = start + n
    truth = {
        info.name: (
            info.classes,
            frames.truth(info.name, start, stop),
            frames.filled(info.planes, start, stop, of_channels=info.of_channels),
        )
        for info in frames.split.schema.truth
    }
    of_frames = {name: places[start:stop] for name, places in points.items()}
    review.take_truth(truth, of_frames, place, sizes=frames.grid.shape)


def _review_images(path: Path, progress: Progress) -> Review:
    artifact = open_artifact(path, expected=IMAGES)
    contents = artifact.manifest.contents
    store = open_store(artifact.path / STORE)
    schema = store.schema
    review = Review(
        schema.classes,
        splits=SPLITS,
        channels=tuple(channel.name for channel in schema.picture_channels),
        # Where more is known of events than their class, that may be what is learned.
        learns_classes=not (schema.truth or schema.points),
        is_signed=tuple(np.repeat(_signed_channels(contents), prod(schema.grid.shape[:-2]))),
    )
    review.note(_damage(artifact), "integrity")
    review.note((), "unreadable")
    splits = {name: open_frames(artifact, name) for name in SPLITS}
    counts = contents.get("n_tiles") or contents["n_events"]
    n_events = sum(frames.n_frames for frames in splits.values())
    task = progress.task("looking at images", total=n_events, unit="images")
    for number, (name, frames) in enumerate(splits.items()):
        place, split = Place(f"{path}: {name}"), frames.split
        try:
            columns = {name: split.column(name) for name in split.column_names}
            columns |= {"weight": split.weight, "training_weight": split.training_weight}
            label = split.label
            first = frames.first_rows(columns["event_id"])
            points = {info.name: frames.points(info.name) for info in schema.points}
        except DataError as error:
            review.note([_unreadable(frames.n_frames, error)])
            continue
        review.note(_contradictions(label, counts[name], place), "integrity")
        label[(label < 0) | (label >= len(schema.classes))] = DROPPED
        for start, stop in _blocks(frames.n_frames, (len(schema.channels), *frames.grid.shape)):
            here, rows = replace(place, start=start), first[start:stop]
            try:
                images = frames.stored(start, stop)
                _take_stored_truth(review, frames, points, start, here, n=stop - start)
            except DataError as error:
                review.note([_unreadable(stop - start, error)])
                continue
            review.take_images(images.folded, here, classes=label[rows])
            review.take_events(
                {name: values[rows] for name, values in columns.items()},
                here,
                worked_out={},
                file=0,
                contents=content_ids(ImageTable(as_dense(images))),
                classes=label[rows],
                splits=np.full(stop - start, number, dtype=np.int8),
            )
            task.advance(stop - start)
    task.finish()
    if _is_projected(contents):
        image = _described(schema.grid)
        n_outside, share = contents["n_constituents_outside"], contents["pt_fraction_outside"]
        review.note(outside_findings(n_outside, share, image=image), "outside-grid")
    return review


def _blocks(n_events: int, shape: tuple[int, ...] | None) -> Iterator[tuple[int, int]]:
    """Yield start and stop of blocks of events, of images so many that dense ones fit."""
    at_once = _EVENTS_AT_ONCE
    if shape is not None:
        at_once = max(1, min(at_once, _PIXELS_AT_ONCE // int(np.prod(shape))))
    for start in range(0, n_events, at_once):
        yield start, min(start + at_once, n_events)


def _is_observable(cut: Window) -> bool:
    """Tell whether a cut is on what only preprocess works out, so that nothing is dropped here."""
    return cut.column in OBSERVABLES


def _worked_out(table: EventTable | ImageTable) -> dict[str, Column]:
    """Return event columns of what the event is made of."""
    if isinstance(table, EventTable) and not table.has_momenta:
        return {"n_hits": np.diff(table.offsets)}
    if isinstance(table, EventTable):
        return {
            "n_constituents": np.diff(table.offsets),
            "constituent_pt": constituent_pt_sums(table),
        }
    return {"pixel_sum": pixel_totals(table.images)}


def _described(grid: Grid) -> str:
    sides = [f"{axis.high - axis.low:g} in {axis.name}" for axis in (grid.rows, grid.columns)]
    return f"the image of {' by '.join(sides)}"


def _unreadable(n_events: int, error: DataError) -> Finding:
    return Finding(
        "unreadable",
        "trouble",
        n_events,
        str(error),
        "events that cannot be read, or not be made an image of",
        "mend or drop them: other checks went without",
    )


def _damage(artifact: Artifact) -> Iterator[Finding]:
    damaged = list(iter_damaged(artifact))
    if damaged:
        yield Finding(
            "integrity",
            "trouble",
            len(damaged),
            str(artifact.path / damaged[0]),
            "files that differ from their checksums",
            "copy or make the artifact again",
        )


def _contradictions(
    label: NDArray[np.int64], counts: Mapping[str, int], place: Place
) -> Iterator[Finding]:
    is_class = (label >= 0) & (label < len(counts))
    found = np.bincount(label[is_class], minlength=len(counts)).tolist()
    if found != list(counts.values()) or not is_class.all():
        yield Finding(
            "integrity",
            "trouble",
            int(np.count_nonzero(~is_class)),
            place.name,
            f"the manifest counts {', '.join(f'{n} {c}' for n, c in counts.items())} images, "
            f"the labels {', '.join(map(str, found))}",
            "make the artifact again",
        )


def _is_projected(contents: Mapping[str, Any]) -> bool:
    """Tell whether images were made of constituents."""
    return "channels" in (contents["image"] or {})


def _signed_channels(contents: Mapping[str, Any]) -> tuple[bool, ...]:
    """Tell which channels of images may be negative: charges, and what a spline has turned."""
    image = contents["image"] or {}
    is_turned = any(step["step"] == "rotate" for step in image.get("image_steps", ()))
    if "hits" in image:
        # A time, or whatever else was measured, may lie below zero.
        signed = [channel["weight"] != COUNT for channel in image["hits"]["channels"]]
        return tuple(is_turned or may_be_negative for may_be_negative in signed)
    if not _is_projected(contents):
        return (is_turned,) * len(contents["channels"])
    return tuple(
        is_turned or channel["weight"].startswith("charge") for channel in image["channels"]
    )
