"""How many events were read, how many of each class a split has, and where the others went."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.errors import DataError
from detcnn.stages.preprocessing.image_plan import ImagePlan
from detcnn.storage.pieces import Piece
from detcnn.storage.schema import SPLITS

Totals = Mapping[str, NDArray[Any]]


def add_up(pieces: Sequence[Piece]) -> Totals:
    """Return what was counted in all partitions, by its name."""
    totals: dict[str, NDArray[Any]] = {}
    for piece in pieces:
        for name, value in piece.totals().items():
            totals[name] = totals[name] + value if name in totals else value
    return totals


@dataclass(frozen=True, slots=True, eq=False)
class EventCounts:
    """Counts of events.

    Parameters
    ----------
    plan : ImagePlan
        How they became images.
    totals : mapping
        What was counted in all partitions.
    """

    plan: ImagePlan
    totals: Totals

    @property
    def n_rows(self) -> dict[str, NDArray[np.int64]]:
        """Images of each split, those without a class first, then those of each class."""
        return {split: self.totals[f"n_events.{split}"] for split in SPLITS}

    @property
    def n_events(self) -> dict[str, NDArray[np.int64]]:
        """As `n_rows`, with the tiles of one event counted once."""
        n_tiles = 1 if self.plan.tiling is None else self.plan.tiling.n_tiles
        return {split: counts // n_tiles for split, counts in self.n_rows.items()}

    def check(self) -> None:
        """See that there is something of everything.

        Raises
        ------
        DataError
            If a window leaves nothing, a class is absent from a split, no pixel has a class, or all
            images are empty.
        """
        if self.plan.is_unseen:
            self._check_any()
        else:
            self._check_selection()
            self._check_classes()
            self._check_pixels()
        n_kept = sum(int(counts.sum()) for counts in self.n_events.values())
        if self.totals["n_empty"][0] == n_kept:
            raise DataError(
                f"all of the {n_kept:,} images are empty: the events have no constituents with pT "
                "in the image, no hits there, and no pixels: look at the input with detcnn inspect "
                "and audit"
            )

    def remarks(self) -> Iterator[str]:
        """Yield what is odd about what is true of the images."""
        for name, (n_odd, n_all) in self._counted("n_of_no_class").items():
            if n_odd:
                yield (
                    f"{name}: {n_odd:,} of {n_all:,} pixels are of none of the classes "
                    f"{', '.join(self.plan.truth[name].classes)}, and count for nothing"
                )
        for name, (n_odd, n_all) in self._counted("n_points_outside").items():
            if n_odd:
                yield (
                    f"{name}: {n_odd:,} of {n_all:,} points lie outside their images, where none "
                    "is learned: a point is its row and its column, in pixels"
                )

    def contents(self) -> dict[str, Any]:
        """Return what the manifest says of them."""
        plan, totals = self.plan, self.totals
        return {
            "n_events": self._by_class(self.n_events),
            "n_tiles": None if plan.tiling is None else self._by_class(self.n_rows),
            "n_without_class": sum(int(counts[0]) for counts in self.n_events.values()),
            "n_pixels": {
                name: dict(zip(truth.classes, totals[f"n_pixels.{name}"].tolist(), strict=True))
                for name, truth in plan.truth.items()
                if truth.classes
            },
            "n_pixels_of_no_class": {
                name: n_odd for name, (n_odd, _) in self._counted("n_of_no_class").items()
            },
            "n_points_outside": {
                name: n_odd for name, (n_odd, _) in self._counted("n_points_outside").items()
            },
            "n_read": int(totals["n_read"][0]),
            "n_dropped": {
                "label of no class": int(totals["n_no_class"][0]),
                **{
                    window.complaint: int(n_cut.sum())
                    for window, n_cut in zip(plan.windows, totals["n_cut"], strict=True)
                },
            },
            "n_empty_images": int(totals["n_empty"][0]),
            "n_constituents_outside": int(totals["n_outside"][0]),
            "pt_fraction_outside": float(totals["pt_outside"][0] / max(totals["pt"][0], 1e-300)),
        }

    def _counted(self, what: str) -> dict[str, tuple[int, int]]:
        """Return for each truth how many of its parts are odd, and how many there are."""
        return {
            name.removeprefix(f"{what}."): (int(counts[0]), int(counts[1]))
            for name, counts in self.totals.items()
            if name.startswith(f"{what}.")
        }

    def _by_class(self, counts: Mapping[str, NDArray[np.int64]]) -> dict[str, dict[str, int]]:
        return {
            split: dict(zip(self.plan.classes.names, of_split[1:].tolist(), strict=True))
            for split, of_split in counts.items()
        }

    def _check_selection(self) -> None:
        names, n_cut = self.plan.classes.names, self.totals["n_cut"]
        n_left = sum(self.n_events.values(), start=np.zeros(1 + len(names)))
        for index, name in enumerate(names, start=1):
            if n_left[index] == 0 and n_cut[:, index].sum() > 0:
                raise DataError(
                    f"preprocess.select leaves nothing of class {name!r} "
                    f"({self._complaints(n_cut[:, index])}): widen it"
                )

    def _check_any(self) -> None:
        if sum(int(counts.sum()) for counts in self.n_events.values()) == 0:
            complaints = self._complaints(self.totals["n_cut"].sum(axis=1))
            raise DataError(f"preprocess.select leaves no event ({complaints}): widen it")

    def _complaints(self, n_cut: NDArray[Any]) -> str:
        return ", ".join(
            f"{window.complaint}: {int(n)}"
            for window, n in zip(self.plan.windows, n_cut, strict=True)
        )

    def _check_pixels(self) -> None:
        for name, truth in self.plan.truth.items():
            if truth.classes and not self.totals[f"n_pixels.{name}"].any():
                raise DataError(
                    f"no pixel of {name!r} in the train split is of one of the classes "
                    f"{', '.join(truth.classes)}, the numbers 0 to {len(truth.classes) - 1}: name "
                    "all classes in the order of their numbers"
                )

    def _check_classes(self) -> None:
        for split, of_class in self._by_class(self.n_events).items():
            missing = [name for name, count in of_class.items() if count == 0]
            if missing and self.plan.fractions[split] > 0:
                found = ", ".join(f"{name} {count}" for name, count in of_class.items())
                raise DataError(
                    f"class {missing[0]!r} is absent from the {split} split ({found}): "
                    f"add events, give preprocess.split.{split} a larger share, or, of few events, "
                    "divide them in another way by preprocess.split.salt: 1, 2, ..."
                )
