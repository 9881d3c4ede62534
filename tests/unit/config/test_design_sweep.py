"""A sampled design from the command line to the report, computed."""

import math

import polars as pl
import pytest

from pipeline import sweep
from tests.pipeline.fake import digests

WORDS = (
    "topology=two_core", "workload=steady", "cluster=inline", "tracking=off", "study=drawn", "replicates=2",
    "simulation.horizon_ns=4_000_000", "simulation.warmup_ns=1_000_000", "output=json",
    "sweep.kind=sobol", "sweep.points=8", "policy.threshold_factor=tag(log,interval(0.25,8)),.inf",
    "policy.limits.core.rate_per_s=tag(log,interval(500,50000)),null",
    "policy.stealing.victim=nearest,longest",
)  # fmt: skip
RATE = "policy.limits.core.rate_per_s"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The run folder of a finished study."""
    outputs = tmp_path_factory.mktemp("outputs")
    assert sweep.main([*WORDS, f"outputs.folder={outputs}"]) == 0
    (run,) = outputs.glob("drawn/*")
    return run


def test_points_are_those_of_the_design(folder):
    points = pl.read_parquet(folder / "points.parquet")
    drawn = points.filter(~pl.col("baseline"))
    assert drawn.height == 8
    assert points.height == 9
    factors = drawn["policy.threshold_factor"].to_list()
    assert factors.count(math.inf) == 4
    assert all(0.25 <= value <= 8 for value in factors if math.isfinite(value))
    assert drawn[RATE].null_count() == 4
    assert drawn["policy.stealing.victim"].value_counts()["count"].to_list() == [4, 4]
    assert pl.read_parquet(folder / "summary.parquet")["replicate_count"].to_list() == [2] * 9


def test_a_report_is_made_without_a_grid(folder):
    text = (folder / "report.html").read_text()
    assert "Metrics along threshold_factor" in text
    assert "Without a place on the axes, as they have no limit there: 4." in text
    assert (folder / "figures" / "front.png").stat().st_size > 0


def test_a_killed_sweep_goes_on_to_the_same_tables(folder, tmp_path):
    words = [*WORDS, f"outputs.folder={tmp_path}", "cluster.chunk_s=0.01"]
    assert sweep.main(words) == 0
    (run,) = tmp_path.glob("drawn/*")
    expected = digests(run)
    # As after a kill: the last lanes were never written.
    (run / "COMPLETE").unlink()
    sorted(run.glob("lanes/part-*.parquet"))[-1].unlink()
    assert sweep.main(words) == 0
    assert digests(run) == expected
    assert (run / "points.parquet").read_bytes() == (folder / "points.parquet").read_bytes()


def test_a_design_smaller_than_asked_for_says_so(tmp_path, capsys):
    words = [w for w in WORDS if not w.startswith("policy.limits")]
    scarce = ["policy.threshold_factor=1,2", f"outputs.folder={tmp_path}"]
    assert sweep.main([*words, *scarce]) == 0
    assert "4 more came to the settings of another point and were merged." in capsys.readouterr().err
