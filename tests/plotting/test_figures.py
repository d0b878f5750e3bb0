from dataclasses import replace

import numpy as np
import pytest

from detcnn.evaluation.confusion import confusion
from detcnn.evaluation.inputs import scored_events
from detcnn.plotting.calibration import calibration_figure
from detcnn.plotting.confusion import confusion_figure
from detcnn.plotting.efficiency import efficiency_figure
from detcnn.plotting.images import difference_figure, images_figure
from detcnn.plotting.roc import improvement_figure, rejection_figure
from detcnn.plotting.scores import scores_figure
from detcnn.plotting.style import svg
from detcnn.plotting.training import history_figure


def legend_texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_rejection_follows_the_curve(two_classes):
    figure = rejection_figure([two_classes.headline])
    axes, roc = figure.axes[0], two_classes.headline.roc
    line = axes.get_lines()[0]
    seen = roc.background_efficiency > 0
    np.testing.assert_array_equal(line.get_xdata(), roc.signal_efficiency[seen])
    np.testing.assert_allclose(line.get_ydata() * roc.background_efficiency[seen], 1)
    assert np.isfinite(line.get_ydata()).all()
    assert two_classes.headline.auc.interval.text() in legend_texts(axes)[0]
    assert axes.get_ylim()[1] > line.get_ydata().max()
    svg(figure)


def test_improvement_leaves_limits_out(two_classes):
    axes = improvement_figure([two_classes.headline]).axes[0]
    points = [p for p in two_classes.headline.curve if not p.background_rejection.is_lower_limit]
    assert 0 < len(points) < len(two_classes.headline.curve)
    assert len(axes.get_lines()[0].get_xdata()) == len(points)


def test_many_curves_have_their_legend_beside_them(three_classes):
    figure = rejection_figure(2 * three_classes.one_versus_one)
    assert figure.axes[0].get_legend() is None
    assert len(figure.legends[0].get_texts()) == 7
    svg(figure)


def test_scores_show_the_reference(two_classes):
    distributions = two_classes.distributions
    alone = scores_figure(distributions)
    both = scores_figure(distributions, reference=distributions, reference_name="train")
    assert legend_texts(alone.axes[0]) == ["quark", "gluon"]
    assert set(legend_texts(both.axes[0])) == {
        "quark", "gluon", "quark (train)", "gluon (train)",
    }  # fmt: skip
    svg(both)


def test_efficiency_marks_each_working_point(two_classes):
    figure = efficiency_figure(two_classes.efficiencies)
    assert legend_texts(figure.axes[0]) == ["0.3", "0.5", "0.7"]
    assert figure.axes[1].get_xlabel() == r"$p_\mathrm{T}$ [GeV]"
    svg(figure)


def test_efficiency_of_zero_hangs_an_arrow(two_classes):
    (first, *_) = two_classes.efficiencies
    assert (first.background.efficiency.value == 0).any()
    signal_axes, background_axes = efficiency_figure([first]).axes
    assert len(signal_axes.containers) == 1
    points, limits = background_axes.containers
    n_zeros = np.count_nonzero(first.background.efficiency.value == 0)
    assert len(limits[0].get_xdata()) == n_zeros
    assert len(points[0].get_xdata()) == len(first.background.n_events) - n_zeros


def test_efficiency_of_bins_without_background(two_classes):
    (first, *_) = two_classes.efficiencies
    empty = replace(first.background, n_events=np.zeros_like(first.background.n_events))
    svg(efficiency_figure([replace(first, background=empty)]))


@pytest.mark.parametrize(("n_classes", "digits"), [(2, 3), (6, 2)])
def test_confusion_prints_every_fraction(n_classes, digits):
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(n_classes), 60)
    events = scored_events(scores, np.arange(60) % n_classes, classes=list("abcdef")[:n_classes])
    result = confusion(events)
    figure = confusion_figure(result)
    printed = [text.get_text() for text in figure.axes[0].texts]
    for value in result.fraction.value.flat:
        assert f"{value:.{digits}f}" in printed
    svg(figure)


