"""What the loop and the store of scores take for granted of a task, of every one of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from torch import Tensor

from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.evaluation.localisation import evaluate_localisation
from detcnn.evaluation.pixel_regression import evaluate_pixel_regression, sums_of_pixels
from detcnn.evaluation.segmentation import confusion_of_pixels, evaluate_segmentation
from detcnn.training.localisation import Localisation
from detcnn.training.multi_task import Head, MultiTask
from detcnn.training.pixel_tasks import PixelRegression, Segmentation
from detcnn.training.task_descriptions import read_task
from detcnn.training.tasks import Classification, Task
from detcnn.training.value_tasks import MultiLabel, Regression, Scale

N, ROWS, COLUMNS = 9, 6, 7
RNG = np.random.default_rng(5)
CLASSES = ("nothing", "track", "shower")
SCALES = {"energy": Scale(1.0, 0.5, is_log=True), "angle": Scale(-0.2, 2.0)}


@dataclass(frozen=True, kw_only=True)
class Example:
    """A task, targets as the loader gives them, and outputs that say just these."""

    task: Task
    targets: Tensor
    ideal: Callable[[Tensor], Tensor]
    perfect: dict[str, float]


def _numbers() -> Tensor:
    return torch.tensor(RNG.uniform(0.5, 9.0, (N, 2)), dtype=torch.float32)


def _ideal_numbers(targets: Tensor) -> Tensor:
    return torch.stack([(targets[:, 0].log() - 1) / 0.5, (targets[:, 1] + 0.2) / 2], dim=1)


def _ideal_pixels(targets: Tensor) -> Tensor:
    classes = targets[:, :2].long().clamp(0, 2)
    return 30 * torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).flatten(1, 2).float()


def _pixels() -> Tensor:
    # Of the fourth class, which does not count, there are some as well.
    return torch.tensor(RNG.integers(0, 4, (N, 2, ROWS, COLUMNS)), dtype=torch.float32)


def _filled() -> Tensor:
    return torch.tensor(RNG.integers(0, 2, (N, 2, ROWS, COLUMNS)), dtype=torch.float32)


def _points() -> Tensor:
    """Two points in most images, in pixels that are no neighbours, one in the third image."""
    row, column = RNG.uniform(0, ROWS - 1, (N, 2)), RNG.uniform(-0.3, 1.3, (N, 2))
    column[:, 1] += 5
    points = np.stack([row, column], axis=2)
    points[2, 1] = np.nan
    return torch.tensor(points, dtype=torch.float32)


def _ideal_points(targets: Tensor) -> Tensor:
    outputs = torch.full((len(targets), 3, ROWS, COLUMNS), -30.0)
    for i, points in enumerate(targets):
        for point in points[points.isfinite().all(dim=1)]:
            row, column = (point + 0.5).floor().long().tolist()
            outputs[i, 0, row, column] = 30
            outputs[i, 1:, row, column] = point - torch.tensor([row, column])
    return outputs


LABELS = torch.tensor(RNG.permutation([0, 1, 2] * 3))
YES = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0], [1, 0]])
HEADS = {
    "class": Head(Classification(3), 0.3),
    "numbers": Head(Regression(SCALES, loss="gaussian"), 2.0),
    "labels": Head(MultiLabel(("a", "b"))),
}


def _ideal_heads(targets: Tensor) -> Tensor:
    said = [
        30 * torch.nn.functional.one_hot(targets[:, 0].long(), 3),
        _ideal_numbers(targets[:, 1:3]),
        torch.full((len(targets), 2), -30),
        60 * targets[:, 3:] - 30,
    ]
    return torch.cat(said, dim=1)


def _segmentation(**losses: float) -> Example:
    return Example(
        task=Segmentation("mask", classes=CLASSES, planes=2, losses=losses or None),
        targets=_pixels(),
        ideal=_ideal_pixels,
        perfect={"accuracy": 1, "mean_iou": 1},
    )


EXAMPLES = {
    "classification": Example(
        task=Classification(3, label_smoothing=0.1),
        targets=LABELS,
        ideal=lambda targets: 30.0 * torch.nn.functional.one_hot(targets, 3),
        perfect={"accuracy": 1},
    ),
    "two classes": Example(
        task=Classification(2, loss="quadratic"),
        targets=LABELS.clamp_max(1),
        ideal=lambda targets: 30.0 * torch.nn.functional.one_hot(targets, 2),
        perfect={"accuracy": 1, "auc": 1},
    ),
    "regression": Example(
        task=Regression(SCALES),
        targets=_numbers(),
        ideal=_ideal_numbers,
        perfect={"rmse": 0},
    ),
    "regression with variance": Example(
        task=Regression(SCALES, loss="gaussian"),
        targets=_numbers(),
        ideal=lambda targets: torch.cat(
            [_ideal_numbers(targets), torch.full((len(targets), 2), -30.0)], dim=1
        ),
        perfect={"rmse": 0},
    ),
    "multi-label": Example(
        task=MultiLabel(("a", "b"), positive_weights=(3.0, 0.5)),
        targets=YES.float(),
        ideal=lambda targets: 60 * targets - 30,
        perfect={"accuracy": 1, "mean_auc": 1},
    ),
    "multi-task": Example(
        task=MultiTask(HEADS),
        targets=torch.cat([LABELS[:, None], _numbers(), YES], dim=1).float(),
        ideal=_ideal_heads,
        perfect={"class.accuracy": 1, "numbers.rmse": 0, "labels.mean_auc": 1},
    ),
    "segmentation": _segmentation(),
    "focal": _segmentation(focal=1.0),
    "dice": _segmentation(dice=0.5, cross_entropy=1.0),
    "tversky": _segmentation(tversky=1.0),
    "lovasz": _segmentation(lovasz=1.0),
    "filled pixels": Example(
        task=Segmentation(
            "mask", classes=CLASSES, planes=2, class_weights=(1, 3, 9), only_filled=True
        ),
        targets=torch.cat([_pixels(), _filled()], dim=1),
        ideal=_ideal_pixels,
        perfect={"accuracy": 1, "mean_iou": 1},
    ),
    "pixel-regression": Example(
        task=PixelRegression("charge", planes=2, spread=0.25, only_filled=True),
        targets=torch.cat([_pixels(), _filled()], dim=1),
        ideal=lambda targets: targets[:, :2] / 0.25,
        perfect={"rmse": 0},
    ),
    "localisation": Example(
        task=Localisation("places", tolerance=0.5, most=4),
        targets=_points(),
        ideal=_ideal_points,
        perfect={"jaccard": 1},
    ),
}


@pytest.fixture(params=EXAMPLES)
def example(request) -> Example:
    return EXAMPLES[request.param]


@pytest.fixture
def outputs(example: Example) -> Tensor:
    """What a network that is partly right says."""
    ideal = example.ideal(example.targets)
    noise = torch.randn(ideal.shape, generator=torch.Generator().manual_seed(1))
    return ideal.clamp(-1, 1) + noise


def judged(task: Task, outputs: Tensor, targets: Tensor, weights: Tensor, size: int):
    meter = task.meter()
    for start in range(0, len(targets), size):
        part = slice(start, start + size)
        meter.update(outputs[part], targets[part], weights[part])
    return meter.result()


def test_a_task_is_made_again_from_its_description(example, outputs):
    again = read_task(example.task.description)
    assert type(again) is type(example.task)
    assert again.description == example.task.description
    assert again.wanted == example.task.wanted
    assert again.metrics == example.task.metrics
    assert torch.equal(
        again.training_loss(outputs, example.targets),
        example.task.training_loss(outputs, example.targets),
    )
    assert torch.equal(torch.nan_to_num(again.scores(outputs)), numbers(example, outputs))


def numbers(example: Example, outputs: Tensor) -> Tensor:
    return torch.nan_to_num(example.task.scores(outputs))


@pytest.mark.parametrize("name", ["loss", "training_loss"])
def test_the_loss_of_an_image_does_not_depend_on_its_batch(example, outputs, name):
    loss = getattr(example.task, name)
    together = loss(outputs, example.targets)
    assert together.shape == (N,)
    alone = [loss(outputs[i : i + 1], example.targets[i : i + 1]) for i in range(N)]
    torch.testing.assert_close(torch.cat(alone), together)


def test_the_loss_draws_outputs_towards_the_truth(example, outputs):
    ideal = example.ideal(example.targets)
    assert (
        example.task.loss(ideal, example.targets).mean()
        < example.task.loss(outputs, example.targets).mean()
    )
    outputs = outputs.clone().requires_grad_()
    loss = example.task.training_loss(outputs, example.targets).mean()
    loss.backward()
    stepped = (outputs - 0.01 * outputs.grad).detach()
    assert outputs.grad.isfinite().all()
    assert example.task.training_loss(stepped, example.targets).mean() < loss


def test_outputs_that_say_the_truth_are_perfect(example):
    ideal = example.ideal(example.targets)
    assert ideal.shape[1] == example.task.n_outputs
    found = judged(example.task, ideal, example.targets, torch.ones(N), N)
    assert set(found) == set(example.task.metrics)
    for name, value in example.perfect.items():
        assert found[name] == pytest.approx(value, abs=1e-5), name


def test_metrics_do_not_depend_on_batches_but_on_weights(example, outputs):
    weights = torch.tensor(RNG.uniform(0.5, 2.0, N), dtype=torch.float32)
    whole = judged(example.task, outputs, example.targets, weights, N)
    assert judged(example.task, outputs, example.targets, weights, 4) == pytest.approx(whole)
    assert judged(example.task, outputs, example.targets, 7 * weights, 4) == pytest.approx(whole)
    # An image of weight 2 is the same image twice.
    twice = torch.arange(N).repeat_interleave(torch.tensor([2, *[1] * (N - 1)]))
    doubled = torch.tensor([2.0, *[1.0] * (N - 1)])
    counted = judged(example.task, outputs[twice], example.targets[twice], torch.ones(N + 1), 4)
    assert judged(example.task, outputs, example.targets, doubled, 4) == pytest.approx(counted)


def test_equal_answers_have_themselves_as_their_mean(example, outputs):
    scores = example.task.scores(outputs).numpy()
    assert len(scores) == N
    assert scores.dtype == np.float32
    if example.task.score_names:
        assert scores.shape == (N, len(example.task.score_names))
    np.testing.assert_allclose(example.task.mean_scores([scores]), scores, rtol=1e-6)
    np.testing.assert_allclose(example.task.mean_scores([scores, scores]), scores, rtol=1e-6)


def test_scores_do_not_depend_on_the_batch(example, outputs):
    together = example.task.scores(outputs)
    alone = torch.cat([example.task.scores(outputs[i : i + 1]) for i in range(N)])
    torch.testing.assert_close(alone, together, equal_nan=True)


def test_validation_and_evaluation_agree_on_pixels():
    example = EXAMPLES["filled pixels"]
    noise = torch.randn((N, 6, ROWS, COLUMNS), generator=torch.Generator().manual_seed(2))
    outputs = example.ideal(example.targets) / 30 + noise
    found = judged(example.task, outputs, example.targets, torch.ones(N), 4)
    scores = example.task.scores(outputs).numpy().reshape(N, 3, 2, ROWS, COLUMNS)
    true = example.targets[:, :2].numpy().astype(int)
    counts = example.targets[:, 2:].numpy() > 0
    said = scores.argmax(axis=1)
    judgement = evaluate_segmentation(
        confusion_of_pixels(true, said, n_classes=3, valid=counts & (true < 3)),
        classes=CLASSES,
        bootstrap=Bootstrap(n_replicas=10),
    )
    assert found["accuracy"] == pytest.approx(judgement.accuracy.value)
    assert found["mean_iou"] == pytest.approx(judgement.mean_iou.value)
    kept = counts & (true < 3)
    ious = jaccard_score(true[kept], said[kept], average=None)
    assert found["mean_iou"] == pytest.approx(ious.mean())


def test_validation_and_evaluation_agree_on_numbers_of_pixels():
    example = EXAMPLES["pixel-regression"]
    outputs = 4 * torch.randn((N, 2, ROWS, COLUMNS), generator=torch.Generator().manual_seed(2))
    found = judged(example.task, outputs, example.targets, torch.ones(N), 4)
    true, counts = example.targets[:, :2].numpy(), example.targets[:, 2:].numpy() > 0
    judgement = evaluate_pixel_regression(
        sums_of_pixels(true, example.task.scores(outputs).numpy(), valid=counts),
        name="charge",
        bootstrap=Bootstrap(n_replicas=10),
    )
    assert found["rmse"] == pytest.approx(judgement.rmse.value, rel=1e-5)


def test_validation_and_evaluation_agree_on_points():
    example = EXAMPLES["localisation"]
    outputs = torch.randn((N, 3, ROWS, COLUMNS), generator=torch.Generator().manual_seed(3))
    found = judged(example.task, outputs, example.targets, torch.ones(N), 4)
    scores = example.task.scores(outputs).numpy()
    scores[scores[..., 2] < 0.5] = np.nan
    judgement = evaluate_localisation(
        example.targets.numpy(), scores[..., :2], tolerance=0.5, bootstrap=Bootstrap(n_replicas=10)
    )
    assert 0 < found["jaccard"] < 1
    assert found["jaccard"] == pytest.approx(judgement.jaccard.value)
