import importlib.util
from pathlib import Path

import numpy as np
import pytest

from detcnn.evaluation.classification import evaluate_classification
from detcnn.events.grid import Axis, Grid


def evaluated(classes, n_events=300, **kwargs):
    rng = np.random.default_rng(0)
    labels = np.arange(n_events) % len(classes)
    logits = rng.normal(0, 1, (n_events, len(classes))) + 1.5 * np.eye(len(classes))[labels]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return evaluate_classification(
        scores,
        labels,
        classes=classes,
        signal=classes[:1],
        columns={"pt": rng.uniform(500, 550, n_events)},
        n_replicas=20,
        **kwargs,
    )


@pytest.fixture(scope="session")
def two_classes():
    return evaluated(["quark", "gluon"])


@pytest.fixture(scope="session")
def three_classes():
    return evaluated(["<b>&", "$x^", "top"])


@pytest.fixture
def grid():
    return Grid(Axis("eta", 4, -0.4, 0.4), Axis("phi", 3, -0.3, 0.3, "rad"))


@pytest.fixture(scope="session")
def results():
    """Small results of every task."""
    path = Path(__file__).with_name("task_results.py")
    spec = importlib.util.spec_from_file_location("task_results", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
