"""`sweep=race`: the front is kept, lanes are saved, errors are as rare as stated, a kill changes nothing."""

import io
import json

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from pipeline.adaptive import race as race_module
from pipeline.adaptive.race import Race
from pipeline.adaptive.race_steps import steps_of
from pipeline.errors import ConfigError, UserError
from pipeline.evidence.aggregate import RunFolderError, read_run, summarise
from pipeline.evidence.analyse import analyse
from pipeline.evidence.recommend import mark_front
from pipeline.run.fanout import run_study
from tests.pipeline.adaptive import drive, noisy, race_study, stub_plan
from tests.pipeline.fake import digests, fake_toolkit

FRONT = 4


def known(factor):
    """Points 0 to 3 are the front; the others are behind it, further and further."""
    place = int(factor)
    if place < FRONT:
        return 0.1 * place, 0.3 - 0.1 * place
    behind = 0.02 * (place - FRONT + 1)
    return 0.1 * (place % FRONT) + behind, 0.3 - 0.1 * (place % FRONT) + behind


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


def raced(folder, console=None, simulator=None, **settings):
    study = race_study(folder, 12, 20, **settings)
    toolkit = fake_toolkit(simulate=simulator or noisy(known, 0.1))
    return run_study(study, console=console or Console(file=io.StringIO()), toolkit=toolkit)


def test_the_front_is_kept_and_lanes_are_saved(tmp_path, console):
    run = raced(tmp_path, console)
    dropped = pl.read_parquet(run.folder / "dropped.parquet")
    assert dropped["point"].to_list() == list(range(FRONT, 12))
    assert all(rival < FRONT for rival in dropped["rival"])
    rounds = pl.read_parquet(run.folder / "rounds.parquet")
    assert rounds["points_alive"].to_list()[-1] == FRONT
    assert run.lanes == rounds["lanes"].sum() < 240 // 2
    assert run.facts["lanes_saved"] == 240 - run.lanes
    assert json.loads((run.folder / "manifest.json").read_text())["design"] == run.facts
    assert "round 2 of 5 at most" in console.file.getvalue()
    # Those that are left have the same replicates, and what was not asked for is not left out.
    tables = read_run(run.folder)
    summary, _ = mark_front(tables, summarise(tables))
    counts = summary["replicate_count"].to_list()
    assert len(set(counts[:FRONT])) == 1
    assert max(counts[FRONT:]) <= counts[0]
    assert summary["lane_excluded_count"].to_list() == [0] * 12
    assert summary.filter(pl.col("pareto"))["point"].to_list() == list(range(FRONT))


def test_a_dropped_point_is_not_on_the_front_by_the_luck_of_its_few_replicates(tmp_path):
    run = raced(tmp_path)
    tables = read_run(run.folder)
    lucky = summarise(tables).with_columns(
        pl.when(pl.col("point") == 11)
        .then(-1.0)
        .otherwise("load_imbalance_mean")
        .alias("load_imbalance_mean")
    )
    summary, _ = mark_front(tables, lucky)
    assert not summary.filter(point=11)["pareto"].item()


def test_a_clearly_broken_constraint_drops_a_point_and_a_rival_that_breaks_it_drops_none(tmp_path):
    # Point 3 has 0.3 in the first objective; all behind point 0 alone would lose to those that break it.
    front = {"constraints": ["migration_overhead_share <= 0.15"]}
    run = raced(tmp_path, simulator=noisy(known), front=front)
    dropped = pl.read_parquet(run.folder / "dropped.parquet")
    by_bound = dropped.filter(pl.col("constraint").is_not_null())["point"].to_list()
    assert 1 in by_bound
    # The baseline breaks it too, but is never dropped.
    assert 0 not in dropped["point"]
    kept = set(range(12)) - {*dropped["point"].to_list()}
    assert kept == {0, 2, 3}
    changed = read_run(run.folder)
    changed.config["front"] = {}
    with pytest.raises(RunFolderError, match="says nothing of others"):
        _ = changed.dropped


def test_a_race_that_was_killed_after_any_write_ends_with_the_same_bytes(tmp_path, monkeypatch):
    from pipeline.run import store

    expected = digests(raced(tmp_path / "whole", simulator=noisy(known, 0.2)).folder)
    monkeypatch.setattr(store.RunStore, "add", stopping(store.RunStore.add, 2))
    sessions = 0
    while True:
        sessions += 1
        try:
            run = raced(tmp_path / "cut", simulator=noisy(known, 0.2))
            break
        except RuntimeError:
            assert sessions < 200
    assert sessions > run.facts["rounds"] > 2
    assert digests(run.folder) == expected
    assert run.facts["ended"] in ("settled", "replicates")


