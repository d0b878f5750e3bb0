from detcnn.stages.history import draw_history


def test_errors_have_the_unit_of_their_task():
    heads = {
        "sum": {"task": {"name": "regression"}},
        "map": {"task": {"name": "pixel-regression"}},
        "mu": {"task": {"name": "multi-label"}},
    }
    record = {"epoch": 1, "validation_sum.rmse": 0.5, "validation_map.rmse": 2.0}
    figure = draw_history([record], task={"name": "multi-task", "heads": heads}, best_epoch=1)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()][:2] == [
        "validation sum: RMSE\nin spreads of the scaled targets",
        "validation map: RMSE\nin the unit of the truth",
    ]
