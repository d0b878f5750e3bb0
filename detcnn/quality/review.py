"""All checks on events that stream by, and the findings at the end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detcnn.events.images import Images
from detcnn.events.table import Column, EventTable
from detcnn.events.truth import Points
from detcnn.events.windows import Window
from detcnn.quality.balance import balance_findings, lone_class_findings
from detcnn.quality.duplicates import duplicate_findings
from detcnn.quality.emptiness import empty_event_findings, empty_image_findings
from detcnn.quality.findings import CHECKS, SEVERITIES, Finding, Place, merged
from detcnn.quality.leakage import event_id_findings
from detcnn.quality.ledger import Ledger
from detcnn.quality.pixels import PixelTally, pixel_findings, tally_pixels
from detcnn.quality.rapidity import rapidity_findings
from detcnn.quality.sampling import ColumnSample
from detcnn.quality.separation import (
    constant_column_findings,
    separating_column_findings,
    spectrum_findings,
)
from detcnn.quality.truth import (
    PixelTruthTally,
    PointTally,
    tally_pixel_truth,
    tally_points,
)
from detcnn.quality.units import unit_findings
from detcnn.quality.values import (
    column_value_findings,
    constituent_value_findings,
    pixel_value_findings,
)
from detcnn.quality.window import outlier_findings, stated_window_findings

SIZES = ("pt", "constituent_pt", "pixel_sum")
"""Event columns that say how large an event is: the first of these that is there is judged."""

_NEVER_SAMPLED = ("label", "weight", "training_weight", "event_id", "source", "row")


@dataclass(slots=True)
class Review:
    """What was found so far, and what is kept of the events until all have been seen.

    Parameters
    ----------
    classes : tuple of str
        Names of the classes; events bear their number, or a negative one.
    splits : tuple of str
        Names of the splits, likewise; empty where there are none.
    channels : tuple of str
        Names of the channels of the images; empty where there are none.
    is_signed : tuple of bool
        Channels whose pixels may be negative.
    windows : tuple of Window
        What the study says of the values of event columns.
    filled : tuple of str
        Splits that need events of every class.
    learns_classes : bool
        Whether the classes are what is learned, so that one alone is too few.
    """

    classes: tuple[str, ...]
    splits: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    is_signed: tuple[bool, ...] = ()
    windows: tuple[Window, ...] = ()
    filled: tuple[str, ...] = ()
    learns_classes: bool = True
    _findings: list[Finding] = field(default_factory=list)
    _made: set[str] = field(default_factory=set)
    _ledger: Ledger = field(default_factory=Ledger)
    _sample: ColumnSample = field(default_factory=ColumnSample)
    _size: str | None = None
    _has_ids: bool = True
    _tallies: dict[int, PixelTally] = field(default_factory=dict)
    _truth: dict[str, PixelTruthTally] = field(default_factory=dict)
    _points: dict[str, PointTally] = field(default_factory=dict)

    @property
    def n_events(self) -> int:
        """Number of events seen."""
        return self._ledger.n_events

    def note(self, findings: Iterable[Finding], *checks: str) -> None:
        """Take in what checks have found, which may be nothing."""
        self._made.update(checks)
        self._findings = merged([*self._findings, *findings])

    def take_constituents(self, table: EventTable, place: Place) -> None:
        """Look at the constituents of a block."""
        self.note(constituent_value_findings(table, place), "nan", "infinity", "negative")
        self.note(empty_event_findings(table, place), "empty-events")

    def take_units(self, table: EventTable, place: Place) -> None:
        """Look at the units of a block of constituents; the first of a sample will do."""
        self.note(unit_findings(table, place), "momentum-units", "angle-units")
        self.note(rapidity_findings(table, place), "eta-or-rapidity")

    def take_images(self, images: Images, place: Place, *, classes: NDArray[np.int64]) -> None:
        """Look at the pixels of a block; `classes` are the class numbers, shape (n_events,)."""
        found = pixel_value_findings(
            images,
            place,
            channels=self.channels,
            is_signed=self.is_signed or (False,) * len(self.channels),
        )
        self.note(found, "nan", "infinity", "negative")
        self.note(empty_image_findings(images, place), "empty-events")
        self.tally(images, classes=classes)

    def take_truth(
        self,
        truth: Mapping[str, tuple[tuple[str, ...], NDArray[np.floating], NDArray[np.bool_]]],
        points: Mapping[str, Points],
        place: Place,
        *,
        sizes: Sequence[int],
    ) -> None:
        """Look at what is true of the pixels and points of a block.

        Parameters
        ----------
        truth : mapping
            Name to its classes, its values of shape (n_events, planes, *axes), and which pixels of
            these planes hold something in the image.
        points : mapping
            Name to points of shape (n_events, n_points, 2).
        place : Place
            Where the block comes from.
        sizes : sequence of int
            Pixels of each axis.
        """
        for name, (classes, values, filled) in truth.items():
            tally = tally_pixel_truth(name, classes, values, filled, place)
            self._truth[name] = self._truth[name] + tally if name in self._truth else tally
        for name, places in points.items():
            found = tally_points(name, places, sizes, place)
            self._points[name] = self._points[name] + found if name in self._points else found

    def tally(self, images: Images, *, classes: NDArray[np.int64]) -> None:
        """Add images to what the pixels of each class held."""
        for number in np.unique(classes).tolist():
            tally = tally_pixels(images.take(np.flatnonzero(classes == number)))
            known = self._tallies.get(number)
            self._tallies[number] = tally if known is None else known + tally

    def take_events(
        self,
        columns: Mapping[str, Column],
        place: Place,
        *,
        worked_out: Mapping[str, Column],
        file: int,
        contents: NDArray[np.int64],
        classes: NDArray[np.int64],
        splits: NDArray[np.int8],
    ) -> None:
        """Look at the event columns of a block, and keep what the checks at the end need.

        Events of no class are left out of what compares classes and of the spectrum.

        Parameters
        ----------
        columns : mapping
            Event column to array of shape (n_events,); ``event_id`` has a meaning of its own.
        worked_out : mapping
            Columns that the input does not have itself: its faults are not theirs.
        place : Place
            Where the block comes from.
        file : int
            Number of its file.
        contents : numpy.ndarray
            int64, shape (n_events,): hashes of content.
        classes, splits : numpy.ndarray
            Shape (n_events,): numbers of class and split, negative for none.
        """
        self.note(column_value_findings(columns, place), "nan", "infinity", "negative")
        columns = {**worked_out, **columns}
        for window in self.windows:
            found = stated_window_findings(columns[window.column], window, place)
            self.note(found, "window")
        if self._size is None:
            self._size = next((name for name in SIZES if name in columns), "")
        self._has_ids &= "event_id" in columns
        self._ledger.add(
            place,
            file=file,
            contents=contents,
            ids=columns.get("event_id", contents),
            sizes=columns.get(self._size, np.full(len(contents), np.nan)),
            classes=classes,
            splits=splits,
        )
        sampled = {name: columns[name] for name in columns if name not in _NEVER_SAMPLED}
        self._sample.add(sampled, classes)

    def findings(self) -> list[Finding]:
        """Return all findings, the worst first, and a fine one for every check without."""
        self._look_at_all_events()
        if self._tallies:
            found = pixel_findings(
                list(self._tallies.values()),
                classes=[self._class_name(number) for number in self._tallies],
                channels=self.channels,
            )
            self.note(found, "dead-pixels", "hot-pixels")
        for pixels in self._truth.values():
            self.note(pixels.findings(), "truth-empty", "truth-beside")
            self.note((), *(["truth-pixels"] if pixels.classes else []))
        for points in self._points.values():
            self.note(points.findings(), "truth-points")
        told = {finding.check for finding in self._findings}
        silent = [Finding(check, "fine") for check in self._made - told]
        order = list(CHECKS)
        return sorted(
            [*self._findings, *silent],
            key=lambda f: (SEVERITIES.index(f.severity), order.index(f.check)),
        )

    def _look_at_all_events(self) -> None:
        ledger = self._ledger
        classes, splits = ledger.column("classes"), ledger.column("splits")
        files = ledger.files
        found = duplicate_findings(
            ledger.column("contents"),
            classes=classes,
            files=files,
            splits=splits,
            event=ledger.event,
        )
        self.note(found, "duplicates")
        if self._has_ids:
            ids = ledger.column("ids")
            self.note(
                event_id_findings(ids, files=files, splits=splits, event=ledger.event), "event-ids"
            )
        if self.splits:
            self.note((), "leakage")
        self._look_at_classes(classes, splits)
        if self._size:
            sizes = ledger.column("sizes").astype(np.float64)
            if self.classes:
                sizes[classes < 0] = np.nan
            if not self.windows:
                found = outlier_findings(sizes, column=self._size, event=ledger.event)
                self.note(found, "window")
            is_finite = np.isfinite(sizes)
            spectra = [sizes[is_finite & (classes == i)] for i in range(len(self.classes))]
            self.note(spectrum_findings(spectra, self.classes, column=self._size), "spectra")
        self.note(constant_column_findings(self._sample), "constant-columns")
        found = separating_column_findings(self._sample, dict(enumerate(self.classes)))
        self.note(found, "separating-columns")

    def _look_at_classes(self, classes: NDArray[np.int16], splits: NDArray[np.int8]) -> None:
        if not self.classes:
            return
        n_classes = len(self.classes)
        if n_classes == 1:
            count = int(np.count_nonzero(classes >= 0))
            self.note(
                lone_class_findings(self.classes[0], count, is_learned=self.learns_classes),
                "class-balance",
            )
            return
        for number, where in enumerate(self.splits or ("",)):
            is_here = classes >= 0
            if self.splits:
                is_here &= splits == number
            if not is_here.any() and where not in self.filled:
                continue
            counts = np.bincount(classes[is_here], minlength=n_classes).tolist()
            found = balance_findings(dict(zip(self.classes, counts, strict=True)), where)
            self.note(found, "class-balance")

    def _class_name(self, number: int) -> str:
        return self.classes[number] if number >= 0 else "events of no class"
