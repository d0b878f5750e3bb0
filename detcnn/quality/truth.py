"""Whether what is said to be true of pixels and points can be: counted block by block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from detcnn.events.truth import Points
from detcnn.quality.findings import Finding, Place, Severity

_MOST_BESIDE = 0.5
"""Share of the marked pixels that may hold nothing in the image: noise is cut off, showers not."""

_PADDING = ((0.0, 0.0), (-1.0, -1.0))
"""Places that readers of other formats take for no point."""


def is_of_class(values: NDArray[np.floating], n_classes: int) -> NDArray[np.bool_]:
    """Tell which pixels are of one of the classes 0, 1, ...; others count for nothing."""
    return np.asarray((values >= 0) & (values < n_classes))


def is_outside(places: NDArray[np.floating], sizes: Sequence[int]) -> NDArray[np.bool_]:
    """Tell which places lie in no pixel.

    Parameters
    ----------
    places : numpy.ndarray
        Shape (n, n_axes), with the centre of the first pixel at 0; finite.
    sizes : sequence of int
        Pixels of each axis.
    """
    is_inside = ((places >= -0.5) & (places < np.asarray(sizes) - 0.5)).all(axis=-1)
    return np.asarray(~is_inside)


def _added(
    one: "PixelTruthTally | PointTally", other: "PixelTruthTally | PointTally"
) -> dict[str, Any]:
    """Return the counts of two tallies of a kind, added up."""
    names = (entry.name for entry in fields(one) if entry.name.startswith("n_"))
    return {name: getattr(one, name) + getattr(other, name) for name in names}


@dataclass(slots=True, eq=False)
class PixelTruthTally:
    """What was seen of a pixel truth.

    Parameters
    ----------
    name : str
        What it is called.
    classes : tuple of str
        What its numbers stand for; none if they are values.
    n_events, n_pixels : int
        How many were seen, those of all planes.
    n_of_class : numpy.ndarray
        int64, shape (n_classes,): pixels of each class.
    n_of_none : int
        Pixels of none of them.
    n_unmarked : int
        Events in which nothing is marked: all is background, or 0.
    n_marked, n_marked_filled : float
        Pixels that are no background, and those of them that hold something in the image; of
        values, which fade away, their sums of magnitudes.
    n_beside : int
        Pixels that are marked and hold nothing in the image.
    n_filled : int
        Pixels that hold something in the image, marked or not.
    low, high : float
        Smallest and largest value.
    first : mapping
        What is wrong to the first event where it is.
    """

    name: str
    classes: tuple[str, ...] = ()
    n_events: int = 0
    n_pixels: int = 0
    n_of_class: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    n_of_none: int = 0
    n_unmarked: int = 0
    n_marked: float = 0.0
    n_marked_filled: float = 0.0
    n_beside: int = 0
    n_filled: int = 0
    low: float = np.inf
    high: float = -np.inf
    first: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: Self) -> "PixelTruthTally":
        """Return what was seen of this and of later events."""
        return PixelTruthTally(
            self.name,
            self.classes,
            **_added(self, other),
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            first={**other.first, **self.first},
        )

    def facts(self) -> dict[str, object]:
        """Return what there is to tell, as JSON-able values."""
        told: dict[str, object] = {"min": self.low, "max": self.high} if self.n_pixels else {}
        if self.classes:
            told["pixels"] = dict(zip(self.classes, self.n_of_class.tolist(), strict=True))
            told["of_no_class"] = self.n_of_none
        return {**told, "events_unmarked": self.n_unmarked}

    def findings(self) -> list[Finding]:
        """Return what is wrong."""
        name, found = self.name, []
        if self.n_of_none:
            found.append(
                Finding(
                    "truth-pixels",
                    "warning",
                    self.n_of_none,
                    self.first["of none"],
                    f"pixels of {name} of none of the classes {', '.join(self.classes)}: they "
                    f"count for nothing (of {self.n_pixels:,})",
                    "well if they are meant to; if not, name all classes in the order of their "
                    "numbers",
                )
            )
        absent = [c for c, n in zip(self.classes, self.n_of_class, strict=True) if not n]
        if absent:
            found.append(
                Finding(
                    "truth-pixels",
                    "warning",
                    0,
                    "",
                    f"no pixel of {name} is of class {', '.join(absent)}",
                    "leave the class out, or see whether the numbers mean what the study says",
                )
            )
        if self.n_events and self.n_unmarked == self.n_events:
            found.append(
                Finding(
                    "truth-empty",
                    "trouble",
                    self.n_events,
                    "",
                    f"nothing is marked in {name}: every event is all "
                    f"{self.classes[0] if self.classes else 'zero'}",
                    "name another column: there is nothing to learn from this one",
                )
            )
        elif self.n_unmarked:
            severity: Severity = "warning" if 2 * self.n_unmarked > self.n_events else "fine"
            found.append(
                Finding(
                    "truth-empty",
                    severity,
                    self.n_unmarked,
                    self.first["unmarked"],
                    f"of {self.n_events:,} events, in which {name} marks nothing",
                    "train.favour repeats images that have something marked"
                    if severity == "warning" and self.classes
                    else "",
                )
            )
        return [*found, *self._beside()]

    def _beside(self) -> list[Finding]:
        """Return whether what is marked is where the images hold something."""
        if not self.n_beside:
            return []
        marked, filled = self.n_marked_filled / self.n_marked, self.n_filled / self.n_pixels
        message = (
            f"pixels that {self.name} marks, but are empty in the image: "
            f"{100 * (1 - marked):.3g} % of {'all' if self.classes else 'its sum'}, where "
            f"{100 * (1 - filled):.3g} % of the image is empty"
        )
        severity: Severity = "fine" if marked >= _MOST_BESIDE else "warning"
        remedy = _LOOK if severity == "warning" else ""
        if severity == "warning" and marked <= filled:
            severity = "trouble"
            remedy = "see whether rows and columns, or events, are in another order than the images"
        return [
            Finding("truth-beside", severity, self.n_beside, self.first["beside"], message, remedy)
        ]


_LOOK = "draw some with detcnn inspect --draw: a network sees nothing where nothing is"


def tally_pixel_truth(
    name: str,
    classes: tuple[str, ...],
    truth: NDArray[np.floating],
    filled: NDArray[np.bool_],
    place: Place,
) -> PixelTruthTally:
    """Count what there is in a pixel truth of a block of events.

    Parameters
    ----------
    name : str
        What it is called.
    classes : tuple of str
        What its numbers stand for; none if they are values.
    truth : numpy.ndarray
        Shape (n_events, planes, *axes).
    filled : numpy.ndarray
        bool, the same shape: pixels that hold something in the image.
    place : Place
        Where the events come from.
    """
    if not truth.size:
        return PixelTruthTally(name, classes, n_of_class=np.zeros(len(classes), np.int64))
    axes = tuple(range(1, truth.ndim))
    is_known = is_of_class(truth, len(classes)) if classes else np.ones(truth.shape, np.bool_)
    is_marked = is_known & (truth != 0)
    is_beside = is_marked & ~filled
    content = is_marked if classes else np.abs(truth, dtype=np.float64)
    is_unmarked = ~is_marked.any(axis=axes)
    wrong = {
        "of none": ~is_known.all(axis=axes),
        "unmarked": is_unmarked,
        "beside": is_beside.any(axis=axes),
    }
    counts = np.bincount(truth[is_known].astype(np.int64), minlength=len(classes))
    return PixelTruthTally(
        name,
        classes,
        n_events=len(truth),
        n_pixels=truth.size,
        n_of_class=counts if classes else np.zeros(0, np.int64),
        n_of_none=int(truth.size - np.count_nonzero(is_known)),
        n_unmarked=int(np.count_nonzero(is_unmarked)),
        n_marked=float(content.sum()),
        n_marked_filled=float(content[filled].sum()),
        n_beside=int(np.count_nonzero(is_beside)),
        n_filled=int(np.count_nonzero(filled)),
        low=float(truth.min()),
        high=float(truth.max()),
        first={what: place.event(int(np.argmax(of))) for what, of in wrong.items() if of.any()},
    )


@dataclass(slots=True, eq=False)
class PointTally:
    """What was seen of points.

    Parameters
    ----------
    name : str
        What they are called.
    n_events, n_points : int
        How many were seen.
    n_without : int
        Events without a point.
    n_outside : int
        Points in no pixel of their image.
    n_padding : int
        Points at a place that other formats fill up with: several of one event there, or below 0.
    first : mapping
        What is wrong to the first event where it is.
    """

    name: str
    n_events: int = 0
    n_points: int = 0
    n_without: int = 0
    n_outside: int = 0
    n_padding: int = 0
    first: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: Self) -> "PointTally":
        """Return what was seen of this and of later events."""
        return PointTally(self.name, **_added(self, other), first={**other.first, **self.first})

    def facts(self) -> dict[str, object]:
        """Return what there is to tell, as JSON-able values."""
        return {
            "points": self.n_points,
            "outside": self.n_outside,
            "events_without": self.n_without,
        }

    def findings(self) -> list[Finding]:
        """Return what is wrong."""
        name, found = self.name, []
        if self.n_padding:
            found.append(
                Finding(
                    "truth-points",
                    "trouble",
                    self.n_padding,
                    self.first["padding"],
                    f"of {self.n_points:,} points {name} are where other formats put none, at "
                    "(-1, -1), or several of an event at (0, 0)",
                    "put NaN for both where there is no point",
                )
            )
        n_outside = self.n_outside
        if n_outside:
            found.append(
                Finding(
                    "truth-points",
                    "warning",
                    n_outside,
                    self.first["outside"],
                    f"of {self.n_points:,} points {name} lie outside their images, where none is "
                    "learned",
                    "a point is its row and its column, in pixels, the centre of the first at 0",
                )
            )
        if self.n_events and not self.n_points:
            message = f"no event has a point {name}"
            remedy = "name another column: there is nothing to learn from this one"
            found.append(Finding("truth-points", "trouble", 0, "", message, remedy))
        return found


def tally_points(name: str, points: Points, sizes: Sequence[int], place: Place) -> PointTally:
    """Count the points of a block of events.

    Parameters
    ----------
    name : str
        What they are called.
    points : numpy.ndarray
        Shape (n_events, n_points, 2); NaN where there is none.
    sizes : sequence of int
        Rows and columns of the images.
    place : Place
        Where the events come from.
    """
    is_there = np.asarray(np.isfinite(points).all(axis=2))
    outside = np.asarray(is_there & is_outside(np.nan_to_num(points), sizes))
    padding = np.zeros(is_there.shape, np.bool_)
    for filling in _PADDING:
        is_here = is_there & np.asarray(points == np.asarray(filling, points.dtype)).all(axis=2)
        is_repeated = np.count_nonzero(is_here, axis=1) > 1
        padding |= is_here & (is_repeated[:, np.newaxis] | (min(filling) < 0))
    wrong = {"outside": outside.any(axis=1), "padding": padding.any(axis=1)}
    return PointTally(
        name,
        n_events=len(points),
        n_points=int(np.count_nonzero(is_there)),
        n_without=int(np.count_nonzero(~is_there.any(axis=1))),
        n_outside=int(np.count_nonzero(outside)),
        n_padding=int(np.count_nonzero(padding)),
        first={what: place.event(int(np.argmax(of))) for what, of in wrong.items() if of.any()},
    )
