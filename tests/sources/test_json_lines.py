"""JSON lines and the photon streams of FACT: columns, lists, arrivals, and what is wrong."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.sources.base import Layout
from detcnn.sources.formats.json_lines import JSON_LINES
from detcnn.sources.formats.photon_stream import photons_and_times, slice_length
from detcnn.sources.opening import open_source

FACT = Path(__file__).parents[2].parent / "shared/data/fact_cherenkov/sim_run11013_truth.jsonl.gz"

SHOWERS = [
    {"run": 3, "energy": 250.5, "PhotonArrivals_500ps": [[30, 34], [], [100]], "t": [1, 0, 2.5]},
    {"run": 3, "energy": 1, "PhotonArrivals_500ps": [[], [], []], "t": [0, None, 0]},
    {"run": 4, "energy": None, "PhotonArrivals_500ps": [[0], [7], [1, 2, 3]], "t": [1, 1, 1]},
]
CAMERA = Layout(
    class_name="gamma",
    axes=("pixel",),
    channels={"light": "photons", "time": "arrival_time"},
    event_id=("run", "shower"),
)


@pytest.fixture
def write(tmp_path):
    """Write lines, objects or texts: ``write([{...}, "{"])``."""

    def write(lines, *, name="in.jsonl.gz"):
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        content = "\n".join([*texts, ""]).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.fixture
def columns(write):
    """Open a container of lines."""

    def columns(lines, layout=None, **options):
        return JSON_LINES.open(write(lines, **options), layout or Layout())

    return columns


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
def test_columns(columns, name):
    with columns(SHOWERS, name=name) as container:
        found = container.datasets()
        told = {n: (d.shape, d.dtype.name, d.unit) for n, d in found.items()}
        assert told == {
            "run": ((3,), "int64", None),
            "energy": ((3,), "float64", None),
            "photons": ((3, 3), "float32", None),
            "arrival_time": ((3, 3), "float32", "ns"),
            "t": ((3, 3), "float64", None),
        }
        np.testing.assert_array_equal(
            container.read("photons", 0, 3), [[2, 0, 1], [0] * 3, [1, 1, 3]]
        )
        # Slices 30 and 34 of half a nanosecond: 16 ns in the mean.
        expected = np.array([[16, 0, 50], [0, 0, 0], [0, 3.5, 1]])
        np.testing.assert_array_equal(container.read("arrival_time", 0, 3), expected)
        np.testing.assert_array_equal(container.read("arrival_time", 1, 2), expected[1:2])
        np.testing.assert_array_equal(container.read("t", 1, 9), [[0, np.nan, 0], [1, 1, 1]])
        np.testing.assert_array_equal(container.read("energy", 0, 3), [250.5, 1, np.nan])
        assert container.read("photons", 3, 3).shape == (0, 3)


def test_a_camera(write):
    lines = [{**shower, "shower": i} for i, shower in enumerate(SHOWERS)]
    source = open_source(write(lines), CAMERA)
    assert source.image_shape == (2, 3)
    table = source.read(0, 0, 2)
    np.testing.assert_array_equal(table.images.values[0], [[2, 0, 1], [16, 0, 50]])
    assert len(set(table.columns["event_id"].tolist())) == 2


def test_nan_and_objects_and_texts(columns):
    lines = ['{"mc": {"x": NaN, "in": {"y": true}}, "name": "é", "z": Infinity}', "", "  "]
    lines.append('{"mc": {"x": 2, "in": {"y": false}}, "name": "b", "z": -1}')
    with columns(lines) as container:
        assert {n: d.dtype.kind for n, d in container.datasets().items()} == {
            "mc/x": "f",
            "mc/in/y": "b",
            "name": "U",
            "z": "f",
        }
        np.testing.assert_array_equal(container.read("mc/x", 0, 2), [np.nan, 2])
        assert container.read("mc/in/y", 0, 2).tolist() == [True, False]
        assert container.read("name", 0, 2).tolist() == ["é", "b"]
        assert container.read("z", 0, 2).tolist() == [np.inf, -1]


def test_lists_of_any_length(columns):
    with columns([{"a": [1.5], "b": []}, {"a": [], "b": []}, {"a": [2, 3], "b": [1]}]) as container:
        assert [d.is_ragged for d in container.datasets().values()] == [True, True]
        offsets, content = container.read_ragged("a", 0, 3)
        assert (offsets.tolist(), content.tolist()) == ([0, 1, 1, 3], [1.5, 2, 3])
        offsets, content = container.read_ragged("a", 1, 2)
        assert (offsets.tolist(), content.tolist()) == ([0, 0], [])


def test_what_has_no_column(columns):
    lines = [{"a": 1, "b": [[1]], "c": ["x"], "d": 1}, {"a": "x", "b": [[2]], "c": ["x"]}]
    with columns(lines) as container:
        problems = {name: d.problem for name, d in container.datasets().items()}
        assert all("different kinds" in problems[name] for name in "abc")
        assert problems["d"] == "not every line has it"


def test_whole_numbers_keep_all_their_digits(columns):
    with columns([{"id": (1 << 62) + 1}]) as container:
        assert container.read("id", 0, 1).tolist() == [(1 << 62) + 1]


def later(**changed):
    """Fifty good lines, a blank one, and a bad one: what is found late is told with its line."""
    good = {"n": 1, "v": [1.0, 2.0], "PhotonArrivals_500ps": [[1], []], "s": "x"}
    return [*[good] * 50, "", {**good, **changed}]


@pytest.mark.parametrize(
    ("changed", "column", "fault"),
    [
        ({"n": 0.5}, "n", "'n': found 0.5, expected whole numbers as in the first lines"),
        ({"n": 1 << 64}, "n", "'n': .*too (large|big)"),
        ({"n": [1]}, "n", r"'n': found \[1\], expected whole numbers"),
        ({"s": 1}, "s", "'s': found 1, expected text"),
        ({"v": [1.0]}, "v", "'v': has 1 numbers, expected 2 as in the first lines"),
        ({"v": [1.0, "x"]}, "v", r"'v': found \[1.0, 'x'\], expected a list of numbers"),
        ({"v": 1.0}, "v", "'v': found 1.0, expected a list of numbers"),
        ({"PhotonArrivals_500ps": [[1]]}, "photons", "expected a list for each of 2 pixels"),
        ({"PhotonArrivals_500ps": [[1], 2]}, "photons", "a pixel has no list of arrivals"),
        ({"PhotonArrivals_500ps": [[1], ["2"]]}, "photons", "an arrival is no number"),
        ({"PhotonArrivals_500ps": [[1], [-1]]}, "arrival_time", "no slice counted from 0"),
        ({"PhotonArrivals_500ps": [[1], [float("nan")]]}, "photons", "no slice counted from 0"),
    ],
)
def test_a_line_unlike_the_first(columns, changed, column, fault):
    with (
        columns(later(**changed)) as container,
        pytest.raises(DataError, match=rf"in\.jsonl\.gz: line 52: .*{fault}") as caught,
    ):
        container.read(column, 0, 51)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"n": 1', r"line 52: is no JSON \(Expecting ',' delimiter"),
        ("[1]", r"line 52: is b'\[1\]' …, expected an object in each line"),
        ('{"v": [1.0, 2.0]}', "line 52: has no 'n', which the first lines have"),
        ('{"n": ' + "[" * 100_000, "line 52: is no JSON"),
        ('{"n": ' + "9" * 10_000 + "}", "line 52: is no JSON"),
    ],
)
def test_a_broken_line(columns, line, fault):
    with columns([*later()[:-1], line]) as container, pytest.raises(DataError, match=fault):
        container.read("n", 0, 51)


def test_a_broken_first_line(write):
    with pytest.raises(DataError, match=r"in\.jsonl: line 1: is no JSON \(Expecting"):
        open_source(write(['{"a": 1', '{"a": 2}'], name="in.jsonl"))


def test_two_columns_of_one_name(write):
    line = {"photons": [1.0], "PhotonArrivals_500ps": [[1]]}
    with pytest.raises(DataError, match="two columns that are called 'photons'"):
        open_source(write([line]))


def test_a_file_cut_short(write):
    path = write([{"a": [float(i)] * 100} for i in range(1000)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"in\.jsonl\.gz: cannot be read, damaged or cut short"):
        open_source(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PhotonArrivals_500ps", 0.5),
        ("event/PhotonArrivals_2000ps", 2.0),
        ("PhotonArrivals", None),
        ("PhotonArrivals_ps", None),
        ("MyPhotonArrivals_500ps", None),
    ],
)
def test_length_of_a_slice(name, expected):
    assert slice_length(name) == expected


@pytest.mark.skipif(not FACT.is_file(), reason="the shared data are not here")
def test_showers_of_fact():
    layout = Layout(
        class_name="gamma",
        axes=("pixel",),
        channels={"light": "photons", "time": "arrival_time", "true": "McCherPhotNumber"},
        event_id=("Run", "Event", "Reuse"),
        columns={"energy": "MCorsikaEvtHeader.fTotalEnergy"},
    )
    source = open_source(FACT, layout)
    assert source.image_shape == (3, 1440)
    table = source.read(0, 0, 53)
    light, time, true = table.images.values.transpose(1, 0, 2)
    assert ((time > 0) == (light > 0)).all()
    # The slices that are read out are 30 to 129.
    assert 15 <= time[light > 0].min() <= time.max() < 65
    assert np.mean(true > 0) == pytest.approx(0.027, abs=0.001)
    assert len(set(table.columns["event_id"].tolist())) == 53
    assert 223 < table.columns["energy"].min() < table.columns["energy"].max() < 3725
    with JSON_LINES.open(FACT, Layout()) as container:
        assert np.isnan(container.read("McCherArrTimeMean", 0, 1)).any()


def test_arrivals_against_a_loop():
    rng = np.random.default_rng(2)
    arrivals = [rng.integers(0, 150, n).tolist() for n in rng.poisson(1.5, 200)]
    photons, times = photons_and_times(arrivals, 0.5)
    assert photons.tolist() == [len(pixel) for pixel in arrivals]
    slow = [sum(pixel) / len(pixel) * 0.5 if pixel else 0.0 for pixel in arrivals]
    np.testing.assert_allclose(times, slow, rtol=1e-6)
