"""The benchmark of the pipeline's overhead: its made-up tables, and its command, on a few lanes."""

import json

import polars as pl
import pytest

from pipeline.evidence.analyse import analyse
from tests.bench import overhead


def test_made_up_table_is_one_that_the_analysis_takes(tmp_path):
    folder = overhead.write_made_up(tmp_path / "made-up" / "k", 16, 5)
    lanes = pl.read_parquet(folder / "lanes" / "part-*.parquet")
    found = analyse(folder, draw=False)
    # The grid, and the baseline behind it.
    assert (lanes.height, found.summary.height) == (17 * 5, 17)
    assert found.summary["replicate_count"].to_list() == [5] * 17
    assert 1 < found.front.height < 17


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--only", "sweep,nothing"], "no such part"), (["--scale", "2"], "above 0, and at most 1"),
     (["--json", "no/such/folder/x.json"], "no such folder")],
)  # fmt: skip
def test_bad_arguments_are_told_before_anything_is_measured(words, told, capsys):
    with pytest.raises(SystemExit):
        overhead.main(words)
    assert told in capsys.readouterr().err


def test_prints_and_writes_what_it_measured(tmp_path, capsys, monkeypatch):
    row = overhead.Row("start", "inline", 1.5, 1.0, 200.0, "fact")
    monkeypatch.setitem(overhead.PARTS, "start", lambda folder, scale: [row])
    assert overhead.main(["--only", "start", "--json", str(tmp_path / "rows.json")]) == 0
    assert "1.5" in capsys.readouterr().out
    (written,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert written == {"part": "start", "what": "inline", "seconds": 1.5, "processor_s": 1.0,
                       "peak_mib": 200.0, "facts": "fact"}  # fmt: skip
