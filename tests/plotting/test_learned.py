import math

import numpy as np
import pytest

from detcnn.evaluation.correlation import PixelCorrelation
from detcnn.evaluation.learned import Learned
from detcnn.evaluation.occlusion import OcclusionMaps
from detcnn.evaluation.profiles import score_profile
from detcnn.evaluation.sculpting import sculpting
from detcnn.plotting.learned import ImageMaps, learned_section
from detcnn.plotting.maps import signed_maps_figure
from detcnn.plotting.profiles import profile_figure
from detcnn.plotting.sculpting import sculpting_figure
from detcnn.plotting.style import svg

EDGES = np.linspace(0, 200, 11)


@pytest.fixture(scope="module")
def mass():
    return np.random.default_rng(0).uniform(0, 150, 400)


@pytest.fixture(scope="module")
def sculpted(mass):
    score = mass / 300 + np.random.default_rng(1).random(400) / 2
    points = [(0.3, 0.6), (0.5, 0.5), (0.7, math.inf)]
    return sculpting("jet_mass", mass, score, points=points, edges=EDGES, n_replicas=20)


@pytest.fixture(scope="module")
def profile(mass):
    score, labels = np.random.default_rng(2).random(400), np.arange(400) % 2
    return score_profile("jet_mass", mass, score, labels, classes=["q", "$g"], edges=EDGES)


@pytest.fixture
def maps(grid):
    coefficient = np.linspace(-0.3, 0.2, 24).reshape(2, 4, 3)
    coefficient[0, 0, 0] = np.nan
    mean = np.arange(48.0).reshape(2, 2, 4, 3) / 1000
    return ImageMaps(
        grid=grid,
        channels=["charged", "neutral"],
        units=["GeV", "1"],
        signal_mean=np.ones((2, 4, 3)),
        background_mean=np.zeros((2, 4, 3)),
        correlation=PixelCorrelation(coefficient, n_effective=400.0),
        occlusion=OcclusionMaps(mean, np.full_like(mean, 1e-3), np.array([7, 1200])),
        occlusion_made={"patch": 3, "stride": 2, "empty": "zero"},
    )


def test_maps_share_a_scale_that_is_centred_on_zero(grid):
    image = np.zeros((4, 3))
    image[3, 0], image[1, 1] = -0.2, np.nan
    figure = signed_maps_figure({"a_$b": image, "b": 0.5 * image}, grid=grid, quantity="change")
    first, second = (axes.get_images()[0] for axes in figure.axes[:2])
    assert (first.norm.vmin, first.norm.vmax) == (-0.2, 0.2)
    assert (second.norm.vmin, second.norm.vmax) == (-0.2, 0.2)
    assert first.get_array()[0, 3] == -0.2  # rows run along the horizontal axis
    assert first.get_array().mask[1, 1]
    assert figure.axes[-1].get_xlabel() == "change"
    svg(figure)


@pytest.mark.parametrize("n_maps", [1, 5])
@pytest.mark.parametrize("value", [np.nan, 0.0, 1e-9])
def test_maps_of_any_kind_and_number_can_be_drawn(grid, n_maps, value):
    maps = {str(i): np.full((4, 3), value) for i in range(n_maps)}
    figure = signed_maps_figure(maps, grid=grid, quantity="x", note="y", linear_to=1e-10)
    assert sum(axes.get_visible() for axes in figure.axes) == n_maps + 1
    svg(figure)


def test_logarithmic_ticks_stay_on_the_scale(grid):
    image = np.linspace(-0.05, 0.05, 12).reshape(4, 3)
    figure = signed_maps_figure({"a": image}, grid=grid, quantity="x", linear_to=5e-4)
    ticks = figure.axes[-1].get_xticks()
    np.testing.assert_allclose(ticks, [-0.01, -0.001, 0, 0.001, 0.01])


def test_a_profile_shows_the_bins_that_have_events(profile):
    figure = profile_figure(profile)
    upper, lower = figure.axes
    assert np.isnan(profile.mean[:, 8:]).all()
    for i, points in enumerate(upper.containers):
        np.testing.assert_array_equal(points[0].get_ydata(), profile.mean[i][:8])
    low, high = upper.get_ylim()
    assert low < np.nanmin(profile.mean) < np.nanmax(profile.mean) < high
    assert lower.get_xlabel() == "jet mass [GeV]"
    svg(figure)


