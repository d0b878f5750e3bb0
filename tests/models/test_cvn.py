import torch

from detcnn.models.cvn import cvn
from detcnn.models.network import n_parameters


def test_each_view_has_its_own_channels():
    network = cvn((4, 20, 24), 3, width=0.125).eval()
    images = torch.rand(2, 4, 20, 24)
    changed = images.clone()
    changed[:, 2:] = 0
    before, after = network.trunk.views(images), network.trunk.views(changed)
    half = before.shape[1] // 2
    assert torch.equal(before[:, :half], after[:, :half])
    assert not torch.equal(before[:, half:], after[:, half:])


def test_siamese_views_are_treated_alike():
    network = cvn((2, 20, 24), 3, width=0.125, shared=True).eval()
    images = torch.rand(2, 2, 20, 24)
    one, other = network.trunk.views(images).chunk(2, dim=1)
    swapped = network.trunk.views(images.flip(1))
    torch.testing.assert_close(swapped, torch.cat([other, one], dim=1))


def test_shared_weights_are_counted_once():
    separate, shared = (cvn((2, 20, 24), 3, width=0.125, shared=flag) for flag in (False, True))
    of_a_view = n_parameters(separate.trunk.views.view1)
    assert n_parameters(separate) - n_parameters(shared) == of_a_view
    assert n_parameters(shared.trunk.views.every_view) == of_a_view
    with_three = cvn((3, 20, 24), 3, width=0.125, views=3)
    assert n_parameters(with_three.trunk.views) == 3 * of_a_view