def test_calibration_skips_empty_bins(two_classes):
    (calibration,) = two_classes.calibrations
    figure = calibration_figure([calibration])
    drawn = figure.axes[0].get_lines()[1].get_ydata()
    assert len(drawn) == np.count_nonzero(calibration.n_events)
    svg(figure)


RECORDS = [
    {"epoch": 1, "train_loss": 0.7, "validation_loss": 0.8, "validation_auc": None},
    {"epoch": 2, "train_loss": 0.6, "validation_loss": 0.7, "validation_auc": 0.8},
]


def test_history_has_a_panel_for_what_there_is():
    figure = history_figure(RECORDS, best_epoch=2)
    loss, metric = figure.axes
    assert [loss.get_ylabel(), metric.get_ylabel()] == ["Loss", "Metric"]
    assert legend_texts(loss) == ["training", "validation", "best epoch, 2"]
    assert legend_texts(metric) == ["validation AUC"]
    with_rate = history_figure([record | {"learning_rate": 1e-3} for record in RECORDS])
    assert len(with_rate.axes) == 3
    svg(with_rate)


def test_a_history_of_several_tasks_hides_no_curve_and_says_units():
    names = ("mu.loss", "mu.mean_auc", "e_em.loss", "e_em.rmse")
    records = [
        {"epoch": e, "train_loss": 1.0, "validation_loss": 1.0}
        | {f"validation_{name}": 0.1 * e for name in names}
        for e in (1, 2)
    ]
    figure = history_figure(records, best_epoch=2, notes={"validation_e_em.rmse": "in spreads"})
    assert [axes.get_ylabel() for axes in figure.axes] == ["Loss", "Metric", "RMS error"]
    loss, metric, error = (legend_texts(axes) for axes in figure.axes)
    assert loss[:4] == ["training", "validation", "validation mu: loss", "validation e_em: loss"]
    assert (metric, error) == (["validation mu: mean AUC"], ["validation e_em: RMSE\nin spreads"])
    svg(figure)
    for axes in figure.axes:
        assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1


def test_image_rows_run_along_the_horizontal_axis(grid):
    image = np.zeros((1, 4, 3))
    image[0, 3, 0] = 2.0  # highest eta, lowest phi
    image[0, 0, 2] = 1.0
    figure = images_figure({"a": image}, grid=grid, channels=["charged"], units=["GeV"])
    axes = figure.axes[0]
    shown = axes.get_images()[0]
    assert shown.get_extent() == pytest.approx((-0.4, 0.4, -0.3, 0.3))
    assert shown.origin == "lower"
    pixels = shown.get_array()
    assert pixels.shape == (3, 4)
    assert (pixels[0, 3], pixels[2, 0]) == (2, 1)
    assert pixels.mask.sum() == 10
    assert axes.get_xlabel() == r"$\Delta\eta$"
    assert axes.get_ylabel() == r"$\Delta\phi$ [rad]"
    assert figure.axes[-1].get_xlabel() == "charged [GeV]"
    svg(figure)


@pytest.mark.parametrize("value", [0.0, 1e-7, 3e6])
def test_flat_and_empty_images_can_be_drawn(grid, value):
    image = np.full((1, 4, 3), value)
    kwargs = {"grid": grid, "channels": ["a"], "units": ["1"]}
    svg(images_figure({"first": image, "second": 0 * image}, **kwargs))
    svg(difference_figure(image, image, names=("first", "second"), **kwargs))


def test_difference_is_centred_on_zero(grid):
    first, second = np.zeros((1, 4, 3)), np.zeros((1, 4, 3))
    first[0, 1, 1], second[0, 2, 2] = 5.0, 3.0
    figure = difference_figure(
        first, second, names=("q", "g"), grid=grid, channels=["charged"], units=["GeV"]
    )
    shown = figure.axes[0].get_images()[0]
    assert (shown.norm.vmin, shown.norm.vmax) == (-5, 5)
    assert (shown.get_array()[1, 1], shown.get_array()[2, 2]) == (5, -3)
    assert figure.axes[0].get_title(loc="left") == "q − g, charged"
