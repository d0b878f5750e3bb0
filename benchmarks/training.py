"""Images a second of the training loop, beside bare and usual PyTorch and the matrix product.

Each side trains in a process of its own, because how threads wait and how memory is kept is set
once a process: detcnn and the bare loop as ``detcnn train`` sets it, the usual settings as Python
starts.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.timing import Contender, Table, compare
from detcnn.config.loading import load_study
from detcnn.processors import available_cpus, busy_cpus, keep_freed_memory, prepare_threads
from detcnn.stages import preprocess
from detcnn.storage.reader import open_store
from detcnn.storage.schema import STORE

STUDY = Path(__file__).parents[1] / "pipelines" / "quark_gluon" / "study.yaml"
NETWORKS = ("komiske2017", "plain_cnn")
N_IMAGES = 4096
_NOTES = (
    "Bare loop: tensors in RAM; network, layout, precision, optimiser and process as detcnn's.",
    "Usual settings: contiguous, float32, DataLoader with two workers, a process as Python starts.",
)
_SPAWN = get_context("spawn")


@dataclass(frozen=True, slots=True)
class Work:
    """One pass over the images of a store in one of the `WAYS`."""

    way: str
    network: str
    batch_size: int
    n_images: int
    device: str
    n_threads: int


def run(*, quick: bool = False) -> list[Table]:
    """Compare loops for two networks and two batch sizes, and once beside busy processes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "images"
        preprocess.run(load_study(STUDY).preprocess, base=STUDY.parent, output=folder)
        detcnn = stack.enter_context(_process(folder / STORE, "detcnn"))
        usual = stack.enter_context(_process(folder / STORE, "python"))
        cases = [
            (device, network, batch_size)
            for device in (["cpu", "cuda"] if detcnn("has_gpu", None) else ["cpu"])
            for network in NETWORKS[: 1 if quick else None]
            for batch_size in ([64] if quick else [128, 512])
        ]
        tables = [_compare(detcnn, usual, *case, quick=quick) for case in cases]
        spinning = stack.enter_context(_process(folder / STORE, "spinning"))
        with _busy(1 if quick else available_cpus()) as n_busy:
            tables.append(_compare_threads(detcnn, spinning, usual, n_busy, quick=quick))
    return tables


Call = Callable[[str, Work | None], Any]


def _n_threads() -> int:
    return int(os.environ.get("OMP_NUM_THREADS", available_cpus()))


def _compare(
    detcnn: Call, usual: Call, device: str, network: str, batch_size: int, *, quick: bool
) -> Table:
    n_images = 128 if quick else N_IMAGES
    work = partial(
        Work,
        network=network,
        batch_size=batch_size,
        n_images=n_images,
        device=device,
        n_threads=1 if quick else _n_threads(),
    )
    facts = detcnn("describe", work("detcnn"))
    contenders = [
        Contender(name, partial(side, "train", work(way)), n_images)
        for name, side, way in (
            ("detcnn", detcnn, "detcnn"),
            ("bare loop, same settings", detcnn, "bare"),
            ("detcnn, float32", detcnn, "detcnn_float32"),
            ("usual settings", usual, "usual"),
        )
    ]
    product = partial(detcnn, "multiply", work("detcnn"))
    contenders.append(
        Contender(
            f"matrix product, {facts['precision']}",
            product,
            product() / facts["flop_per_image"],
            is_limit=True,
        )
    )
    return compare(
        f"Training {network}, batches of {batch_size}, {device}",
        "image",
        contenders,
        rounds=1 if quick else 5,
        notes=(
            f"{facts['precision']} by default. {work('detcnn').n_threads} threads.",
            f"An image costs {facts['flop_per_image'] / 1e6:.0f} MFLOP, forward and backward.",
            *_NOTES,
        ),
    )


def _compare_threads(
    detcnn: Call, spinning: Call, usual: Call, n_busy: int, *, quick: bool
) -> Table:
    n_images = 64 if quick else 1024
    all_of_them = available_cpus()
    chosen = max(1, all_of_them - busy_cpus())
    ways = [
        ("detcnn, as many threads as it chooses", detcnn, "detcnn", chosen),
        ("detcnn, a thread for each processor", detcnn, "detcnn", all_of_them),
        ("detcnn, the same, which wait as by default", spinning, "detcnn", all_of_them),
        ("usual settings, a thread for each processor", usual, "usual", all_of_them),
        ("usual settings, one thread", usual, "usual", 1),
    ]
    contenders = [
        Contender(
            name, partial(side, "train", Work(way, NETWORKS[0], 128, n_images, "cpu", n)), n_images
        )
        for name, side, way, n in ways
    ]
    return compare(
        f"Training {NETWORKS[0]}, batches of 128, on a busy machine",
        "image",
        contenders,
        rounds=1 if quick else 5,
        notes=(
            f"{n_busy} busy process{'es' if n_busy > 1 else ''} on {all_of_them} processors.",
            f"detcnn chooses {chosen} thread{'s' if chosen > 1 else ''}.",
            "Threads that wait sleep in detcnn; by default they spin for a while.",
        ),
    )


@contextmanager
def _process(store: Path, settings: Literal["detcnn", "spinning", "python"]) -> Iterator[Call]:
    """Start a process, and give a function that has it do something and returns the answer.

    Its settings are detcnn's, or detcnn's but for how threads wait, or those of any Python.
    """
    here, there = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(there, store, settings != "python"))
    before = dict(os.environ)
    if settings != "python":
        prepare_threads()
    if settings != "detcnn":
        os.environ.pop("OMP_WAIT_POLICY", None)
    process.start()
    os.environ.clear()
    os.environ.update(before)
    there.close()

    def call(task: str, work: Work | None) -> Any:
        here.send((task, work))
        return here.recv()

    try:
        yield call
    finally:
        here.close()
        process.join()


