"""How much events count in training: their weights, planed, and balanced between the classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detcnn.config.preprocess import PlaningConfig, PreprocessConfig
from detcnn.errors import DataError
from detcnn.imaging.weighting import Planing, class_weights, planing, spectrum
from detcnn.storage.pieces import Piece


@dataclass(frozen=True, slots=True, eq=False)
class TrainingWeights:
    """What becomes of the weights of events.

    Parameters
    ----------
    column : str
        The column whose spectrum is made the same for all classes, if any is.
    planing : Planing, optional
        By how much.
    factors : numpy.ndarray
        float64, shape (n_classes,): what the weights of each class are multiplied by then.
    """

    column: str
    planing: Planing | None
    factors: NDArray[np.float64]

    def of(self, piece: Piece, split: str) -> NDArray[np.float64]:
        """Return the training weights of the events of one split of a piece.

        Nothing is trained with an event without a class, whose weight is of no account.
        """
        factors: NDArray[np.float64] = self.factors[piece.column(split, "label")]
        return _planed(piece, split, self.column, self.planing) * factors


def plain_weights(n_classes: int) -> TrainingWeights:
    """Return what leaves the weights of events as they are."""
    return TrainingWeights("", None, np.ones(n_classes))


def find_weights(
    config: PreprocessConfig, pieces: Sequence[Piece], classes: Sequence[str]
) -> TrainingWeights:
    """Return the weights that a study asks for, after the training split.

    Parameters
    ----------
    config : PreprocessConfig
        The study's section.
    pieces : sequence of Piece
        All events.
    classes : sequence of str
        Their names.

    Raises
    ------
    DataError
        If the weights of a class do not add up to more than 0.
    """
    column = "" if config.planing is None else config.planing.column
    planed = None if config.planing is None else _planing(config.planing, pieces, len(classes))
    totals = np.zeros(len(classes))
    n_training = 0
    for piece in pieces:
        label = piece.column("train", "label")
        weight = _planed(piece, "train", column, planed)
        totals += np.bincount(label, weights=weight, minlength=len(classes))
        n_training += len(label)
    if np.any(totals <= 0):
        name = classes[int(np.argmin(totals))]
        raise DataError(
            f"class {name!r}: its weights in the training split add up to {totals.min():g}, "
            "expected more than 0"
        )
    factors = class_weights(totals) if config.balance_classes else np.ones(len(classes))
    # Their mean over the training split is 1.
    return TrainingWeights(column, planed, factors * n_training / (factors * totals).sum())


def _planing(config: PlaningConfig, pieces: Sequence[Piece], n_classes: int) -> Planing:
    edges = np.linspace(config.low, config.high, config.bins + 1)
    spectra = sum(
        (
            spectrum(
                piece.column("train", f"columns/{config.column}"),
                piece.column("train", "label"),
                piece.column("train", "weight"),
                edges=edges,
                n_classes=n_classes,
            )
            for piece in pieces
        ),
        start=np.zeros((n_classes, config.bins)),
    )
    return planing(spectra, edges)


def _planed(piece: Piece, split: str, column: str, planed: Planing | None) -> NDArray[np.float64]:
    weight = piece.column(split, "weight").astype(np.float64)
    if planed is None:
        return weight
    values = piece.column(split, f"columns/{column}")
    return weight * planed.weights(values, piece.column(split, "label"))
