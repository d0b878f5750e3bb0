import pytest
import torch

from detcnn.models.network import n_parameters
from detcnn.models.unet import residual_unet, unet


def test_parameters_counted_by_hand():
    def stage(n_in: int, n_out: int) -> int:
        return n_out * (9 * n_in + 1) + n_out * (9 * n_out + 1)

    sizes = [64, 128, 256, 512, 1024]
    down = stage(1, 64) + sum(stage(n // 2, n) for n in sizes[1:])
    up = sum(n // 2 * (4 * n) + n // 2 + stage(n, n // 2) for n in sizes[1:])
    with torch.device("meta"):
        network = unet((1, 64, 64), 2, norm="none")
    # 31.0 million, as published.
    assert n_parameters(network) == down + up + 2 * 65 == 31_030_658


@pytest.mark.parametrize("build", [unet, residual_unet])
@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("periodic", [False, True])
def test_there_is_an_output_for_each_pixel_of_any_image(build, upsampling, periodic):
    options = {"width": 0.125, "depth": 2, "upsampling": upsampling, "periodic": periodic}
    for rows, columns in ((1, 1), (8, 12), (7, 13)):
        network = build((2, rows, columns), 3, **options).eval()
        images = torch.rand(2, 2, rows, columns)
        assert network(images).shape == (2, 3, rows, columns)
        assert network.features(images).shape == (2, 8, rows, columns)


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
def test_the_full_size_and_the_bottom_are_both_seen(upsampling):
    network = unet((1, 16, 16), 1, width=0.125, depth=2, upsampling=upsampling).double().eval()
    images = torch.rand(1, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    network(images)[0, 0, 8, 8].backward()
    rows = images.grad[0, 0].abs().sum(1).nonzero().flatten()
    # Two convolutions at the full size alone see 5 rows; through the bottom it is nearly all.
    assert len(rows) >= 13


def test_what_is_added_to_fill_up_is_cut_off_again():
    network = unet((1, 6, 8), 2, width=0.125, depth=2).eval()
    images = torch.rand(1, 1, 6, 8)
    filled = torch.nn.functional.pad(images, (0, 0, 0, 2))
    torch.testing.assert_close(network(images), network(filled)[:, :, :6])
