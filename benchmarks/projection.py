"""Jets to images: 50 particles each, to three channels of 33 × 33 pixels about the pT centroid."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from benchmarks.jets import of_fifty
from benchmarks.timing import Contender, Table, compare, peer
from detcnn.config.preprocess import ImageConfig
from detcnn.config.presets import expand_preset
from detcnn.events.images import SparseImages, as_sparse
from detcnn.events.table import EventTable
from detcnn.imaging.alignment import Centre, Flip, Normalise, Rotate
from detcnn.imaging.channels import Channel
from detcnn.imaging.projection import Recipe, project
from detcnn.kernels.densify import densify, nothing_written
from detcnn.processors import available_cpus, keep_freed_memory
from detcnn.stages.preprocessing.recipes import build_recipe

PIXELS, WIDTH = 33, 0.8
EDGE = WIDTH / 2
SHAPE = (3, PIXELS, PIXELS)


BLOCK, BATCH = 4096, 1024


def run(*, quick: bool) -> list[Table]:
    # All contenders gain by it: none waits for the system to empty fresh memory.
    keep_freed_memory()
    n_jets = 512 if quick else 40_960
    n_slow = 32 if quick else 1000
    rounds = 1 if quick else 7
    table = of_fifty(n_jets)
    recipe = komiske()
    upright = Recipe(
        recipe.grid,
        (Channel("pt"),),
        (Centre("pt_centroid"), Rotate("principal_axis"), Flip("both"), Normalise("l1")),
        longitudinal="rapidity",
    )
    cpus = available_cpus()
    images = np.empty((n_jets, *SHAPE), dtype=np.float32)
    jets = _particle_arrays(table, n_slow)
    few = _part(table, 0, n_slow)
    peers, missing = _loops(jets)
    vectorised = [
        Contender("numpy.bincount, all jets at once", lambda: _bincount(table), n_jets),
        Contender("numpy.add.at, all jets at once", lambda: _add_at(few), n_slow),
        Contender("torch.scatter_add_, all jets at once", lambda: _scatter_add(table), n_jets),
        Contender("torch.index_put_, all jets at once", lambda: _index_put(table), n_jets),
    ]
    fill = Contender("writing zeros, one thread", lambda: images.fill(0), n_jets, is_limit=True)
    conditions = (
        "Pareto pT, 50 particles in N(0, 0.12²); charged pT, neutral pT and charged multiplicity; "
        "centred by whole pixels and normalised. The peers' particles are centred already, and "
        "only EnergyFlow, which fills two channels, normalises. Tools that take one jet at a time "
        f"and numpy.add.at run on {n_slow:,} jets, the others on {n_jets:,}. Freed memory is kept, "
        "and used again."
    )
    serial = Contender("detcnn, one thread", lambda: project(table, recipe), n_jets)
    threads = Contender(
        f"detcnn, {cpus} threads", lambda: project(table, recipe, n_threads=cpus), n_jets
    )
    turning = (
        "One channel of pT, about the centroid, the principal axis along φ, the heavier sides at "
        "positive η and φ, normalised; numpy by the same steps."
    )
    moved = [*table.constituents.values(), *_lists(project(table, recipe).images)]
    into = [values.copy() for values in moved]
    copies = Contender(
        "copying particles and lists, one thread",
        lambda: [np.copyto(target, values) for target, values in zip(into, moved, strict=True)],
        n_jets,
        is_limit=True,
    )
    return [
        compare(
            "Projection to sparse pixels",
            "jets",
            [threads, serial, *peers, *vectorised, fill, copies],
            rounds=rounds,
            notes=[conditions, *missing],
        ),
        compare(
            "Projection to dense images, all of them in memory",
            "jets",
            [
                Contender("detcnn, one thread", _into(images, table, recipe), n_jets),
                Contender(f"detcnn, {cpus} threads", _into(images, table, recipe, cpus), n_jets),
                *peers,
                *vectorised,
                fill,
            ],
            rounds=rounds,
            notes=missing,
        ),
        compare(
            "Projection to dense images, a batch in the same memory again and again",
            "jets",
            [
                Contender(f"detcnn, {cpus} threads", _batches(table, recipe, cpus), n_jets),
                Contender("detcnn, one thread", _batches(table, recipe), n_jets),
                *peers,
                *_in_batches(table),
                Contender(
                    "writing zeros, one thread",
                    lambda: [images[:BATCH].fill(0) for _ in range(n_jets // BATCH)],
                    n_jets // BATCH * BATCH or 1,
                    is_limit=True,
                ),
            ],
            rounds=rounds,
            notes=[f"Batches of {BATCH:,} jets.", *missing],
        ),
        compare(
            "Projection of jets that are turned upright and flipped",
            "jets",
            [
                Contender(
                    f"detcnn, {cpus} threads",
                    lambda: project(table, upright, n_threads=cpus),
                    n_jets,
                ),
                Contender("detcnn, one thread", lambda: project(table, upright), n_jets),
                Contender("numpy, jet by jet", lambda: [_upright(jet) for jet in jets], len(jets)),
            ],
            rounds=rounds,
            notes=[turning],
        ),
    ]


def _upright(jet: np.ndarray) -> np.ndarray:
    """Return what `detcnn` makes of a jet that lies nowhere near φ = ±π."""
    pt = jet[:, 0]
    x, y = (jet[:, 1:3] - np.average(jet[:, 1:3], axis=0, weights=pt)).T
    xx, xy, yy = (np.average(product, weights=pt) for product in (x * x, x * y, y * y))
    angle = np.pi / 2 - 0.5 * np.arctan2(2 * xy, xx - yy)
    x, y = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
    x *= np.sign(pt[x > 0].sum() - pt[x < 0].sum()) or 1
    y *= np.sign(pt[y > 0].sum() - pt[y < 0].sum()) or 1
    box = [[-EDGE, EDGE], [-EDGE, EDGE]]
    image = np.histogram2d(x, y, bins=PIXELS, range=box, weights=pt)[0]
    return (image / image.sum()).astype(np.float32)


def _lists(images: SparseImages) -> tuple[np.ndarray, ...]:
    return images.offsets, images.pixel, images.value


def _into(
    images: np.ndarray, table: EventTable, recipe: Recipe, n_threads: int = 1
) -> Callable[[], object]:
    """Return what fills all images, block by block."""
    starts = range(0, table.n_events, BLOCK)
    blocks = [_part(table, start, start + BLOCK) for start in starts]

    def fill(block: EventTable, start: int) -> None:
        lists = _lists(as_sparse(project(block, recipe).images))
        rows = np.arange(block.n_events)
        densify(*lists, rows, out=images[start : start + block.n_events])

    def run() -> None:
        if n_threads == 1:
            for block, start in zip(blocks, starts, strict=True):
                fill(block, start)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(fill, blocks, starts))

    return run


def _batches(table: EventTable, recipe: Recipe, n_threads: int = 1) -> Callable[[], object]:
    """Return what fills one batch after the other; each thread has one of its own."""
    batches = [_part(table, start, start + BATCH) for start in range(0, table.n_events, BATCH)]
    buffers = [np.empty((BATCH, *SHAPE), dtype=np.float32) for _ in range(n_threads)]
    written = [nothing_written(BATCH, SHAPE) for _ in range(n_threads)]

    def fill(thread: int) -> None:
        for batch in batches[thread::n_threads]:
            lists = _lists(as_sparse(project(batch, recipe).images))
            n = batch.n_events
            out, known = buffers[thread][:n], written[thread].first(n)
            densify(*lists, np.arange(n), out=out, written=known)

    def run() -> None:
        if n_threads == 1:
            fill(0)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(fill, range(n_threads)))

    return run


def _in_batches(table: EventTable) -> list[Contender]:
    """Return the peers that take many jets at once, with a batch at a time."""
    batches = [_part(table, start, start + BATCH) for start in range(0, table.n_events, BATCH)]
    memory = torch.empty(min(BATCH, table.n_events) * int(np.prod(SHAPE)))

    def scatter(batch: EventTable) -> None:
        place, weight = _deposits(batch)
        memory.zero_()
        memory.scatter_add_(0, torch.from_numpy(place), torch.from_numpy(weight))

    def put(batch: EventTable) -> None:
        place, weight = _deposits(batch)
        memory.zero_()
        memory.index_put_((torch.from_numpy(place),), torch.from_numpy(weight), accumulate=True)

    def each(work: Callable[[EventTable], object]) -> Callable[[], object]:
        return lambda: [work(batch) for batch in batches]

    return [
        Contender("numpy.bincount, a batch at once", each(_bincount), table.n_events),
        Contender("torch.scatter_add_, a batch at once", each(scatter), table.n_events),
        Contender("torch.index_put_, a batch at once", each(put), table.n_events),
    ]


def komiske() -> Recipe:
    preset = expand_preset({"preset": "komiske2017"})
    return build_recipe(ImageConfig.model_validate_json(json.dumps(preset)))


def energyflow_images() -> ModuleType | None:
    """Return EnergyFlow's image module alone, for the package needs NumPy 1 to be imported."""
    package = find_spec("energyflow")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "utils" / "image_utils.py"
    spec = spec_from_file_location("energyflow_images", path)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _particle_arrays(table: EventTable, n_jets: int) -> list[np.ndarray]:
    columns = [table.constituents[name] for name in ("pt", "rapidity", "phi", "pdgid")]
    particles = np.stack(columns, axis=1).astype(np.float64)
    ends = table.offsets
    return [particles[ends[i] : ends[i + 1]] for i in range(n_jets)]