def test_spectra_leave_out_a_cut_that_nothing_passes(sculpted):
    figure = sculpting_figure(sculpted, name="gluon")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels[0] == "gluon, before cuts: 400 events"
    assert len(labels) == 4
    assert f"{sculpted.cuts[0].n_events} events, distance " in labels[1]
    assert f"{sculpted.cuts[0].from_all.interval.value:.3f}" in labels[1]
    assert labels[3].endswith(": 0 events, too few to draw")
    assert len(figure.axes[1].containers) == 2
    first = figure.axes[1].containers[0][0].get_ydata()
    filled = (sculpted.density > 0) & (sculpted.cuts[0].density > 0)
    expected = sculpted.cuts[0].density[filled] / sculpted.density[filled]
    np.testing.assert_allclose(first, expected)
    svg(figure)


def test_spectra_of_few_events_have_wide_bins_with_errors_and_fewer_still_are_not_drawn(mass):
    # The 12 and the 9 largest masses pass: 12 events fill two bins of 20 as they are.
    wide = np.linspace(0, 200, 101)
    scores = np.sort(mass)[::-1]
    points = [(0.5, scores[11]), (0.3, scores[8])]
    found = sculpting("mass", mass, mass, points=points, edges=wide, n_replicas=20)
    assert [cut.n_events for cut in found.cuts] == [12, 9]
    figure = sculpting_figure(found, name="g")
    upper, lower = figure.axes
    labels = [text.get_text() for text in upper.get_legend().get_texts()]
    assert labels[2].endswith("9 events, too few to draw")
    (drawn,) = upper.containers  # the errors of the one that is drawn
    before, *cuts = [patch for patch in upper.patches if patch.get_fill() is False]
    assert len(cuts) == 1
    density, edges, _ = cuts[0].get_data()
    assert 1 <= np.count_nonzero(density) <= 4
    assert np.sum(density * np.diff(edges)) == pytest.approx(1)
    counts, _ = np.histogram(scores[:12], edges)
    np.testing.assert_allclose(density * np.diff(edges) * 12, counts)
    np.testing.assert_allclose(before.get_data()[0], np.histogram(mass, edges, density=True)[0])
    filled = density > 0
    np.testing.assert_allclose(drawn[0].get_ydata(), density[filled])
    (bars,) = drawn[2]
    lengths = [np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments()]
    np.testing.assert_allclose(lengths, density[filled] / np.sqrt(counts[filled]))
    (ratios,) = lower.containers
    expected = density[filled] / before.get_data()[0][filled]
    np.testing.assert_allclose(ratios[0].get_ydata(), expected)
    svg(figure)


def test_the_section_has_all_there_is(maps, profile, sculpted):
    section = learned_section(
        Learned((profile,), sculpted), maps, classes=["q", "g"], signal="q", background="g"
    )
    assert [picture.name for picture in section.pictures] == [
        "class-difference", "correlation", "occlusion", "score-against-jet_mass",
        "sculpting-jet_mass",
    ]  # fmt: skip
    assert "without multiplicity (jet_multiplicity or n_constituents)." in section.lead
    (table,) = section.tables
    cut = sculpted.cuts[0]
    assert table.rows[0][2] == cut.from_all.interval.text()
    assert table.rows[0][4] == cut.from_failing.interval.text()
    assert set(table.rows[2][2:]) == {"–"}
    assert "Lin" in table.caption
    texts = " ".join(picture.caption for picture in section.pictures)
    assert "1/√N = 0.05" in texts
    assert "3 × 3 pixels" in texts


def test_the_map_is_that_of_the_signal_score(maps):
    for signal, index in (("q", 0), ("g", 1)):
        section = learned_section(
            Learned((), None), maps, classes=["q", "g"], signal=signal, background="other"
        )
        figure = section.pictures[2].figure
        for i, axes in enumerate(figure.axes[:2]):
            shown = axes.get_images()[0].get_array()
            np.testing.assert_array_equal(shown, maps.occlusion.mean[i, index].T)
        titles = [axes.get_title(loc="left") for axes in figure.axes[:2]]
        assert titles == ["q, 7 events", "g, 1,200 events"]
        assert section.tables == ()


def test_a_profile_without_two_events_in_a_bin_can_be_drawn():
    labels = np.array([0, 1])
    profile = score_profile("mass", [10, 150], [0.2, 0.9], labels, classes=["q", "g"], edges=EDGES)
    assert np.isnan(profile.error).all()
    svg(profile_figure(profile))
