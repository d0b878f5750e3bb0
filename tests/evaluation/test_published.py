import csv
import io

import pytest

from detcnn.errors import DataError
from detcnn.evaluation.published import PublishedFigure, published_figures

HEADER = "name,auc,rejection,at_efficiency,source\n"


def read(text):
    return published_figures(list(csv.DictReader(io.StringIO(text))), place="t.csv")


def test_cells_may_be_empty():
    assert read(HEADER + "A,0.9,30,0.5,arXiv:1\nB,,20.5,0.3,arXiv:2\n C ,1,,,here\n") == (
        PublishedFigure("A", 0.9, 30, 0.5, "arXiv:1"),
        PublishedFigure("B", None, 20.5, 0.3, "arXiv:2"),
        PublishedFigure("C", 1, None, None, "here"),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "t.csv: no rows: expected a header name,auc"),
        ("name,auc\nA,0.9\n", "t.csv: columns name, auc: expected name, auc, rejection"),
        (HEADER + "A,0.9,30,0.5,x\nB,0.9\n", "line 3: expected 5 cells"),
        (HEADER + "A, two,0.9,30,0.5,x\n", "line 2: expected 5 cells; put text with commas in quo"),
        (HEADER + ",0.9,30,0.5,x\n", "line 2: no name"),
        (HEADER + "A,0.9,30,0.5, \n", "line 2: no source"),
        (HEADER + "A,91,30,0.5,x\n", "line 2: auc '91': expected a number, above 0, up to 1"),
        (HEADER + "A,0,30,0.5,x\n", "line 2: auc '0'"),
        (HEADER + "A,0.9,0.9,0.5,x\n", "line 2: rejection '0.9': expected a number, 1 or more"),
        (HEADER + "A,0.9,inf,0.5,x\n", "line 2: rejection 'inf'"),
        (HEADER + "A,0.9,30±1,0.5,x\n", "line 2: rejection '30±1'"),
        (HEADER + "A,0.9,30,50,x\n", "line 2: at_efficiency '50'"),
        (HEADER + "A,0.9,30,nan,x\n", "line 2: at_efficiency 'nan'"),
        (HEADER + "A,0.9,30,,x\n", "line 2: expected rejection and at_efficiency together"),
        (HEADER + "A,,,,x\n", "line 2: expected auc, or rejection and at_efficiency"),
    ],
)
def test_what_is_no_figure_is_refused_with_its_line(text, words):
    with pytest.raises(DataError) as caught:
        read(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
