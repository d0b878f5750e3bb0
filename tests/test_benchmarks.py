"""The benchmarks run, and their tables say what was measured; how fast it was is nobody's test."""

from importlib import import_module

import pytest

from benchmarks import timing
from benchmarks.__main__ import STAGES
from benchmarks.timing import Contender, Listing, Row, Table, compare


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_runs(stage):
    tables = import_module(f"benchmarks.{stage}").run(quick=True)
    assert tables
    for table in tables:
        assert table.markdown().startswith(f"### {table.title}\n")
        if isinstance(table, Table):
            assert len({row.name for row in table.rows}) == len(table.rows) > 1
            assert all(rate > 0 for row in table.rows for rate in row.rates)


def test_contenders_take_turns(monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def take(name, seconds):
        def run():
            calls.append(name)
            now[0] += next(seconds)

        return run

    ours = take("ours", iter([9, 1, 2]))
    theirs = take("theirs", iter([9, 4, 2]))
    table = compare(
        "t", "jets", [Contender("ours", ours, 8), Contender("theirs", theirs, 4)], rounds=2
    )
    assert calls == ["ours", "theirs"] * 3
    # The first time each only warms up.
    assert [row.rates for row in table.rows] == [(8.0, 4.0), (1.0, 2.0)]
    assert table.ratio("theirs") == (5.0, 2.0, 8.0)


def test_tables_are_markdown():
    rows = (Row("detcnn", (12_345.0,), False), Row("memory", (2.5,), True))
    assert Table("Title", "jets", rows, ("Note.",)).markdown().splitlines() == [
        "### Title",
        "",
        "|                | jets/s | detcnn has times as much | of all rounds  |",
        "|----------------|--------|--------------------------|----------------|",
        "| detcnn         | 12,345 |                          |                |",
        "| memory (limit) | 2.5    | 4,938                    | 4,938 to 4,938 |",
        "",
        "Note.",
    ]
    assert Listing("T", ("a", "b"), (("1", "2"),)).markdown().splitlines()[2:5] == [
        "| a | b |",
        "|---|---|",
        "| 1 | 2 |",
    ]
