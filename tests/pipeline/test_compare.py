"""Points of a run side by side, whatever their machine, binding or faults."""

import io

import polars as pl
import pytest

from pipeline import compare, sweep

WORDS = (
    "topology=two_core", "workload=steady", "cluster=inline", "tracking=off", "study=pair", "replicates=2",
    "simulation.horizon_ns=6_000_000", "simulation.warmup_ns=1_000_000", "binding=static,none",
)  # fmt: skip


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """A folder with one finished study in it; its second queue capacity is too scarce."""
    folder = tmp_path_factory.mktemp("outputs")
    words = [*WORDS, f"outputs.folder={folder}", "policy=none", "simulation.queue_capacity=null,1"]
    assert sweep.main(words) == 1
    return folder


def told(capsys, *words):
    assert compare.main(list(words)) == 0
    return capsys.readouterr().out


def test_points_stand_side_by_side(outputs, capsys):
    text = told(capsys, "pair", f"outputs={outputs}")
    assert "throughput" in text
    rows = [line.split() for line in text.splitlines() if line.split()[:1] in (["0"], ["1"], ["2"], ["3"])]
    assert [row[1] for row in rows] == ["static", "static", "none", "none"]
    assert [row[-1] for row in rows] == ["2/2", "0/2", "2/2", "0/2"]


def test_metrics_are_chosen_by_name_and_pattern(outputs, capsys):
    (points,) = outputs.glob("pair/*/points.parquet")
    text = told(capsys, str(points.parent), "idle_share,migrations_*", "format=csv")
    table = pl.read_csv(io.StringIO(text))
    assert table.columns[:3] == ["point", "binding", "simulation.queue_capacity"]
    assert "migrations_steal_mean" in table.columns
    assert table["lane_excluded_count"].to_list() == [0, 2, 0, 2]
    assert table["idle_share_mean"].null_count() == 2


def test_what_there_is_not_is_told(outputs, capsys):
    assert compare.main(["pair", "migratons", f"outputs={outputs}"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert compare.main(["pear", f"outputs={outputs}"]) == 2
    assert "did you mean pair?" in capsys.readouterr().err