def _part(table: EventTable, start: int, stop: int) -> EventTable:
    offsets = table.offsets[start : stop + 1]
    first, last = offsets[0], offsets[-1]
    columns = {name: values[first:last] for name, values in table.constituents.items()}
    return EventTable(offsets - first, columns)


def _loops(jets: list[np.ndarray]) -> tuple[list[Contender], list[str]]:
    """Return the tools that take one jet at a time, and a word on those that are missing."""
    is_charged = [np.abs(jet[:, 3]) == 211 for jet in jets]
    box = [[-EDGE, EDGE], [-EDGE, EDGE]]

    def planes(histogram):
        for jet, charged in zip(jets, is_charged, strict=True):
            pt, y, phi = jet[:, 0], jet[:, 1], jet[:, 2]
            histogram(y[charged], phi[charged], pt[charged])
            histogram(y[~charged], phi[~charged], pt[~charged])
            histogram(y[charged], phi[charged], None)

    def with_numpy(y, phi, weights):
        np.histogram2d(y, phi, bins=PIXELS, range=box, weights=weights)

    found = [Contender("numpy.histogram2d", lambda: planes(with_numpy), len(jets))]
    missing = []
    images = energyflow_images()
    if images is None:
        missing.append("EnergyFlow is not installed.")
    else:
        options = {"npix": PIXELS, "img_width": WIDTH, "nb_chan": 2, "charged_counts_only": True}
        found.insert(
            0,
            Contender(
                "EnergyFlow pixelate",
                lambda: [images.pixelate(jet, **options) for jet in jets],
                len(jets),
            ),
        )
    fast = peer("fast_histogram")
    if fast is None:
        missing.append("fast-histogram is not installed.")
    else:

        def with_fast(y, phi, weights):
            fast.histogram2d(y, phi, bins=PIXELS, range=box, weights=weights)

        found.append(Contender("fast-histogram", lambda: planes(with_fast), len(jets)))
    boost = peer("boost_histogram")
    if boost is None:
        missing.append("boost-histogram is not installed.")
    else:
        axes = [boost.axis.Regular(PIXELS, -EDGE, EDGE) for _ in range(2)]

        def with_boost(y, phi, weights):
            boost.Histogram(*axes).fill(y, phi, weight=weights)

        found.append(Contender("boost-histogram", lambda: planes(with_boost), len(jets)))
    return found, missing


