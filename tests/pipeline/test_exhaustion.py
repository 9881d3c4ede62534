"""Lanes that ran out of something are named with what it was, and are in no mean."""

import json

import polars as pl
import pytest

from pipeline import sweep

WORDS = (
    "cluster=inline", "tracking=off", "study=scarce", "replicates=2", "policy=balanced", "baseline=balanced",
    "simulation.warmup_ns=1_000_000",
)  # fmt: skip
SCARCE = [
    (["topology=two_core", "workload=steady", "simulation.horizon_ns=20_000_000",
      "simulation.queue_capacity=1,null"], "A run queue held more than queue_capacity"),
    (["topology=apple_m1_pro", "workload=flood", "simulation.horizon_ns=6_000_000",
      "simulation.mailbox_capacity=5,null"], "A mailbox was full"),
    (["topology=two_core", "workload=garbage", "simulation.horizon_ns=6_000_000",
      "simulation.node_memory_bytes=10_000_000,null"], "No node had room"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sentence"), SCARCE, ids=["queue", "mailbox", "memory"])
def test_what_ran_out_is_named_and_left_out(words, sentence, tmp_path, capsys):
    assert sweep.main([*WORDS, *words, f"outputs.folder={tmp_path}"]) == 1
    told = capsys.readouterr()
    assert sentence in told.err
    assert "2 of 4 lanes failed" in " ".join(told.out.split()) + " ".join(told.err.split())
    (summary,) = tmp_path.glob("scarce/*/summary.parquet")
    table = pl.read_parquet(summary)
    assert table["lane_excluded_count"].to_list() == [2, 0]
    assert table["throughput_per_s_mean"].is_null().to_list() == [True, False]
    failures = json.loads((summary.parent / "failures.json").read_text())
    assert {failure["point"] for failure in failures} == {0}
    assert all(sentence in failure["error"] for failure in failures)