@contextmanager
def _busy(n_processes: int) -> Iterator[int]:
    processes = [_SPAWN.Process(target=_burn, daemon=True) for _ in range(n_processes)]
    for process in processes:
        process.start()
    try:
        yield n_processes
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _burn() -> None:
    while True:
        sum(range(10_000))


# What the processes do. torch is imported there alone, after its settings are made.


def _serve(connection: Connection, store: Path, keeps_memory: bool) -> None:
    if keeps_memory:
        keep_freed_memory()
    import torch

    loop = cache(partial(_loop, store))
    tasks: dict[str, Callable[[Any], object]] = {
        "has_gpu": lambda _: torch.cuda.is_available(),
        "describe": partial(_describe, store),
        "train": lambda work: loop(work)(),
        "multiply": _multiply,
    }
    while True:
        try:
            task, work = connection.recv()
        except EOFError:
            return
        if work is not None:
            torch.set_num_threads(work.n_threads)
        connection.send(tasks[task](work))


def _loop(store: Path, work: Work) -> Callable[[], None]:
    """Return a function that makes one pass over the images."""
    ways = {
        "detcnn": partial(_detcnn, precision=_precision(work)),
        "detcnn_float32": partial(_detcnn, precision="float32"),
        "bare": partial(_bare, precision=_precision(work)),
        "usual": _usual,
    }
    return ways[work.way](store, work)


def _precision(work: Work) -> Any:
    import torch

    from detcnn.models.catalogue import EQUAL_IN_BF16
    from detcnn.training.device import find_precision

    return find_precision(
        "auto", torch.device(work.device), is_as_good_in_bf16=work.network in EQUAL_IN_BF16
    )


def _model(store: Path, work: Work) -> Any:
    from detcnn.models.catalogue import build_network, describe_network
    from detcnn.models.standardise import DetectorModel, Standardise

    opened = open_store(store)
    architecture = describe_network(work.network, shape=opened.schema.shape, n_outputs=2)
    statistics = opened.statistics
    return DetectorModel(
        Standardise.from_statistics(statistics["mean"], statistics["std"]),
        build_network(architecture, seed=1),
    )


def _split(store: Path, n_images: int) -> Any:
    from detcnn.training.splits import Split

    split = open_store(store).splits["train"]
    n = min(n_images, split.n_events)
    return Split(split.images().slice(0, n), split.label[:n], np.ones(n))


def _tensors(store: Path, work: Work) -> tuple[Any, Any]:
    import torch

    from detcnn.training.batches import dense_images

    split = _split(store, work.n_images)
    images = dense_images(split.images, np.arange(split.n_images))
    return images, torch.tensor(split.target)


def _detcnn(store: Path, work: Work, *, precision: Any) -> Callable[[], None]:
    import torch

    from detcnn.training.batches import Batches
    from detcnn.training.history import StepRecord
    from detcnn.training.loop import FitOptions, fit, start_training
    from detcnn.training.tasks import Classification

    options = FitOptions(epochs=10**9, precision=precision)
    state = start_training(_model(store, work), options=options, device=torch.device(work.device))
    batches = Batches(_split(store, work.n_images), batch_size=work.batch_size, seed=1)
    # Validation is not compared: as few images as there can be.
    validation = _split(store, 16)
    records = fit(state, Classification(2), train=batches, validation=validation, options=options)
    steps = (record for record in records if isinstance(record, StepRecord))

    def epoch() -> None:
        for _ in islice(steps, batches.n_steps):
            pass

    return epoch


def _bare(store: Path, work: Work, *, precision: str) -> Callable[[], None]:
    import torch
    from torch import nn

    model = _model(store, work).to(work.device)
    model.to(memory_format=torch.channels_last)
    images, labels = (tensor.to(work.device) for tensor in _tensors(store, work))
    images = images.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), fused=True)

    def epoch() -> None:
        for rows in torch.randperm(len(images), device=work.device).split(work.batch_size):
            with torch.autocast(work.device, dtype=torch.bfloat16, enabled=precision == "bf16"):
                outputs = model(images[rows])
            loss = nn.functional.cross_entropy(outputs.float(), labels[rows])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            loss.item()

    return epoch


def _usual(store: Path, work: Work) -> Callable[[], None]:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    model = _model(store, work).to(work.device)
    optimiser = torch.optim.Adam(model.parameters())
    images, labels = _tensors(store, work)
    loader = DataLoader(
        TensorDataset(images.contiguous(), labels),
        batch_size=work.batch_size,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
    )

    def epoch() -> None:
        for batch in loader:
            images, labels = (tensor.to(work.device) for tensor in batch)
            loss = nn.functional.cross_entropy(model(images), labels)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            loss.item()

    return epoch


def _describe(store: Path, work: Work) -> dict[str, Any]:
    from torch.utils.flop_counter import FlopCounterMode

    model = _model(store, work)
    images, _ = _tensors(store, work)
    with FlopCounterMode(display=False) as counter:
        model(images[:8]).sum().backward()
    return {"precision": _precision(work), "flop_per_image": counter.get_total_flops() / 8}


def _multiply(work: Work) -> float:
    """Multiply square matrices a few times, and return the number of operations."""
    matrices, n_times = _matrices(work.device, _precision(work))
    for _ in range(n_times):
        product = matrices @ matrices
    product[0, 0].item()
    return float(2 * len(matrices) ** 3 * n_times)


@cache
def _matrices(device: str, precision: str) -> tuple[Any, int]:
    import torch

    n, n_times = (8192, 20) if device == "cuda" else (2048, 4)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return torch.randn(n, n, device=device).to(dtype), n_times
