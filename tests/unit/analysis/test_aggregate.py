"""Summaries: means, intervals, paired differences, and lanes that do not count."""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pipeline.evidence.aggregate import RunFolderError, read_run, summarise, write_table
from tests.unit.analysis.synthetic import write_run

METRIC = "load_imbalance"


def lanes_of(folder: Path, point: int) -> pl.DataFrame:
    """The completed lanes of a point, straight from the files."""
    lanes = pl.read_parquet(folder / "lanes" / "*.parquet")
    return lanes.filter(pl.col("point") == point, pl.col("status") == 1).sort("replicate")


def row_of(summary: pl.DataFrame, point: int) -> dict:
    return summary.row(by_predicate=pl.col("point") == point, named=True)


def test_mean_and_interval_are_those_of_scipy(tmp_path):
    folder = write_run(tmp_path / "s" / "k", replicates=7)
    summary = summarise(read_run(folder))
    for point in (0, 3, 19):
        values = lanes_of(folder, point)[METRIC].to_numpy()
        row = row_of(summary, point)
        error = stats.sem(values)
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), error)
        assert row[f"{METRIC}_mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert row[f"{METRIC}_se"] == pytest.approx(error, rel=1e-12)
        assert (row[f"{METRIC}_low"], row[f"{METRIC}_high"]) == pytest.approx((low, high), rel=1e-12)


def test_difference_is_paired_by_replicate(tmp_path):
    folder = write_run(tmp_path / "s" / "k", replicates=6)
    row = row_of(summarise(read_run(folder)), 4)
    difference = lanes_of(folder, 4)[METRIC].to_numpy() - lanes_of(folder, 0)[METRIC].to_numpy()
    low, high = stats.t.interval(0.95, 5, difference.mean(), stats.sem(difference))
    found = tuple(row[f"{METRIC}_{kind}"] for kind in ("diff", "diff_low", "diff_high"))
    assert found == pytest.approx((difference.mean(), low, high), rel=1e-12)


def test_pairing_removes_the_noise_that_replicates_share(tmp_path):
    folder = write_run(tmp_path / "s" / "k", replicates=8, noise=0.1)
    row = row_of(summarise(read_run(folder)), 1)
    paired = row["throughput_per_s_diff_high"] - row["throughput_per_s_diff_low"]
    unpaired = row["throughput_per_s_high"] - row["throughput_per_s_low"]
    assert paired < unpaired / 3


def test_one_replicate_has_no_interval(tmp_path):
    summary = summarise(read_run(write_run(tmp_path / "s" / "k", replicates=1)))
    assert summary[f"{METRIC}_mean"].null_count() == 0
    for kind in ("se", "low", "high", "diff_low", "diff_high"):
        assert summary[f"{METRIC}_{kind}"].null_count() == summary.height


def test_failed_lanes_are_left_out_and_counted(tmp_path):
    failed = [(5, 0), (5, 3), (7, 1)]
    folder = write_run(tmp_path / "s" / "k", replicates=4, failed=failed)
    summary = summarise(read_run(folder))
    row = row_of(summary, 5)
    assert (row["replicate_count"], row["lane_excluded_count"]) == (2, 2)
    assert row[f"{METRIC}_mean"] == pytest.approx(lanes_of(folder, 5)[METRIC].mean())
    assert row_of(summary, 7)["lane_excluded_count"] == 1
    assert summary["lane_excluded_count"].sum() == len(failed)


def test_point_without_any_lane_has_no_mean(tmp_path):
    folder = write_run(tmp_path / "s" / "k", replicates=2, failed=[(5, 0), (5, 1)])
    row = row_of(summarise(read_run(folder)), 5)
    assert row[f"{METRIC}_mean"] is None
    assert (row["replicate_count"], row["lane_excluded_count"]) == (0, 2)


def test_difference_uses_the_replicates_that_both_have(tmp_path):
    folder = write_run(tmp_path / "s" / "k", replicates=4, failed=[(0, 1), (4, 2)])
    row = row_of(summarise(read_run(folder)), 4)
    both = {
        point: {r["replicate"]: r[METRIC] for r in lanes_of(folder, point).iter_rows(named=True)}
        for point in (0, 4)
    }
    expected = np.mean([both[4][r] - both[0][r] for r in (0, 3)])
    assert row[f"{METRIC}_diff"] == pytest.approx(expected)


def test_each_cell_has_its_own_baseline(tmp_path):
    cells = [("epyc_7763_2s", "mixed"), ("altra_2s", "mixed")]
    summary = summarise(read_run(write_run(tmp_path / "s" / "k", cells=cells, replicates=2)))
    by_topology = dict(summary.group_by("topology").agg(pl.col("baseline_point").unique()).iter_rows())
    assert by_topology == {"epyc_7763_2s": [0], "altra_2s": [20]}
    assert summary.filter("baseline")["point"].to_list() == [0, 20]


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_bytes_do_not_depend_on_the_parts(tmp_path, parts):
    digests = []
    for number in (1, parts):
        folder = write_run(tmp_path / str(number + len(digests) * 10) / "k", parts=number)
        path = write_table(summarise(read_run(folder)), folder / "summary.parquet")
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_nan_metric_is_no_value(tmp_path):
    folder = write_run(tmp_path / "s" / "k", replicates=3, parts=1)
    part = folder / "lanes" / "part-00000.parquet"
    hit = (pl.col("point") == 2) & (pl.col("replicate") == 0)
    frame = pl.read_parquet(part).with_columns(
        cache_hit_rate=pl.when(hit).then(float("nan")).otherwise("cache_hit_rate")
    )
    frame.write_parquet(part)
    row = row_of(summarise(read_run(folder)), 2)
    expected = lanes_of(folder, 2)["cache_hit_rate"].fill_nan(None).mean()
    assert row["cache_hit_rate_mean"] == pytest.approx(expected)


def test_other_folder_is_refused_by_name(tmp_path):
    with pytest.raises(RunFolderError, match=r"config\.yaml, manifest\.json.*missing"):
        read_run(tmp_path)
