import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.storage.csv_tables import read_csv, write_csv
from detcnn.storage.tables import read_parquet, write_parquet


def test_parquet_round_trip(tmp_path):
    columns = {
        "label": np.array([0, 1, 2], dtype=np.int64),
        "score_0": np.array([0.5, np.nan, np.inf], dtype=np.float32),
        "is_kept": np.array([True, False, True]),
    }
    write_parquet(tmp_path / "t.parquet", columns)
    found = read_parquet(tmp_path / "t.parquet")
    assert list(found) == list(columns)
    for name, column in columns.items():
        assert found[name].dtype == column.dtype
        np.testing.assert_array_equal(found[name], column)


def test_parquet_without_rows(tmp_path):
    write_parquet(tmp_path / "t.parquet", {"label": np.zeros(0, dtype=np.int64)})
    assert read_parquet(tmp_path / "t.parquet")["label"].shape == (0,)


@pytest.mark.parametrize("harm", ["missing", "empty", "short", "text"])
def test_damaged_parquet(tmp_path, harm):
    path = tmp_path / "t.parquet"
    if harm != "missing":
        write_parquet(path, {"label": np.arange(1000)})
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "short": content[:-5], "text": b"label,1"}[harm])
    with pytest.raises(DataError, match=r"t\.parquet: cannot be read as parquet: ") as caught:
        read_parquet(path)
    assert len(str(caught.value).splitlines()) == 1


def test_csv_round_trip(tmp_path):
    write_csv(tmp_path / "t.csv", [{"a": 1, "b": None}, {"a": 0.5, "b": 'x, "y"\n'}])
    assert (tmp_path / "t.csv").read_bytes().startswith(b"a,b\r\n1,\r\n")
    assert read_csv(tmp_path / "t.csv") == [{"a": "1", "b": ""}, {"a": "0.5", "b": 'x, "y"\n'}]


def test_csv_without_rows(tmp_path):
    write_csv(tmp_path / "t.csv", [])
    assert read_csv(tmp_path / "t.csv") == []


@pytest.mark.parametrize("content", [None, b"a,b\n\xff,1\n", b"a\n" + b"x" * 200_000])
def test_damaged_csv(tmp_path, content):
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.csv: cannot be read"):
        read_csv(tmp_path / "t.csv")
