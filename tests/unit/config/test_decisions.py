"""Why did it (not) migrate: the decision log of a lane as a table, in each format."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import sim
from pipeline import simulate
from pipeline.decisions import COLUMNS, decision_table, summary_table, take_wish

SHORT = (
    "topology=two_core", "workload=steady", "replicates=2", "simulation.horizon_ns=20_000_000",
    "simulation.warmup_ns=1_000_000",
)  # fmt: skip
ROWS = np.array(
    [
        [500, 3, 0, 1, 0, 0, -1, 3000, 1000, 2 * 65536, 1, 0],
        [600, 4, 1, 1, 2, 1, 10, 3000, 1000, 4 * 65536, 1, 0],
        [600, 4, 1, 1, 2, 1, 10, -50, 0, -1, 2, 5],
        [700, 5, 1, 1, 2, 3, -2, 0, 1000, 65536, 0, 0],
    ],
    np.int64,
)


def test_rows_become_words_and_units() -> None:
    table = decision_table(ROWS, ["web", "db"])
    assert set(table.columns) == {*COLUMNS, "ratio"}
    assert table["class"].to_list() == ["web", "db", "db", "db"]
    assert table["mechanism"].to_list() == ["wake", "steal", "steal", "affinity"]
    assert table["verdict"].to_list() == ["passed", "benefit", "benefit", "forced"]
    assert table["ratio"].to_list() == [3.0, 3.0, None, 0.0]
    assert table["factor"].to_list() == [2.0, 4.0, float("inf"), 1.0]
    assert summary_table(table) == {
        "wake": {"passed": 1}, "steal": {"benefit": 2}, "affinity": {"forced": 1},
    }  # fmt: skip


def test_an_empty_log_is_a_table_too() -> None:
    table = decision_table(np.zeros((0, len(COLUMNS)), np.int64), ["web"])
    assert table.height == 0
    assert table.schema["verdict"] == pl.String
    assert summary_table(table) == {}


def test_the_words_of_the_log_are_taken_off_the_command_line(tmp_path: Path) -> None:
    wish, rest = take_wish(["policy=none", f"decisions={tmp_path}/a.csv", "decisions_capacity=7", "seed=2"])
    assert rest == ["policy=none", "seed=2"]
    assert wish is not None
    assert (wish.file, wish.capacity) == (tmp_path / "a.csv", 7)
    assert take_wish(["policy=none"]) == (None, ["policy=none"])


def read(path: Path) -> pl.DataFrame:
    """The table in a file of any of the formats."""
    readers = {".csv": pl.read_csv, ".json": pl.read_json, ".parquet": pl.read_parquet}
    return readers[path.suffix](path)


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_each_format_holds_the_same_rows(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"why.{suffix}"
    assert simulate.main([*SHORT, f"decisions={path}", "output=json"]) == 0
    told = json.loads(capsys.readouterr().out)["decisions"]
    table = read(path)
    assert told["file"] == str(path)
    assert told["rows"] == table.height > 0
    assert told["summary"] == summary_table(table)
    assert not told["full"]
    assert set(table["verdict"]) <= {"passed", "forced", *sim.REASONS}
    tested = table.filter(pl.col("verdict").is_in(["passed", "benefit"]))
    passed = tested["benefit_cycles"] > tested["cost_cycles"] * tested["factor"]
    assert passed.to_list() == (tested["verdict"] == "passed").to_list()


def test_counts_are_those_of_the_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [w for w in SHORT if "warmup" not in w]
    path = tmp_path / "why.parquet"
    assert simulate.main([*words, "simulation.warmup_ns=0", f"decisions={path}", "output=json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    count = answer["metrics"]["migration_count"]["values"][0]
    assert read(path).filter(pl.col("verdict").is_in(["passed", "forced"])).height == count


def test_rows_are_printed_below_the_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main([*SHORT, "decisions=3", "decisions_capacity=5"]) == 0
    told = capsys.readouterr().out
    assert told.index("load_imbalance") < told.index("verdict") < told.index("Decisions of replicate 0")
    assert "The decision log was full" in told
    assert "raise decisions_capacity = 5" in told
    rows = [line for line in told.splitlines() if " request " in line]
    assert len(rows) == 3


def test_a_policy_that_never_migrates_has_nothing_to_decide(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main([*SHORT, "policy=none", "decisions=3"]) == 0
    assert "nothing was a candidate" in capsys.readouterr().out
