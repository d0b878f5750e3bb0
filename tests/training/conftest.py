from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from detcnn.events.images import DenseImages, SparseImages
from detcnn.imaging.augmentation import DropPixels, Noise
from detcnn.imaging.geometric_policies import Flip, Shift
from detcnn.models.catalogue import Architecture, build_network, describe_network
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.training.batches import Batches
from detcnn.training.loop import FitOptions, TrainingState, start_training
from detcnn.training.splits import Split

# Networks this small gain nothing from threads, and on a busy machine threads that wait for each
# other take a hundred times as long.
torch.set_num_threads(1)

SHAPE = (2, 9, 9)


def sparse(values: np.ndarray) -> SparseImages:
    """Turn dense images into pixel lists, one image at a time."""
    lists = [np.flatnonzero(image) for image in values]
    return SparseImages(
        offsets=np.cumsum([0, *map(len, lists)]).astype(np.int64),
        pixel=np.concatenate(lists).astype(np.uint16),
        value=values[values != 0],
        shape=values.shape[1:],
    )


def toy_values(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mostly empty images, those of class 1 brighter in the middle, and their classes."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    values = rng.random((n, *SHAPE), dtype=np.float32)
    values[rng.random(values.shape) < 0.7] = 0
    values[:, 0, 3:6, 3:6] += (0.6 * label[:, None, None]).astype(np.float32)
    return values, label


def toy_split(n: int, *, seed: int) -> Split:
    values, label = toy_values(n, seed=seed)
    weight = np.random.default_rng(seed).uniform(0.5, 1.5, n)
    return Split(sparse(values), label, weight)


@pytest.fixture
def values() -> np.ndarray:
    return toy_values(50, seed=4)[0]


@pytest.fixture
def train() -> Batches:
    policies = [Shift(), Flip(), DropPixels(), Noise()]
    return Batches(toy_split(150, seed=1), batch_size=32, seed=5, policies=policies)


@pytest.fixture
def validation() -> Split:
    return toy_split(70, seed=2)


@pytest.fixture
def architecture() -> Architecture:
    options = {
        "blocks": [{"filters": 4, "padding": 1, "dropout": 0.2}, {"filters": 4, "padding": 1}],
        "dense": [8],
        "dense_dropout": 0.2,
    }
    return describe_network("plain_cnn", shape=SHAPE, n_outputs=2, options=options)


@pytest.fixture
def new_model(architecture: Architecture) -> Callable[[], DetectorModel]:
    def build() -> DetectorModel:
        standardise = Standardise(np.full((2, 1, 1), 0.2), np.full((2, 1, 1), 0.3))
        return DetectorModel(standardise, build_network(architecture, seed=3))

    return build


@pytest.fixture
def new_state(new_model: Callable[[], DetectorModel]) -> Callable[[FitOptions], TrainingState]:
    def build(options: FitOptions) -> TrainingState:
        return start_training(new_model(), options=options, device=torch.device("cpu"))

    return build


@pytest.fixture
def to_sparse() -> Callable[[np.ndarray], SparseImages]:
    return sparse


@pytest.fixture(params=["sparse", "dense"])
def images(request: Any, values: np.ndarray) -> SparseImages | DenseImages:
    """Hold the same images in both encodings, one after the other."""
    return sparse(values) if request.param == "sparse" else DenseImages(values)
