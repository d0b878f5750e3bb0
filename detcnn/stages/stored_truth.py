"""What an image store holds of what is true of its pixels, and of points."""

from typing import Any

from detcnn.artifacts.opening import Artifact
from detcnn.quality.findings import Place
from detcnn.quality.truth import PixelTruthTally, PointTally, tally_pixel_truth, tally_points
from detcnn.stages.frames import open_frames
from detcnn.storage.schema import SPLITS

_PIXELS = 1 << 24


def stored_truth_facts(artifact: Artifact, *, looked_at: int) -> dict[str, Any]:
    """Return what there is of each truth of pixels and of points in a store, from its beginning.

    Parameters
    ----------
    artifact : Artifact
        The images.
    looked_at : int
        The most frames of a split to look at, fewer of large ones; of points, all are.

    Raises
    ------
    DataError
        If it is damaged.
    """
    splits = {name: open_frames(artifact, name) for name in SPLITS}
    schema = next(iter(splits.values())).split.schema
    pixels: dict[str, PixelTruthTally] = {}
    points: dict[str, PointTally] = {}
    for split, frames in splits.items():
        place = Place(f"{artifact.path}: {split}")
        n_pixels = len(schema.channels) * frames.grid.n_pixels
        stop = min(frames.n_frames, looked_at, max(1, _PIXELS // n_pixels))
        for info in schema.truth:
            values = frames.truth(info.name, 0, stop)
            filled = frames.filled(info.planes, 0, stop, of_channels=info.of_channels)
            tally = tally_pixel_truth(info.name, info.classes, values, filled, place)
            pixels[info.name] = pixels[info.name] + tally if info.name in pixels else tally
        for of in schema.points:
            places = frames.points(of.name)
            found = tally_points(of.name, places, frames.grid.shape, place)
            points[of.name] = points[of.name] + found if of.name in points else found
    units = {info.name: {"unit": info.unit} if info.unit else {} for info in schema.truth}
    n_looked_at = max((tally.n_events for tally in pixels.values()), default=0)
    n_events = sum(frames.n_frames for frames in splits.values())
    facts: dict[str, Any] = {
        "truth_of_pixels": {n: {**units[n], **tally.facts()} for n, tally in pixels.items()},
        "points": {name: tally.facts() for name, tally in points.items()},
    }
    if pixels and n_looked_at < n_events:
        facts["truth_of_pixels_of"] = f"{n_looked_at:,} events, the first of each split"
    return facts