def stopping(add, most):
    """A store that dies after so many writes, again and again."""
    writes = []

    def add_or_die(self, frame):
        writes.append(1)
        add(self, frame)
        if len(writes) % most == 0:
            raise RuntimeError("killed")

    return add_or_die


def test_a_damaged_part_of_an_early_round_is_made_again(tmp_path):
    run = raced(tmp_path)
    expected = digests(run.folder)
    part = run.folder / "lanes" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    again = raced(tmp_path)
    assert again.computed_lanes == pl.read_parquet(part).height
    assert digests(again.folder) == expected


def test_a_failed_lane_is_no_verdict_and_is_tried_again(tmp_path):
    healthy = noisy(known, 0.1)

    def broken(topology, workload, lanes, simulation, faults, threads=1):
        if any(lane.policy.threshold_factor == 1.0 and lane.replicate == 2 for lane in lanes):
            raise RuntimeError("this lane cannot be")
        return healthy(topology, workload, lanes, simulation, faults, threads)

    run = raced(tmp_path / "a", simulator=broken)
    assert (run.exit_code, [f["point"] for f in run.failed_lanes]) == (1, [1])
    assert 1 not in pl.read_parquet(run.folder / "dropped.parquet")["point"]
    again = raced(tmp_path / "a")
    assert again.exit_code == 0
    assert digests(again.folder) == digests(raced(tmp_path / "b").folder)


def test_a_race_whose_every_lane_fails_ends_and_says_so(tmp_path):
    def broken(topology, workload, lanes, simulation, faults, threads=1):
        raise RuntimeError("no lane can be")

    run = raced(tmp_path, simulator=broken)
    assert run.exit_code == 1
    assert len(run.failed_lanes) == run.lanes > 0
    with pytest.raises(UserError, match="no lane has a result"):
        analyse(run.folder)


def test_the_budget_is_kept(tmp_path):
    run = raced(tmp_path, simulator=noisy(known, 0.2), lanes=100)
    assert run.lanes <= 100
    assert run.facts["ended"] == "lanes"
    with pytest.raises(ConfigError, match=r"sweep\.lanes = 40: must be 48 or more"):
        raced(tmp_path, lanes=40)


def losses(tmp_path, error, seeds=300, count=8):
    """The largest share of races in which a member of the front is dropped. A hard case: each member is
    better than the next in one objective by far, and worse in the other by a hair."""
    study = race_study(tmp_path, count, 9, error=error)
    lost = np.zeros(count)
    for seed in range(seeds):
        noise = np.random.default_rng(seed).standard_normal((9, count, 2))
        means = np.stack([np.arange(count) * 100.0, np.arange(count) * -1e-3], axis=1)
        rounds = Race(stub_plan(study))
        drive(rounds, means + noise)
        lost[rounds.tables()["dropped.parquet"]["point"].to_numpy()] += 1
    return lost.max() / seeds


def test_a_member_of_the_front_is_dropped_more_rarely_than_stated(tmp_path, monkeypatch):
    error = 0.2
    assert losses(tmp_path, error) <= error
    # Without the correction for rounds and rivals it is not kept, so that this test can fail.
    monkeypatch.setattr(race_module, "level_of", lambda error, *_: error)
    assert losses(tmp_path, error, seeds=50) > 2 * error


def test_replicates_after_each_round(tmp_path):
    def steps(replicates, **settings):
        return steps_of(race_study(tmp_path, 2, replicates, **settings).config.sweep, replicates)

    assert steps(20) == [4, 6, 9, 14, 20]
    assert steps(3) == [2, 3]
    assert steps(10, first=5, growth=2.0) == [5, 10]
    with pytest.raises(ConfigError, match="replicates = 2: must be 3 or more for a race"):
        steps(2)
    with pytest.raises(ConfigError, match=r"sweep\.first = 9: must be below replicates = 9"):
        steps(9, first=9)


def test_the_run_key_knows_what_a_race_decides_by(tmp_path):
    changes = ({}, {"error": 0.1}, {"growth": 2.0}, {"first": 5}, {"lanes": 100})
    keys = [raced(tmp_path, **settings).key for settings in changes]
    keys += [raced(tmp_path, front={"constraints": ["load_imbalance <= 0.35"]}).key]
    assert len({*keys}) == 6
    # Weights choose among what was found, and decide nothing before.
    assert raced(tmp_path, front={"weights": {"load_imbalance": 2.0}}).key == keys[0]
