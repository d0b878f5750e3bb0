"""What a report says about what the network has learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.evaluation.correlation import PixelCorrelation
from detcnn.evaluation.learned import MASS, MULTIPLICITY, Learned
from detcnn.evaluation.occlusion import OcclusionMaps
from detcnn.evaluation.sculpting import Sculpting, SpectrumDistance
from detcnn.events.grid import Grid
from detcnn.plotting.images import difference_figure
from detcnn.plotting.maps import signed_maps_figure
from detcnn.plotting.profiles import profile_figure
from detcnn.plotting.report import Picture, Section, Table
from detcnn.plotting.sculpting import sculpting_figure


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageMaps:
    """What is drawn on the axes of the image.

    Parameters
    ----------
    grid : Grid
        The axes.
    channels, units : sequence of str
        Name and unit of each channel.
    signal_mean, background_mean : numpy.ndarray
        Shape (n_channels, n_rows, n_columns): average training image of the signal and of the
        background.
    correlation : PixelCorrelation
        Of the pixels with the discriminant.
    occlusion : OcclusionMaps or None
        None if none were made.
    occlusion_made : mapping
        How: ``patch``, ``stride``, ``empty``.
    """

    grid: Grid
    channels: Sequence[str]
    units: Sequence[str]
    signal_mean: NDArray[np.float64]
    background_mean: NDArray[np.float64]
    correlation: PixelCorrelation
    occlusion: OcclusionMaps | None
    occlusion_made: Mapping[str, Any]


def learned_section(
    learned: Learned,
    maps: ImageMaps,
    *,
    classes: Sequence[str],
    signal: str,
    background: str,
) -> Section:
    """Return the part of a report that says what the network looks at and what it is blind to.

    Parameters
    ----------
    learned : Learned
        Score against mass and multiplicity.
    maps : ImageMaps
        What there is of each pixel.
    classes : sequence of str
        Names of all classes.
    signal, background : str
        Name of the signal class, and what to call the others.
    """
    missing = [
        f"{what} ({' or '.join(names)})"
        for what, names in (("mass", MASS), ("multiplicity", MULTIPLICITY))
        if not any(profile.column in names for profile in learned.profiles)
    ]
    pictures = [_difference(maps, signal, background), _correlation(maps)]
    if maps.occlusion is not None:
        pictures.append(_occlusion(maps, maps.occlusion, classes, signal))
    pictures += [
        Picture(
            f"score-against-{profile.column}",
            profile_figure(profile),
            f"Score against {_words(profile.column)}",
            "Mean discriminant of the events of each class, with its standard error, in bins of "
            "the column; below, where the events of a class are. A slope within one class says "
            "that the network uses the column, or what goes with it.",
        )
        for profile in learned.profiles
    ]
    tables = []
    if learned.sculpting is not None:
        pictures.append(_sculpting(learned.sculpting, background))
        tables.append(_distances(learned.sculpting))
    return Section(
        title="What the network learned",
        lead=(
            f"The discriminant is high for {signal}."
            + (f" The images come without {' and '.join(missing)}." if missing else "")
            + ("" if maps.occlusion is not None else " No occlusion maps were asked for.")
        ),
        tables=tuple(tables),
        pictures=tuple(pictures),
    )


def _difference(maps: ImageMaps, signal: str, background: str) -> Picture:
    return Picture(
        "class-difference",
        difference_figure(
            maps.signal_mean,
            maps.background_mean,
            names=(signal, background),
            grid=maps.grid,
            channels=maps.channels,
            units=maps.units,
        ),
        "Average signal minus background image",
        "What there is to learn from single pixels: where the training images of the signal hold "
        "more than those of the background (red) or less (blue), on average. The colour scale is "
        "logarithmic on both sides of zero.",
    )


def _correlation(maps: ImageMaps) -> Picture:
    found = maps.correlation
    return Picture(
        "correlation",
        signed_maps_figure(
            dict(zip(maps.channels, found.coefficient, strict=True)),
            grid=maps.grid,
            quantity="Correlation with the discriminant",
            note=f"noise 1/√N = {found.noise:.2g}",
        ),
        "Correlation of pixels with the score",
        "Pearson's coefficient of the content of a pixel with the discriminant, over all events "
        "evaluated: the more a red pixel holds, the more an event looks like signal. If they had "
        f"nothing in common a coefficient would scatter by 1/√N = {found.noise:.2g}. Grey: the "
        "same in all images, mostly never filled.",
    )


def _occlusion(
    maps: ImageMaps, found: OcclusionMaps, classes: Sequence[str], signal: str
) -> Picture:
    index = list(classes).index(signal)
    patch, stride = maps.occlusion_made["patch"], maps.occlusion_made["stride"]
    error = found.error[:, index]
    # Pixels that are never filled have no error, and no part in what is usual.
    noise = float(np.median(error[error > 0])) if (error > 0).any() else None
    return Picture(
        "occlusion",
        signed_maps_figure(
            {
                f"{name}, {n:,} events": found.mean[i, index]
                for i, (name, n) in enumerate(zip(classes, found.n_images.tolist(), strict=True))
            },
            grid=maps.grid,
            quantity=f"Mean change of the {signal} score",
            note=f"typical error {noise:.1g}" if noise else "",
            linear_to=noise,
        ),
        "Occlusion",
        f"Mean change of the score of {signal} when {patch} × {patch} pixels of all channels are "
        f"set to {maps.occlusion_made['empty']}, in steps of {stride}, for events of each class. "
        "Blue: without these pixels an event looks less like signal, so what is there speaks for "
        "it. The colour scale is linear up to the typical standard error and logarithmic beyond. "
        "An image is not normalised again when it is cut into.",
    )


def _sculpting(found: Sculpting, background: str) -> Picture:
    return Picture(
        f"sculpting-{found.column}",
        sculpting_figure(found, name=background),
        f"Background {_words(found.column)} before and after cuts",
        "Spectrum of the background, unit area each, before cuts and behind the cut of each "
        "working point (ε_S: its signal efficiency), and their ratio, with errors √Σw². Bins are "
        "the wider the fewer events pass, and fewer than ten are not drawn. Distance: from before "
        "the cut, as in the table. Where a cut makes a bump of a smooth background, no search for "
        "a bump in it can follow.",
    )


def _distances(found: Sculpting) -> Table:
    return Table(
        header=(
            f"{_words(found.column).capitalize()} of background",
            "Events that pass",
            "Distance from before the cut",
            "by chance",
            "Distance from what fails",
            "by chance",
            "p-value",
        ),
        rows=tuple(
            (
                f"{100 * cut.target:g} % signal",
                f"{cut.n_events:,}",
                _interval(cut.from_all),
                _number(cut.from_all.expected),
                _interval(cut.from_failing),
                _number(cut.from_failing.expected),
                cut.from_failing.p_value_text(),
            )
            for cut in found.cuts
        ),
        caption=(
            "Jensen–Shannon distance (square root of the divergence in bits, J. Lin, IEEE Trans. "
            "Inf. Theory 37 (1991) 145) of the spectrum of the background behind a cut: 0 for "
            "equal spectra, 1 for disjoint ones, which a cut on the column itself gives against "
            f"what fails. Brackets: central {100 * found.cuts[0].from_all.interval.level:.3g} % "
            "bootstrap intervals. By chance: mean distance for cuts that take no notice of the "
            "column, and the p-value of the distance from what fails among these."
        )
        if found.cuts
        else "",
    )


def _words(column: str) -> str:
    return column.replace("_", " ")


def _interval(distance: SpectrumDistance) -> str:
    return distance.interval.text() if np.isfinite(distance.interval.value) else "–"


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"