def _deposits(table: EventTable) -> tuple[np.ndarray, np.ndarray]:
    """Return place and weight of all that jets deposit, for peers that take them all at once."""
    pt, charge = table.constituents["pt"], table.constituents["charge"]
    scale = PIXELS / WIDTH
    row = np.floor((table.constituents["rapidity"] + EDGE) * scale).astype(np.int64)
    column = np.floor((table.constituents["phi"] + EDGE) * scale).astype(np.int64)
    is_inside = (row >= 0) & (row < PIXELS) & (column >= 0) & (column < PIXELS)
    jet = np.repeat(np.arange(table.n_events), np.diff(table.offsets))
    place = ((jet * 3) * PIXELS + row) * PIXELS + column
    is_charged = is_inside & (charge != 0)
    is_neutral = is_inside & (charge == 0)
    plane = PIXELS * PIXELS
    places = [place[is_charged], place[is_neutral] + plane, place[is_charged] + 2 * plane]
    weights = [pt[is_charged], pt[is_neutral], np.ones(int(is_charged.sum()), np.float32)]
    return np.concatenate(places), np.concatenate(weights)


def _bincount(table: EventTable) -> np.ndarray:
    place, weight = _deposits(table)
    size = table.n_events * int(np.prod(SHAPE))
    return np.bincount(place, weight, minlength=size).astype(np.float32)


def _add_at(table: EventTable) -> np.ndarray:
    place, weight = _deposits(table)
    images = np.zeros(table.n_events * int(np.prod(SHAPE)), dtype=np.float32)
    np.add.at(images, place, weight)
    return images


def _scatter_add(table: EventTable) -> torch.Tensor:
    place, weight = _deposits(table)
    images = torch.zeros(table.n_events * int(np.prod(SHAPE)))
    return images.scatter_add_(0, torch.from_numpy(place), torch.from_numpy(weight))


def _index_put(table: EventTable) -> torch.Tensor:
    place, weight = _deposits(table)
    images = torch.zeros(table.n_events * int(np.prod(SHAPE)))
    deposits = torch.from_numpy(weight)
    return images.index_put_((torch.from_numpy(place),), deposits, accumulate=True)
