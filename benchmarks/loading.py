"""Shuffled batches out of a store, and a training that is fed with them."""

import ctypes
import io
import multiprocessing
import tarfile
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle, islice, repeat
from pathlib import Path

import h5py
import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.jets import of_fifty
from benchmarks.projection import SHAPE, komiske
from benchmarks.timing import Contender, Listing, Table, compare, peer
from detcnn.events.grid import Axis, Grid
from detcnn.events.images import SparseImages, concatenate
from detcnn.events.table import EventTable
from detcnn.imaging.geometric_policies import Flip, Shift
from detcnn.imaging.projection import project
from detcnn.kernels.densify import densify
from detcnn.models.komiske2017 import komiske2017
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.processors import keep_freed_memory
from detcnn.storage.reader import open_store
from detcnn.storage.schema import ChannelInfo, Schema
from detcnn.storage.writer import SplitWriter, create_store
from detcnn.training.batches import Batch, Batches, feed
from detcnn.training.splits import AnySplit, Split, StoredSplit, open_split

BATCH = 256
N_TAR = 2048
POLICIES = (Flip(), Shift())
CPU = torch.device("cpu")


def run(*, quick: bool) -> list[Table | Listing]:
    n_images = 1024 if quick else 60_000
    n_dense = 512 if quick else 40_000
    n_slow = 512 if quick else 10_000
    rounds = 1 if quick else 7
    # As `detcnn train` does; all contenders gain by it.
    keep_freed_memory()
    events = of_fifty(n_images)
    images = project(events, komiske()).images
    dense = densified(images.slice(0, n_dense))
    label = np.arange(n_images) % 2
    split = Split(images, label, np.ones(n_images))
    layer = standardisation(dense)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_peers(folder, dense, n_slow)
        n_times = 1 if quick else 8
        write_store(folder / "images.zarr", concatenate(n_times * [images]))
        return [
            shuffled(split, layer, dense, events, folder, n_slow=n_slow, rounds=rounds),
            beyond_memory(folder / "images.zarr", layer, rounds=min(rounds, 5)),
            mixing(folder / "images.zarr", shares=[1 / 32] if quick else [1, 1 / 8, 1 / 32]),
            feeding(
                split,
                layer,
                folder,
                batch_size=8 if quick else BATCH,
                n_steps=1 if quick else 10,
                rounds=rounds,
            ),
        ]


def densified(images: SparseImages) -> NDArray[np.float32]:
    values = np.empty((images.n_images, *images.shape), dtype=np.float32)
    densify(images.offsets, images.pixel, images.value, np.arange(images.n_images), out=values)
    return values


def standardisation(dense: NDArray[np.float32]) -> Standardise:
    few = dense[:4096]
    return Standardise.from_statistics(few.mean(axis=0), few.std(axis=0))


def write_store(path: Path, images: SparseImages) -> None:
    """Write a store of one full split, the classes one after the other: the worst order."""
    axes = Axis("rapidity", SHAPE[1], -0.4, 0.4), Axis("phi", SHAPE[2], -0.4, 0.4, unit="rad")
    schema = Schema(
        encoding="sparse",
        grid=Grid(*axes),
        channels=tuple(ChannelInfo(str(i), "1", "sum") for i in range(SHAPE[0])),
        classes=("gluon", "quark"),
    )
    group = create_store(path, schema)
    group.create_group("statistics")
    for name in ("train", "validation", "test"):
        n = images.n_images if name == "train" else 0
        part = images.slice(0, n)
        writer = SplitWriter(group, name, schema, n_events=n, n_filled=len(part.pixel), columns={})
        one = np.ones(n, dtype=np.float32)
        writer.append(
            part, label=2 * np.arange(n) // max(n, 1), weight=one, training_weight=one, columns={}
        )
        writer.close()


