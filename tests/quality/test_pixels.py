import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.events.images import DenseImages, as_sparse
from detcnn.quality.pixels import pixel_findings, tally_pixels


def look(*images, channels=("pt",)):
    classes = [f"class {i}" for i in range(len(images))]
    return pixel_findings([tally_pixels(i) for i in images], classes=classes, channels=channels)


def test_a_tally_by_hand_whichever_way_it_is_stored():
    values = np.zeros((3, 1, 2, 2), dtype=np.float32)
    values[0, 0, 0, 1] = 2
    values[1, 0, 0, 1] = -3
    values[2, 0, 1, 0] = np.nan
    for images in (DenseImages(values), as_sparse(DenseImages(values))):
        tally = tally_pixels(images)
        assert tally.n_images == 3
        assert tally.n_filled.tolist() == [[[0, 2], [0, 0]]]
        assert tally.total.tolist() == [[[0, 5], [0, 0]]]
        assert tally.squares.tolist() == [[[0, 13], [0, 0]]]
        assert (tally + tally).n_images == 6
        assert (tally + tally).squares.tolist() == [[[0, 26], [0, 0]]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("peak", [0.01, 0.2, 1.0])
def test_healthy_images_have_neither(pictures, seed, peak):
    images = pictures(peak=peak, shape=(2, 15, 14), seed=seed)
    assert look(images, pictures(300, shape=(2, 15, 14)), channels=("pt", "count")) == ()


def test_false_alarms_are_as_rare_as_stated():
    # 200 sets of images without any structure: 0.2 false alarms of each kind are expected.
    generator = np.random.default_rng(0)
    n_alarms = 0
    for rate in np.geomspace(0.02, 0.5, 200):
        values = (generator.random((200, 1, 12, 12)) < rate).astype(np.float32)
        n_alarms += len(look(DenseImages(values)))
    assert n_alarms <= 2


def test_images_with_an_edge_and_with_fine_towers_have_no_dead_pixels(pictures):
    images = pictures(peak=1.0)
    images.values[..., :4, :] = 0
    images.values[..., :, 12:] = 0
    assert look(images) == ()
    # Towers twice as wide as pixels: three pixels of four are always empty.
    towers = np.zeros((3000, 1, 16, 16), dtype=np.float32)
    towers[..., ::2, ::2] = 1
    assert look(DenseImages(towers)) == ()


@settings(deadline=None, max_examples=10)
@given(row=st.integers(1, 13), column=st.integers(1, 13), is_sparse=st.booleans())
def test_a_dead_pixel_is_found_anywhere_but_at_the_edge(pictures, row, column, is_sparse):
    images = pictures(peak=1.0, shape=(2, 15, 15))
    healthy = DenseImages(images.values.copy())
    values = images.values + 0.1 * (np.random.default_rng(1).random(images.values.shape) < 0.1)
    values[:, 1, row, column] = 0
    dead = DenseImages(values.astype(np.float32))
    (finding,) = look(healthy, as_sparse(dead) if is_sparse else dead, channels=("pt", "n"))
    assert (finding.check, finding.severity, finding.count) == ("dead-pixels", "trouble", 1)
    assert finding.where == f"class 1, channel n, row {row}, column {column}"


def test_a_dead_column_and_a_dead_block_are_found(pictures):
    values = pictures(peak=1.0).values.copy()
    values[..., 9] = 0
    (finding,) = look(DenseImages(values))
    assert finding.check == "dead-pixels"
    assert finding.count >= 5
    values = pictures(peak=1.0).values.copy()
    values[..., 8:10, 8:10] = 0
    (finding,) = look(DenseImages(values))
    assert finding.count == 4


@settings(deadline=None, max_examples=10)
@given(row=st.integers(0, 14), column=st.integers(0, 14).filter(lambda c: abs(c - 7) > 3))
def test_a_noisy_pixel_is_found_off_the_centre(pictures, row, column):
    values = pictures(peak=0.2).values.copy()
    values[::2, 0, row, column] = 0.01
    (finding,) = look(DenseImages(values))
    assert (finding.check, finding.severity, finding.count) == ("hot-pixels", "trouble", 1)
    assert finding.where == f"class 0, channel pt, row {row}, column {column}"


def test_a_pixel_of_large_values_is_found_in_full_images():
    generator = np.random.default_rng(0)
    values = generator.exponential(1, (500, 1, 10, 10)).astype(np.float32)
    assert look(DenseImages(values)) == ()
    values[:, 0, 2, 7] *= 6
    (finding,) = look(DenseImages(values))
    assert (finding.check, finding.count) == ("hot-pixels", 1)
    # One event with a monstrous value makes no hot pixel.
    values[:, 0, 2, 7] /= 6
    values[13, 0, 2, 7] = 1e6
    assert look(DenseImages(values)) == ()


def test_the_peak_that_alignment_makes_is_not_hot(pictures):
    for size in (14, 15):
        values = pictures(peak=0.2, shape=(1, size, size)).values.copy()
        values[:, 0, size // 2, size // 2] = 5
        assert look(DenseImages(values)) == ()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 3), (3, 1, 40)])
def test_small_and_no_images_are_fine(shape):
    channels = ("a", "b", "c")[: shape[0]]
    for n_images in (0, 1, 50):
        assert look(DenseImages(np.ones((n_images, *shape), np.float32)), channels=channels) == ()
