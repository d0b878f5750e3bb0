import pytest
import torch

from detcnn.training.optimisers import SGD, AdaDelta, Adam, AdamW, Constant, Cosine, Plateau, Step


def weight_after_two_steps(options):
    """Descend on L = 3 w from w = 1: the gradient is 3 at both steps."""
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    optimiser = options.build(model)
    for _ in range(2):
        optimiser.zero_grad()
        (3 * model.weight).sum().backward()
        optimiser.step()
    return model.weight.item()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # A constant gradient makes both moments, corrected for their start, equal to it.
        (Adam(learning_rate=0.1), 1 - 0.1 - 0.1),
        # Each step first shrinks the weight by rate · decay = 5 %.
        (AdamW(learning_rate=0.1, weight_decay=0.5), (1 * 0.95 - 0.1) * 0.95 - 0.1),
        (SGD(learning_rate=0.1, momentum=0.0), 1 - 0.3 - 0.3),
        # Velocities 3 and 3 + 0.5·3.
        (SGD(learning_rate=0.1, momentum=0.5), 1 - 0.3 - 0.45),
        # Nesterov looks ahead: 3 + 0.5·3, then 3 + 0.5·4.5.
        (SGD(learning_rate=0.1, momentum=0.5, nesterov=True), 1 - 0.45 - 0.525),
        # Mean squares of the gradient 4.5 and 6.75, of the steps 0 and half the first one's.
        (
            AdaDelta(learning_rate=0.5, decay=0.5, epsilon=0.01),
            1 - 0.5 * 3 * (0.1 / 4.51**0.5 + (0.5 * 0.09 / 4.51 + 0.01) ** 0.5 / 6.76**0.5),
        ),
        # Gradients 3 + 0.5·1 and 3 + 0.5·0.65.
        (SGD(learning_rate=0.1, momentum=0.0, weight_decay=0.5), 0.65 - 0.3325),
    ],
)
def test_two_steps_by_hand(options, expected):
    assert weight_after_two_steps(options) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("schedule", "epoch", "share", "losses", "expected"),
    [
        (Constant(), 9, 0.9, [1.0, 2.0], 1.0),
        (Cosine(), 1, 0.0, [], 1.0),
        (Cosine(), 5, 0.5, [], 0.5),
        (Cosine(), 9, 1.0, [], 0.0),
        (Cosine(final=0.2), 5, 0.5, [], 0.6),
        (Cosine(final=0.2), 9, 1.0, [], 0.2),
        (Step(every=2, reduction=0.1), 2, 0.0, [], 1.0),
        (Step(every=2, reduction=0.1), 3, 0.0, [], 0.1),
        (Step(every=2, reduction=0.1), 5, 0.0, [], 0.01),
        (Plateau(patience=2, reduction=0.5), 3, 0.0, [1.0, 0.9], 1.0),
        (Plateau(patience=2, reduction=0.5), 4, 0.0, [1.0, 1.1, 1.0], 0.5),
        (Plateau(patience=2, reduction=0.5), 6, 0.0, [1.0, 1.1, 1.0, 1.0, 1.0], 0.25),
    ],
)
def test_schedules_by_hand(schedule, epoch, share, losses, expected):
    factor = schedule.factor(epoch=epoch, share=share, losses=losses)
    assert factor == pytest.approx(expected, abs=1e-12)
