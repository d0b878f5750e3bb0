"""What bf16 costs: nothing that the jets of sample_data could show."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import hypot, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from detcnn.config.loading import load_study
from detcnn.evaluation.roc import auc, roc_curve
from detcnn.models.catalogue import EQUAL_IN_BF16, NETWORKS, build_network, describe_network
from detcnn.models.standardise import DetectorModel, Standardise
from detcnn.processors import keep_freed_memory
from detcnn.stages import preprocess
from detcnn.storage.reader import ImageStore, open_store
from detcnn.storage.schema import STORE
from detcnn.training.batches import Batches
from detcnn.training.loop import FitOptions, fit, start_training
from detcnn.training.optimisers import Adam
from detcnn.training.prediction import predict
from detcnn.training.splits import Split
from detcnn.training.tasks import Classification

STUDY = Path(__file__).parents[2] / "pipelines" / "quark_gluon" / "study.yaml"
TASK = Classification(2)
SEEDS = (1, 2)
N_TRAIN, N_TEST = 1200, 2000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    keep_freed_memory()
    images = tmp_path_factory.mktemp("quark_gluon") / "images"
    preprocess.run(load_study(STUDY).preprocess, base=STUDY.parent, output=images)
    return open_store(images / STORE)


def part_of(store: ImageStore, start: int, stop: int) -> Split:
    split = store.splits["train"]
    images = split.images().slice(start, stop)
    return Split(images, split.label[start:stop], np.ones(stop - start))


def area(model: DetectorModel, test: Split, precision: str = "float32") -> float:
    scores = predict(model, TASK, test.images, precision=precision)
    return auc(roc_curve(scores[:, 1], test.target == 1))


def trained(name: str, store: ImageStore, *, seed: int, precision: str) -> DetectorModel:
    architecture = describe_network(name, shape=store.schema.shape, n_outputs=2)
    standardise = Standardise.from_statistics(store.statistics["mean"], store.statistics["std"])
    model = DetectorModel(standardise, build_network(architecture, seed=seed))
    options = FitOptions(epochs=3, optimiser=Adam(learning_rate=1e-3), precision=precision)
    state = start_training(model, options=options, device=torch.device("cpu"))
    batches = Batches(part_of(store, 0, N_TRAIN), batch_size=16, seed=seed)
    validation = part_of(store, 0, 100)
    for _ in fit(state, TASK, train=batches, validation=validation, options=options):
        pass
    return state.model


@contextmanager
def only_powers_of_two(model: nn.Module) -> Iterator[None]:
    """Let every layer with weights keep one bit of each number: a precision that is too low."""

    def rounded(layer: nn.Module, inputs: object, outputs: torch.Tensor) -> torch.Tensor:
        mantissa, exponent = torch.frexp(outputs)
        return torch.ldexp(torch.round(2 * mantissa) / 2, exponent)

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(rounded) for layer in layers]
    yield
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("name", sorted(EQUAL_IN_BF16))
def test_networks_trained_in_bf16_by_default_learn_as_much_in_it(name, store):
    test = part_of(store, N_TRAIN, N_TRAIN + N_TEST)
    areas = {"float32": [], "bf16": []}
    for seed in SEEDS:
        models = {p: trained(name, store, seed=seed, precision=p) for p in areas}
        for precision, model in models.items():
            areas[precision].append(area(model, test))
        # The same weights do the same in both, to a tenth of the error that the jets allow.
        assert abs(area(models["float32"], test, "bf16") - areas["float32"][-1]) < 1e-3
    # That is precise enough to see a precision that is too low.
    with only_powers_of_two(models["float32"]):
        assert abs(area(models["float32"], test) - areas["float32"][-1]) > 2e-3

    # Two trainings in two precisions part ways in rounding as they would with two seeds: the
    # difference must be within what jets (Hanley and McNeil, Radiology 143 (1982) 29, with equal
    # classes) and trainings scatter.
    means = {precision: np.mean(values) for precision, values in areas.items()}
    mean = means["float32"]
    half = N_TEST / 2
    of_pairs = (half - 1) * (mean / (2 - mean) + 2 * mean**2 / (1 + mean) - 2 * mean**2)
    of_jets = sqrt((mean * (1 - mean) + of_pairs) / half**2)
    of_trainings = hypot(*(np.std(values, ddof=1) for values in areas.values())) / sqrt(len(SEEDS))
    assert means["float32"] > 0.65
    assert abs(means["bf16"] - mean) < 3 * hypot(of_jets, of_trainings), areas


def test_the_networks_are_those_of_the_catalogue():
    assert NETWORKS.keys() >= EQUAL_IN_BF16