def write_peers(folder: Path, dense: NDArray[np.float32], n_slow: int) -> None:
    """Write the same dense images as the peers have them."""
    np.save(folder / "images.npy", dense)
    few = dense[:n_slow]
    zarr.save_array(folder / "dense.zarr", few)
    with h5py.File(folder / "dense.h5", "w") as file:
        file.create_dataset("images", data=few, compression="lzf")
    with tarfile.open(folder / "images.tar", "w") as archive:
        for i, image in enumerate(few[:N_TAR]):
            stream = io.BytesIO()
            np.save(stream, image)
            entry = tarfile.TarInfo(f"{i:08d}.npy")
            entry.size = stream.tell()
            stream.seek(0)
            archive.addfile(entry, stream)


def shuffled(
    split: Split,
    layer: Standardise,
    dense: NDArray[np.float32],
    events: EventTable,
    folder: Path,
    *,
    n_slow: int,
    rounds: int,
) -> Table:
    tensor, memmap = torch.from_numpy(dense), np.load(folder / "images.npy", mmap_mode="r")
    array = zarr.open_array(folder / "dense.zarr", mode="r")
    h5 = h5py.File(folder / "dense.h5", "r")["images"]
    few = min(2 * BATCH, n_slow)
    rng = np.random.default_rng(1)
    one, other = np.empty((2, BATCH, *SHAPE), dtype=np.float32)

    def batches(**options: object) -> Callable[[], object]:
        made = Batches(split, batch_size=BATCH, seed=1, **options)  # type: ignore[arg-type]
        return lambda: exhaust(made.iter_batches(1, standardise=layer))

    def chosen(n: int) -> Iterator[NDArray[np.int64]]:
        order = rng.permutation(n)
        yield from order[: n - n % BATCH].reshape(-1, BATCH)

    label, weight = torch.from_numpy(split.target), torch.from_numpy(split.relative_weight)

    def selected(rows: Tensor, out: Tensor | None = None) -> tuple[Tensor, ...]:
        return torch.index_select(tensor, 0, rows, out=out), label[rows], weight[rows]

    same = torch.empty(BATCH, *SHAPE)

    def select_all(out: Tensor | None = None) -> None:
        exhaust(selected(torch.from_numpy(r), out) for r in chosen(len(dense)))

    def select_alone() -> None:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            select_all(same)
        finally:
            torch.set_num_threads(n_threads)

    contenders = [
        Contender("detcnn", batches(), split.n_images),
        Contender("detcnn, flipped and shifted", batches(policies=POLICIES), split.n_images),
        Contender("dense tensor in memory, index_select", select_all, len(dense)),
        Contender(
            "the same, into the same memory again and again",
            lambda: select_all(same),
            len(dense),
        ),
        Contender("that by one thread", select_alone, len(dense)),
        Contender(
            "npy memmap, indexed",
            lambda: exhaust(memmap[r] for r in chosen(len(dense))),
            len(dense),
        ),
        *(
            Contender(
                f"DataLoader over the memmap, {n_workers} workers",
                lambda n_workers=n_workers: exhaust(loader(memmap, n_workers)),
                len(memmap),
            )
            for n_workers in (0, 2)
        ),
        Contender(
            "dense zarr",
            lambda: exhaust(array.oindex[np.sort(r)] for r in islice(chosen(n_slow), few // BATCH)),
            few,
        ),
        Contender(
            "dense HDF5, lzf",
            lambda: exhaust(h5[np.sort(r)] for r in islice(chosen(n_slow), few // BATCH)),
            few,
        ),
        *webdataset(folder / "images.tar", min(N_TAR, n_slow)),
        Contender(
            "detcnn, particles projected for each batch",
            lambda: exhaust(
                densified(project(taken(events, r), komiske()).images)
                for r in islice(chosen(events.n_events), 8)
            ),
            min(8 * BATCH, events.n_events),
        ),
        Contender("writing zeros", lambda: fill(one, 64), 64 * BATCH, is_limit=True),
        Contender("copying", lambda: copy(one, other, 64), 64 * BATCH, is_limit=True),
    ]
    conditions = (
        f"Batches of {BATCH} images of {SHAPE[0]} × {SHAPE[1]} × {SHAPE[2]}, 50 particles each, "
        "with labels and weights from detcnn and the dense tensor. detcnn: one thread, "
        "standardised, channels last, a batch where an earlier one was that nobody holds; the "
        f"others give the images as they were stored, torch with {torch.get_num_threads()} "
        "threads. Files are in the memory of the file system, zarr and HDF5 with their default "
        "chunks. webdataset shuffles in a buffer of 1,000 images: no true shuffle."
    )
    notes = [conditions]
    if peer("webdataset") is None:
        notes.append("webdataset is not installed.")
    return compare("Shuffled batches", "images", contenders, rounds=rounds, notes=notes)


def exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass


def fill(values: NDArray[np.float32], n_times: int) -> None:
    for _ in range(n_times):
        ctypes.memset(values.ctypes.data, 0, values.nbytes)


def copy(target: NDArray[np.float32], source: NDArray[np.float32], n_times: int) -> None:
    for _ in range(n_times):
        ctypes.memmove(target.ctypes.data, source.ctypes.data, target.nbytes)


class Mapped(torch.utils.data.Dataset[Tensor]):
    """What the tutorials write."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, i: int) -> Tensor:
        return torch.from_numpy(self.values[i].copy())


def loader(values: NDArray[np.float32], n_workers: int) -> Iterable[Tensor]:
    return torch.utils.data.DataLoader(
        Mapped(values),
        batch_size=BATCH,
        shuffle=True,
        num_workers=n_workers,
        multiprocessing_context="fork" if n_workers else None,
    )


def webdataset(path: Path, n_images: int) -> list[Contender]:
    module = peer("webdataset")
    if module is None:
        return []

    def read() -> None:
        with warnings.catch_warnings():
            # It leaves the closing of files to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            made = module.WebDataset(str(path), shardshuffle=False).shuffle(1000).decode()
            exhaust(made.to_tuple("npy").batched(BATCH))
            del made

    return [Contender("webdataset", read, n_images)]


def taken(events: EventTable, rows: NDArray[np.int64]) -> EventTable:
    lengths = np.diff(events.offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    source = np.arange(offsets[-1]) + np.repeat(events.offsets[rows] - offsets[:-1], lengths)
    return EventTable(
        offsets=offsets,
        constituents={name: values[source] for name, values in events.constituents.items()},
        columns={},
        first_row=0,
    )


def beyond_memory(path: Path, layer: Standardise, *, rounds: int) -> Table:
    stored = open_store(path).splits["train"]
    opened = {
        "in memory": open_split(stored, weights="training", memory=stored.nbytes),
        "from disk, an eighth of it in memory": small(path),
    }
    contenders = [
        Contender(
            f"detcnn, {name}",
            lambda split=split: exhaust(epoch(split, layer)),
            split.n_images,
        )
        for name, split in opened.items()
    ]
    read = Contender("reading all of the store once", stored.images, stored.n_events, is_limit=True)
    blocks = opened["from disk, an eighth of it in memory"].block_sizes
    conditions = (
        f"{stored.n_events:,} images, {stored.nbytes / stored.n_events:.0f} bytes each in memory; "
        "the store is in the memory of the file system. From disk they are read in blocks of "
        f"{blocks[0]:,}, in random order: small ones, for the memory is small, and of each array a "
        "chunk has to be found and decompressed for each."
    )
    return compare(
        "A store larger than memory",
        "images",
        [*contenders, read],
        rounds=rounds,
        notes=[conditions],
    )


def small(path: Path) -> StoredSplit:
    stored = open_store(path).splits["train"]
    return StoredSplit(stored, weights="training", memory=stored.nbytes // 8)


def epoch(split: AnySplit, layer: Standardise) -> Iterator[Batch]:
    batches = Batches(split, batch_size=BATCH, seed=1, policies=POLICIES)
    return feed(batches.iter_batches(1, standardise=layer), CPU)


def mixing(path: Path, *, shares: Sequence[float]) -> Listing:
    """Say how well the images are mixed, and what memory that took."""
    stored = open_store(path).splits["train"]
    rows = []
    for share in shares:
        limit = int(share * stored.nbytes)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            spread, peak = process.submit(train_alone, path, limit).result()
        split = open_split(stored, weights="training", memory=limit)
        shuffle = Batches(split, batch_size=BATCH, seed=1).shuffle
        rows.append(
            (
                f"{limit / 2**20:.1f}",
                f"{shuffle.blocks_at_once} of {shuffle.n_blocks}",
                f"{100 * shuffle.pairs_that_meet:.3g} %",
                f"{spread:.3f}",
                f"{peak / 2**20:.1f}",
            )
        )
    header = (
        "memory [MiB]",
        "blocks at once",
        "pairs that meet",
        "spread of a class",
        "peak [MiB]",
    )
    conditions = (
        f"The store of {stored.nbytes / 2**20:.0f} MiB has one class after the other, the worst "
        "order there is. The spread is the standard deviation of the share of one class in a "
        f"batch; a true shuffle has {0.5 / BATCH**0.5:.3f}. The peak is what an epoch of "
        "batches adds to a process."
    )
    return Listing("How well it is shuffled", header, tuple(rows), (conditions,))


def train_alone(path: Path, memory: int) -> tuple[float, int]:
    """Return the spread of a class over the batches of an epoch, and the memory that it took."""
    stored = open_store(path).splits["train"]
    # Once a batch: the kernel is there, and what zarr needs.
    next(
        Batches(open_split(stored, weights="none", memory=1), batch_size=1, seed=1).iter_batches(1)
    )
    before = peak_memory()
    split = open_split(stored, weights="training", memory=memory)
    batches = Batches(split, batch_size=BATCH, seed=1)
    shares = [batch.targets.double().mean() for batch in feed(batches.iter_batches(1), CPU)]
    return float(torch.stack(shares).std()), peak_memory() - before


def peak_memory() -> int:
    """Return the most bytes that this process had, without those of the one that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def feeding(
    split: Split,
    layer: Standardise,
    folder: Path,
    *,
    batch_size: int,
    n_steps: int,
    rounds: int,
) -> Table:
    network = komiske2017(SHAPE, 2)
    model = DetectorModel(layer, network)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters())
    batches = Batches(split, batch_size=batch_size, seed=1, policies=POLICIES)
    array = zarr.open_array(folder / "dense.zarr", mode="r")
    fixed = next(batches.iter_batches(1, standardise=layer))
    epochs = cycle([1, 2])
    rng = np.random.default_rng(1)

    def dense_zarr() -> Iterator[Batch]:
        while True:
            rows = np.sort(rng.choice(array.shape[0], batch_size, replace=False))
            images = layer(torch.from_numpy(array.oindex[rows]))
            images = images.to(memory_format=torch.channels_last)
            yield Batch(images, fixed.targets, fixed.weights, fixed.extra)

    def train(source: Callable[[], Iterable[Batch]], n: int) -> Callable[[], None]:
        def run_steps() -> None:
            for batch in islice(source(), n):
                losses = nn.functional.cross_entropy(
                    network(batch.images), batch.targets, reduction="none"
                )
                optimiser.zero_grad()
                torch.autograd.backward((losses * batch.weights).mean())
                optimiser.step()

        return run_steps

    def augmented() -> Iterator[Batch]:
        return batches.iter_batches(next(epochs), standardise=layer)

    n_slow = max(1, n_steps // 5)
    contenders = [
        Contender(
            "detcnn, flipped and shifted, made in a thread",
            train(lambda: feed(augmented(), CPU), n_steps),
            n_steps * batch_size,
        ),
        Contender("the same, made in turn", train(augmented, n_steps), n_steps * batch_size),
        Contender("dense zarr", train(dense_zarr, n_slow), n_slow * batch_size),
        Contender(
            "one batch again and again",
            train(lambda: repeat(fixed), n_steps),
            n_steps * batch_size,
            is_limit=True,
        ),
    ]
    conditions = (
        f"The network of komiske2017, float32, Adam, batches of {batch_size}, "
        f"{torch.get_num_threads()} threads."
    )
    return compare("Feeding a training", "images", contenders, rounds=rounds, notes=[conditions])
