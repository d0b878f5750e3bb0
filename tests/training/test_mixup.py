import numpy as np
import pytest
import torch

from detcnn.seeding import generator
from detcnn.training.batches import Batch
from detcnn.training.mixup import Mixture, draw_mixture
from detcnn.training.tasks import Classification

CPU = torch.device("cpu")


def test_mixed_images_by_hand():
    images = torch.tensor([[1.0, 2.0], [5.0, 10.0], [0.0, 0.0]])[:, None, None]
    mixture = Mixture(torch.tensor([1, 2, 2]), torch.tensor([0.75, 0.5, 0.1]))
    assert mixture.images(images)[:, 0, 0].tolist() == [[2, 4], [2.5, 5], [0, 0]]


def test_what_is_known_beside_images_is_mixed_as_they_are():
    extra = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    mixture = Mixture(torch.tensor([1, 0]), torch.tensor([0.5, 0.25]))
    assert mixture.extra(extra).tolist() == [[2, 20], [1.5, 15]]
    assert mixture.extra(torch.empty(2, 0)).shape == (2, 0)


def test_mixed_images_stay_channels_last():
    images = torch.rand(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    mixture = draw_mixture(4, alpha=0.5, rng=np.random.default_rng(0), device=CPU)
    assert mixture.images(images).is_contiguous(memory_format=torch.channels_last)


def test_the_loss_is_that_of_the_mixed_target():
    rng = np.random.default_rng(1)
    outputs, targets = (
        torch.from_numpy(rng.normal(size=(6, 3)).astype(np.float32)),
        torch.from_numpy(rng.integers(0, 3, 6)),
    )
    batch = Batch(torch.empty(0), targets, torch.full((6,), 2.0), torch.empty(6, 0))
    mixture = draw_mixture(6, alpha=1.0, rng=rng, device=CPU)
    share = mixture.share[:, None]
    one_hot = torch.nn.functional.one_hot(targets, 3).float()
    wanted = share * one_hot + (1 - share) * one_hot[mixture.partner]
    expected = -2 * (wanted * outputs.log_softmax(1)).sum(1)
    found = mixture.losses(Classification(3), outputs, batch)
    torch.testing.assert_close(found, expected)


def test_an_image_of_no_weight_pulls_nowhere():
    outputs = torch.tensor([[0.3, -0.2], [1.0, 0.5]], requires_grad=True)
    batch = Batch(torch.empty(0), torch.tensor([0, 1]), torch.tensor([1.0, 0.0]), torch.empty(2, 0))
    mixture = Mixture(torch.tensor([1, 0]), torch.tensor([0.25, 0.5]))
    losses = mixture.losses(Classification(2), outputs, batch)
    own = Classification(2).loss(outputs, torch.tensor([0, 0]))
    torch.testing.assert_close(losses, own * torch.tensor([0.25, 0.5]))


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_follow_their_distribution(alpha):
    mixture = draw_mixture(20_000, alpha=alpha, rng=generator(1, "mixup", 1, 1), device=CPU)
    share = mixture.share.double()
    assert float(share.mean()) == pytest.approx(0.5, abs=0.02)
    # Of the beta distribution: 1 / (4 (2 alpha + 1)).
    assert float(share.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)
    assert sorted(mixture.partner.tolist()) == list(range(20_000))
