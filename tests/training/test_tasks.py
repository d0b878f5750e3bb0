import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, roc_auc_score

from detcnn.errors import DataError
from detcnn.models.catalogue import build_network, describe_network
from detcnn.training.tasks import Classification


def test_loss_and_scores_by_hand():
    task = Classification(2)
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    loss = task.loss(logits, torch.tensor([0, 1]))
    assert loss.tolist() == pytest.approx([math.log(2), math.log(4 / 3)])
    scores = task.scores(logits)
    torch.testing.assert_close(scores, torch.tensor([[0.5, 0.5], [0.25, 0.75]]))


def test_the_quadratic_loss_by_hand():
    task = Classification(2, loss="quadratic")
    logits = torch.tensor([[0.0, 0.0], [math.log(3), -math.log(4)]])
    # Logistic functions of 1/2, 1/2 and of 3/4, 1/5.
    loss = task.loss(logits, torch.tensor([0, 0]))
    assert loss.tolist() == pytest.approx([0.25, (1 / 16 + 1 / 25) / 2])
    assert torch.equal(loss, task.training_loss(logits, torch.tensor([0, 0])))


def test_a_step_of_the_classic_recipe_is_that_of_back_propagation():
    """Nielsen, chapter 2: δ of the last layer is (a − y) a (1 − a), and so on backwards."""
    architecture = describe_network(
        "dense",
        shape=(1, 3, 4),
        n_outputs=5,
        options={"sizes": [6], "activation": "sigmoid", "init": "normal"},
    )
    network = build_network(architecture, seed=1)
    rng = np.random.default_rng(0)
    images, targets = rng.random((7, 12)), rng.integers(0, 5, 7)
    linear, head = network.trunk.dense1.linear, network.head
    w1, b1, w2, b2 = (
        tensor.detach().double().numpy()
        for layer in (linear, head)
        for tensor in (layer.weight, layer.bias)
    )
    a1 = 1 / (1 + np.exp(-(images @ w1.T + b1)))
    a2 = 1 / (1 + np.exp(-(a1 @ w2.T + b2)))
    d2 = (a2 - np.eye(5)[targets]) * a2 * (1 - a2)
    d1 = (d2 @ w2) * a1 * (1 - a1)
    outputs = network(torch.from_numpy(images).float().reshape(7, 1, 3, 4))
    Classification(5, loss="quadratic").loss(outputs, torch.from_numpy(targets)).mean().backward()
    for tensor, expected in (
        (head.weight, d2.T @ a1 / 7),
        (head.bias, d2.mean(0)),
        (linear.weight, d1.T @ images / 7),
        (linear.bias, d1.mean(0)),
    ):
        np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("loss", ["cross_entropy", "quadratic"])
def test_a_smoothed_target_is_shared_by_all_classes(loss):
    task = Classification(4, loss=loss, label_smoothing=0.2)
    logits = torch.tensor(np.random.default_rng(0).normal(size=(5, 4)))
    targets = torch.tensor([0, 1, 2, 3, 0])
    wanted = torch.full((5, 4), 0.05, dtype=torch.float64)
    wanted[torch.arange(5), targets] += 0.8
    expected = {
        "cross_entropy": -(wanted * logits.log_softmax(1)).sum(1),
        "quadratic": ((1 / (1 + (-logits).exp()) - wanted) ** 2).sum(1) / 2,
    }[loss]
    torch.testing.assert_close(task.training_loss(logits, targets), expected)
    torch.testing.assert_close(
        task.loss(logits, targets), Classification(4, loss=loss).loss(logits, targets)
    )


def metrics(task, logits, targets, weights, size=7):
    meter = task.meter()
    for start in range(0, len(logits), size):
        part = slice(start, start + size)
        meter.update(logits[part], targets[part], weights[part])
    return meter.result()


@pytest.mark.parametrize("n_classes", [2, 4])
def test_metrics_agree_with_scikit_learn(n_classes):
    rng = np.random.default_rng(n_classes)
    targets = rng.integers(0, n_classes, 60)
    logits = rng.normal(size=(60, n_classes)).round(1) + np.eye(n_classes)[targets]
    weights = rng.uniform(0.1, 2.0, 60)
    found = metrics(Classification(n_classes), *map(torch.tensor, (logits, targets, weights)))
    guess = logits.argmax(1)
    expected = {"accuracy": accuracy_score(targets, guess, sample_weight=weights)}
    if n_classes == 2:
        discriminant = logits[:, 1] - logits[:, 0]
        expected["auc"] = roc_auc_score(targets, discriminant, sample_weight=weights)
    assert found == pytest.approx(expected)
    assert found.keys() == Classification(n_classes).metrics.keys()


def test_auc_sees_differences_that_the_softmax_loses():
    logits = torch.tensor([[-40.0, 40.0], [-50.0, 50.0]])
    assert logits.softmax(1)[:, 1].tolist() == [1.0, 1.0]
    found = metrics(Classification(2), logits, torch.tensor([0, 1]), torch.ones(2))
    assert found == {"accuracy": 0.5, "auc": 1.0}


def test_a_class_without_images_has_no_auc():
    with pytest.raises(DataError):
        metrics(Classification(2), torch.zeros(3, 2), torch.zeros(3, dtype=int), torch.ones(3))
