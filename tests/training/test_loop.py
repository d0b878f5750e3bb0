import dataclasses

import numpy as np
import pytest
import torch

from detcnn.errors import ConfigError, DivergedError
from detcnn.events.images import DenseImages
from detcnn.training.batches import Batches
from detcnn.training.history import EpochRecord, StepRecord, ValidationRecord
from detcnn.training.loop import FitOptions, fit, set_training, start_training
from detcnn.training.optimisers import SGD, Adam, Cosine, Plateau
from detcnn.training.prediction import predict
from detcnn.training.splits import Split
from detcnn.training.tasks import Classification

TASK = Classification(2)


def run(state, train, validation, options):
    return list(fit(state, TASK, train=train, validation=validation, options=options))


def weights_of(state):
    return {name: tensor.clone() for name, tensor in state.model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def without_seconds(records):
    return [r for r in records if not isinstance(r, EpochRecord)] + [
        dataclasses.replace(r, seconds=0.0) for r in records if isinstance(r, EpochRecord)
    ]


def test_records_come_in_the_order_of_the_work(new_state, train, validation):
    options = FitOptions(epochs=2)
    records = run(new_state(options), train, validation, options)
    # 150 images in batches of 32, then 70.
    one_epoch = [StepRecord] * 5 + [ValidationRecord] * 3 + [EpochRecord]
    assert [type(record) for record in records] == 2 * one_epoch
    assert [r.n_images for r in records[:8]] == [32, 32, 32, 32, 22, 32, 32, 6]
    assert [r.step for r in records[:5]] == [1, 2, 3, 4, 5]
    losses = [r.loss * r.n_images for r in records[:5]]
    assert records[8].train_loss == pytest.approx(sum(losses) / 150)
    assert records[8].epoch == 1
    assert records[17].epoch == 2


def test_steps_are_those_of_a_plain_loop(new_model, new_state, train, validation):
    options = FitOptions(epochs=2, optimiser=SGD(learning_rate=0.05), gradient_clip=0.3)
    state = new_state(options)
    model = new_model()
    for module in (*state.model.modules(), *model.modules()):
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    run(state, train, validation, options)

    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in (1, 2):
        for batch in train.iter_batches(epoch):
            loss = torch.nn.functional.cross_entropy(
                model(batch.images), batch.targets, reduction="none"
            )
            optimiser.zero_grad()
            ((loss * batch.weights).sum() / len(loss)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.3)
            optimiser.step()
    for name, expected in model.state_dict().items():
        torch.testing.assert_close(state.model.state_dict()[name], expected, rtol=1e-4, atol=1e-5)


def test_validation_is_what_prediction_says(new_state, train, validation):
    options = FitOptions(epochs=1)
    state = new_state(options)
    record = run(state, train, validation, options)[-1]
    scores = predict(state.model, TASK, validation.images)
    weight = validation.weight / validation.weight.sum()
    loss = -np.log(scores[np.arange(70), validation.target]) @ weight
    accuracy = (scores.argmax(1) == validation.target) @ weight
    assert record.validation["loss"] == pytest.approx(loss, rel=1e-5)
    assert record.validation["accuracy"] == pytest.approx(accuracy)
    assert record.validation.keys() == {"loss", "accuracy", "auc"}


def test_it_learns(new_state, train, validation):
    options = FitOptions(epochs=15, optimiser=Adam(learning_rate=0.01))
    train = Batches(train.split, batch_size=32, seed=1)
    history = [r for r in run(new_state(options), train, validation, options) if _is_epoch(r)]
    assert history[-1].validation["auc"] > 0.9
    assert history[-1].validation["loss"] < 0.8 * history[0].validation["loss"]


def _is_epoch(record):
    return isinstance(record, EpochRecord)


def test_the_result_is_a_function_of_the_seed(new_state, train, validation):
    options = FitOptions(epochs=1)
    first, again, other = new_state(options), new_state(options), new_state(options)
    torch.manual_seed(1)
    records = run(first, train, validation, options)
    torch.manual_seed(2)
    assert without_seconds(run(again, train, validation, options)) == without_seconds(records)
    assert same(weights_of(first), weights_of(again))
    run(other, Batches(train.split, batch_size=32, seed=6), validation, options)
    assert not same(weights_of(first), weights_of(other))


def test_dropout_differs_from_step_to_step(new_state, train, validation):
    # With a learning rate of next to nothing and one image, only dropout can change the loss.
    one = Split(train.split.images.slice(0, 1), train.split.target[:1], np.ones(1))
    options = FitOptions(epochs=6, optimiser=SGD(learning_rate=1e-12))
    records = run(new_state(options), Batches(one, batch_size=1, seed=1), validation, options)
    assert len({r.loss for r in records if isinstance(r, StepRecord)}) > 3


def test_the_callers_random_state_and_settings_are_left_alone(new_state, train, validation):
    options = FitOptions(epochs=1)
    before = torch.get_rng_state()
    for _ in fit(new_state(options), TASK, train=train, validation=validation, options=options):
        assert torch.equal(before, torch.get_rng_state())
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.is_grad_enabled()


def test_an_image_of_no_weight_has_no_influence(new_state, train, validation, values):
    label = np.arange(50) % 2
    weight = np.where(np.arange(50) < 25, 1.0, 0.0)
    other = values.copy()
    other[25:] = 7.0
    options = FitOptions(epochs=1)
    results = []
    for dense in (values, other):
        state = new_state(options)
        batches = Batches(Split(DenseImages(dense), label, weight), batch_size=16, seed=1)
        run(state, batches, validation, options)
        results.append(weights_of(state))
    assert same(*results)


def test_only_ratios_of_weights_matter(new_state, train, validation):
    options = FitOptions(epochs=1)
    results = []
    for scale in (1.0, 4.0):
        split = dataclasses.replace(train.split, weight=train.split.weight * scale)
        state = new_state(options)
        run(state, Batches(split, batch_size=32, seed=1), validation, options)
        results.append(weights_of(state))
    assert same(*results)


def test_early_stopping_and_the_best_epoch(new_state, train, validation):
    options = FitOptions(epochs=30, optimiser=SGD(learning_rate=1e-9), patience=3, monitor="auc")
    state = new_state(options)
    history = [r for r in run(state, train, validation, options) if _is_epoch(r)]
    # Steps of nothing: the first epoch stays the best.
    assert [r.is_best for r in history] == [True, False, False, False]
    assert state.history == history
    assert run(state, train, validation, options) == []


def test_the_best_weights_are_those_of_the_best_epoch(new_state, train, validation):
    options = FitOptions(epochs=6, optimiser=SGD(learning_rate=0.5), monitor="accuracy")
    state = new_state(options)
    snapshots = {}
    for record in fit(state, TASK, train=train, validation=validation, options=options):
        if _is_epoch(record):
            snapshots[record.epoch] = weights_of(state)
    accuracy = [r.validation["accuracy"] for r in state.history]
    best = 1 + int(np.argmax(accuracy))
    assert max(r.epoch for r in state.history if r.is_best) == best
    assert same(state.best_weights, snapshots[best])


def test_warm_up_and_schedule_set_the_learning_rate(new_state, train, validation):
    options = FitOptions(
        epochs=2, optimiser=Adam(learning_rate=0.01), schedule=Cosine(), warmup_steps=4
    )
    records = run(new_state(options), train, validation, options)
    rates = [r.learning_rate for r in records if isinstance(r, StepRecord)]
    cosine = (1 + np.cos(np.pi * np.arange(10) / 10)) / 2
    warmup = np.minimum(1, np.arange(1, 11) / 4)
    np.testing.assert_allclose(rates, 0.01 * cosine * warmup)
    assert [r.learning_rate for r in records if _is_epoch(r)] == [rates[4], rates[9]]


def test_a_plateau_lowers_the_learning_rate(new_state, train, validation):
    schedule = Plateau(patience=2, reduction=0.5)
    options = FitOptions(
        epochs=6, optimiser=SGD(learning_rate=1e-9), schedule=schedule, monitor="auc"
    )
    history = [r for r in run(new_state(options), train, validation, options) if _is_epoch(r)]
    factors = [r.learning_rate / 1e-9 for r in history]
    assert factors == pytest.approx([1, 1, 1, 0.5, 0.5, 0.25])


def test_bf16_computes_in_less_and_keeps_weights_in_float32(new_state, train, validation):
    exact, less = FitOptions(epochs=1), FitOptions(epochs=1, precision="bf16")
    states = [new_state(exact), new_state(less)]
    records = [run(states[0], train, validation, exact), run(states[1], train, validation, less)]
    assert records[0][0].loss != records[1][0].loss
    assert records[0][0].loss == pytest.approx(records[1][0].loss, rel=0.05)
    assert all(tensor.dtype == torch.float32 for tensor in weights_of(states[1]).values())


def test_a_loss_that_is_no_number_stops_before_the_weights_are_spoiled(
    new_state, train, validation
):
    options = FitOptions(epochs=3)
    state = new_state(options)
    records = fit(state, TASK, train=train, validation=validation, options=options)
    for _ in range(3):
        next(records)
    state.model.network.head.weight.data.fill_(1e38)
    before = weights_of(state)
    with pytest.raises(DivergedError, match=r"epoch 1, step 4: .* lower the learning rate"):
        next(records)
    assert same(before, weights_of(state))
    assert state.step == 3


def test_a_validation_loss_that_is_no_number_is_refused(new_state, train, validation):
    options = FitOptions(epochs=1)
    state = new_state(options)
    records = fit(state, TASK, train=train, validation=validation, options=options)
    for _ in range(5):
        next(records)
    state.model.network.head.weight.data.fill_(1e38)
    with pytest.raises(DivergedError, match="epoch 1: the validation loss is"):
        list(records)
    assert state.history == []


def without_dropout(state):
    for module in state.model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    return state


@pytest.mark.parametrize("n_images", [96, 150])
def test_accumulated_batches_are_one_large_batch(new_state, validation, toy_split, n_images):
    split = toy_split(n_images, seed=1)
    sgd = SGD(learning_rate=0.05)
    small = FitOptions(epochs=2, optimiser=sgd, accumulate=3, gradient_clip=0.5)
    large = dataclasses.replace(small, accumulate=1)
    states = [without_dropout(new_state(small)), without_dropout(new_state(large))]
    records = [
        run(states[0], Batches(split, batch_size=16, seed=5), validation, small),
        run(states[1], Batches(split, batch_size=48, seed=5), validation, large),
    ]
    steps = [[r for r in part if isinstance(r, StepRecord)] for part in records]
    assert [r.n_images for r in steps[0]] == [r.n_images for r in steps[1]]
    assert [r.n_steps for r in steps[0]] == [r.n_steps for r in steps[1]]
    for one, other in zip(*steps, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.learning_rate == other.learning_rate
    for name, expected in weights_of(states[1]).items():
        torch.testing.assert_close(weights_of(states[0])[name], expected, rtol=1e-4, atol=1e-5)


def test_the_average_is_validated_and_kept(new_state, train, validation):
    options = FitOptions(epochs=1, optimiser=Adam(learning_rate=0.02), ema_decay=0.4)
    state, plain = new_state(options), new_state(dataclasses.replace(options, ema_decay=None))
    expected = weights_of(state)
    n_steps = 0
    for record in fit(state, TASK, train=train, validation=validation, options=options):
        if isinstance(record, StepRecord):
            n_steps += 1
            kept = min(0.4, (1 + n_steps) / (10 + n_steps))
            for name, tensor in weights_of(state).items():
                expected[name] = kept * expected[name] + (1 - kept) * tensor
    assert n_steps == 5
    for name, tensor in expected.items():
        torch.testing.assert_close(state.judged.state_dict()[name], tensor)
    (record,) = state.history
    assert same(state.best_weights, dict(state.judged.state_dict()))
    scores = predict(state.judged, TASK, validation.images)
    weight = validation.weight / validation.weight.sum()
    loss = -np.log(scores[np.arange(70), validation.target]) @ weight
    assert record.validation["loss"] == pytest.approx(loss, rel=1e-5)
    # What is trained does not know of it.
    run(plain, train, validation, dataclasses.replace(options, ema_decay=None))
    assert same(weights_of(plain), weights_of(state))
    assert not same(weights_of(plain), dict(state.judged.state_dict()))


def test_a_mixture_of_images_with_themselves_is_plain_training(new_state, validation, toy_split):
    one = toy_split(1, seed=1)
    results = []
    for alpha in (None, 0.4):
        options = FitOptions(epochs=3, mixup_alpha=alpha)
        state = without_dropout(new_state(options))
        run(state, Batches(one, batch_size=1, seed=1), validation, options)
        results.append(weights_of(state))
    for name, expected in results[0].items():
        torch.testing.assert_close(results[1][name], expected)


def test_mixtures_differ_from_step_to_step_and_with_the_seed(new_state, train, validation):
    options = FitOptions(epochs=1, mixup_alpha=1.0)
    states = [new_state(options) for _ in range(3)]
    for state, seed in zip(states, (5, 5, 6), strict=True):
        run(state, Batches(train.split, batch_size=32, seed=seed), validation, options)
    weights = [weights_of(state) for state in states]
    assert same(weights[0], weights[1])
    assert not same(weights[0], weights[2])


def test_smoothed_targets_are_for_training_alone(new_state, train, validation):
    options = FitOptions(epochs=1, optimiser=SGD(learning_rate=1e-9))
    records = []
    for smoothing in (0.0, 0.2):
        task = Classification(2, label_smoothing=smoothing)
        state = without_dropout(new_state(options))
        records.append(
            list(fit(state, task, train=train, validation=validation, options=options))[-1]
        )
    assert records[0].validation["loss"] == pytest.approx(records[1].validation["loss"], rel=1e-6)
    assert records[0].train_loss != pytest.approx(records[1].train_loss, rel=1e-3)


def test_weights_without_a_gradient_stay_and_their_layers_do_not_learn(
    new_model, train, validation
):
    model = new_model()
    model.network.trunk[0].append(torch.nn.BatchNorm2d(4))
    model.network.trunk[0].requires_grad_(False)
    options = FitOptions(epochs=1, optimiser=SGD(learning_rate=0.1, weight_decay=0.1))
    state = start_training(model, options=options, device=torch.device("cpu"))
    before = weights_of(state)
    run(state, train, validation, options)
    for name, tensor in weights_of(state).items():
        assert torch.equal(tensor, before[name]) == name.startswith(
            ("standardise", "network.trunk.block1")
        ), name
    set_training(model)
    is_training = {n: m.training for n, m in model.network.trunk.named_modules() if "." in n}
    assert not any(v for n, v in is_training.items() if n.startswith("block1."))
    assert all(v for n, v in is_training.items() if not n.startswith("block1."))


def test_an_unknown_metric_cannot_be_monitored(new_state, train, validation):
    options = FitOptions(monitor="f1")
    with pytest.raises(ConfigError, match="cannot monitor 'f1': expected one of loss, accuracy"):
        run(new_state(options), train, validation, options)
