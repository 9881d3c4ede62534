"""`sweep=search`: better than chance, nothing simulated twice, the same bytes however often it was killed."""

import io
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from pipeline.adaptive.search import Search, violation
from pipeline.adaptive.search_space import Space
from pipeline.config.axes import Axis
from pipeline.config.designs import unit_cube
from pipeline.config.schema_sweep import SweepSearch
from pipeline.evidence.hypervolume import hypervolume
from pipeline.run import store
from pipeline.run.fanout import run_study
from pipeline.run.head import ChangedRunError
from tests.pipeline.adaptive import OBJECTIVES, with_sweep
from tests.pipeline.fake import Point, Section, digests, fake_study, fake_toolkit, section_digest
from tests.pipeline.test_race import stopping

FACTOR, RATE, VICTIM = "policy.threshold_factor", "policy.rate", "policy.victim"
AXES = (
    Axis(FACTOR, low=0.125, high=256.0, is_log=True),
    Axis(RATE, low=10, high=10_000, is_log=True, is_whole=True, beside=(None,)),
    Axis(VICTIM, ("nearest", "random")),
    Axis("policy.batch", (1, 2, 4, 8, 16)),
)
REFERENCE = (1.2, 0.9)


def means(policy):
    """A trade-off along the factor, best with a rate near 300, victims nearest, and batches of 4."""
    along = math.log(policy.threshold_factor / 0.125) / math.log(2048)
    rate = 1.0 if policy.rate is None else math.log(policy.rate / 300) / math.log(1000)
    away = rate**2 + 0.2 * (policy.victim == "random") + 0.1 * abs(math.log2(policy.batch / 4))
    return 0.5 * along**1.5 + 0.6 * away + 0.02, 0.3 * (1 - along) ** 2 + 0.3 * away + 0.005


def search_study(folder, axes=AXES, front=None, replicates=2, **settings):
    """A search that begins with a Latin hypercube and a baseline, as `pipeline.config.study` makes it."""
    sweep = SweepSearch(kind="search", **settings)
    study = fake_study(folder, (1.0,), ("small",), replicates)
    start = study.points[0].config
    base = {"threshold_factor": 1.0, "rate": None, "victim": "nearest", "batch": 1}

    def make(item, place):
        policy = Section({**base, **{key.removeprefix("policy."): value for key, value in item.items()}})
        config = replace(start, policy=policy)
        values = {axis.key: policy.values[axis.key.removeprefix("policy.")] for axis in axes}
        labels = {"topology": "small", "workload": "fake", "policy": "p"}
        return Point(place, values, config, labels, section_digest("point", policy))

    count = min(sweep.batch, sweep.points)
    drawn = [
        {axis.key: axis.value_at(float(share)) for axis, share in zip(axes, row, strict=True)}
        for row in unit_cube("latin", count, len(axes), sweep.seed)
    ]
    unique = {make(item, 0).digest: item for item in drawn}
    points = [make(item, place) for place, item in enumerate(unique.values())]
    baseline = make({FACTOR: 999.0}, len(points))
    points = [replace(point, baseline_index=len(points)) for point in (*points, baseline)]
    study = with_sweep(study, sweep, front or {})
    space = Space(tuple(axes), make, dict(enumerate(unique.values())))
    return SearchStudy(
        **{**vars(study), "points": tuple(points), "axes": tuple(a.key for a in axes)}, search=space
    )


class SearchStudy(SimpleNamespace):
    """As grid.Study."""


def simulator(sleep=None):
    """Lanes with the means above, and no noise."""

    def lanes(topology, workload, lanes, simulation, faults, threads=1):
        if sleep is not None:
            sleep()
        rows = np.array([means(lane.policy) for lane in lanes])
        count = len(lanes)
        columns = {"status": np.ones(count, np.uint32), "event_count": np.ones(count, np.int64)}
        return SimpleNamespace(columns=columns | dict(zip(OBJECTIVES, rows.T, strict=True)))

    return lanes


def searched(folder, **settings):
    toolkit = fake_toolkit(simulate=simulator())
    return run_study(search_study(folder, **settings), console=Console(file=io.StringIO()), toolkit=toolkit)


def volume_of_search(folder, seed, tell=lambda values: values, **settings):
    """What a search's front dominates, with values told as they are or otherwise."""
    study = search_study(folder, replicates=1, seed=seed, **settings)
    plan = SimpleNamespace(study=study, points=list(study.points), replicates=1)
    plan.extend = plan.points.extend
    rounds = Search(plan)
    while (lanes := rounds.ask()) is not None:
        found = np.array([tell(means(plan.points[lane].config.policy)) for lane in lanes]).T
        frame = {"point": lanes, "replicate": 0 * lanes}
        rounds.tell(pl.DataFrame(frame | dict(zip(OBJECTIVES, found, strict=True))))
    points = [point for point in plan.points if point.config.policy.threshold_factor != 999.0]
    assert len(points) == study.config.sweep.points
    return hypervolume(np.array([means(point.config.policy) for point in points]), REFERENCE)


def volume_of_chance(seed, count):
    rows = unit_cube("random", count, len(AXES), seed)
    items = [{a.key.removeprefix("policy."): a.value_at(float(x)) for a, x in zip(AXES, row, strict=True)}
             for row in rows]  # fmt: skip
    return hypervolume(np.array([means(Section(item)) for item in items]), REFERENCE)


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii"])
def test_it_finds_a_better_front_than_as_many_points_at_random(tmp_path, sampler):
    seeds = range(4)
    chance = np.array([volume_of_chance(seed, 64) for seed in seeds])
    found = np.array(
        [volume_of_search(tmp_path, seed, points=64, batch=8, sampler=sampler) for seed in seeds]
    )
    assert (found > chance).sum() >= 3
    assert found.mean() > chance.mean() + chance.std() / 2
    # One that is told the contrary finds less than chance, so that this test can fail.
    fooled = [
        volume_of_search(tmp_path, seed, lambda v: (-v[0], -v[1]), points=64, batch=8, sampler=sampler)
        for seed in seeds[:2]
    ]
    assert np.mean(fooled) < found.mean() - chance.std()


def test_a_search_leaves_what_it_did(tmp_path):
    run = searched(tmp_path, points=24, batch=8)
    points = pl.read_parquet(run.folder / "points.parquet")
    assert points.height == 25
    assert points.drop("point").is_unique().all()
    rounds = pl.read_parquet(run.folder / "rounds.parquet")
    assert rounds["points"].to_list() == [9, 8, 8]
    assert rounds["hypervolume"].is_sorted()
    assert rounds["hypervolume"][-1] > rounds["hypervolume"][0]
    assert (run.lanes, run.facts["points_searched"], run.facts["ended"]) == (50, 24, "points")
    lanes = pl.read_parquet(run.folder / "lanes" / "*.parquet")
    assert lanes.select("point", "replicate").rows() == [(p, r) for p in range(25) for r in range(2)]


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii"])
def test_a_search_that_was_killed_asks_the_same_again(tmp_path, monkeypatch, sampler):
    settings = {"points": 24, "batch": 8, "sampler": sampler}
    expected = digests(searched(tmp_path / "whole", **settings).folder)
    monkeypatch.setattr(store.RunStore, "add", stopping(store.RunStore.add, 2))
    sessions = 0
    while True:
        sessions += 1
        try:
            run = searched(tmp_path / "cut", **settings)
            break
        except RuntimeError:
            assert sessions < 200
    assert sessions > 2
    assert digests(run.folder) == expected


def test_lanes_of_other_proposals_are_not_taken_for_those_of_now(tmp_path):
    settings = {"points": 24, "batch": 8}
    (bad, *_) = search_study(tmp_path, **settings).points[3:]

    def broken(topology, workload, lanes, simulation, faults, threads=1):
        if any(lane.policy.values == bad.config.policy.values and lane.replicate == 1 for lane in lanes):
            raise RuntimeError("this lane cannot be")
        return simulator()(topology, workload, lanes, simulation, faults, threads)

    def run(simulate, resume=True):
        study = search_study(tmp_path, **settings)
        study.config = replace(study.config, resume=resume)
        toolkit = fake_toolkit(simulate=simulate)
        return run_study(study, console=Console(file=io.StringIO()), toolkit=toolkit)

    first = run(broken)
    assert [f["point"] for f in first.failed_lanes] == [3]
    points = (first.folder / "points.parquet").read_bytes()
    # The lane has a result now, and the proposals that follow from it are others.
    with pytest.raises(ChangedRunError, match="comes to other points"):
        run(simulator())
    assert (first.folder / "points.parquet").read_bytes() == points
    again = run(simulator(), resume=False)
    assert digests(again.folder) == digests(searched(tmp_path / "whole", **settings).folder)


def test_no_point_is_simulated_twice_and_a_small_space_is_searched_out(tmp_path):
    axes = (Axis(VICTIM, ("nearest", "random")), Axis("policy.batch", (1, 2, 4)))
    run = searched(tmp_path, axes=axes, points=64, batch=4)
    points = pl.read_parquet(run.folder / "points.parquet").filter(~pl.col("baseline"))
    assert sorted(points.select(VICTIM, "policy.batch").rows()) == [
        (victim, batch) for victim in ("nearest", "random") for batch in (1, 2, 4)
    ]
    assert run.facts["ended"] == "exhausted"
    assert run.facts["proposals_repeated"] > 0


def test_constraints_lead_the_search(tmp_path):
    front = {"constraints": ["migration_overhead_share <= 0.1"]}
    share = {}
    for name, goals in (("free", {}), ("bound", front)):
        run = searched(tmp_path / name, points=64, batch=8, front=goals)
        lanes = pl.read_parquet(run.folder / "lanes" / "*.parquet").filter(pl.col("point") > 8)
        share[name] = (lanes["migration_overhead_share"] <= 0.1).mean()
    assert share["bound"] > share["free"] + 0.1


@pytest.mark.parametrize(
    ("sign", "value", "expected"),
    [("<=", 3.0, 0.0), ("<=", 6.0, 1.0), (">=", 1.5, 0.5), (">=", 6.0, -1.0), ("<", 3.0, math.ulp(0.0))],
)
def test_how_far_a_constraint_is_broken(sign, value, expected):
    from pipeline.config.goals import Constraint

    assert violation(Constraint("slowdown_p99", sign, 3.0), value) == expected


def test_a_proposal_and_its_settings_are_the_same_thing():
    space = Space(AXES, lambda item, place: item)
    known = space.distributions()
    assert {name: type(d).__name__ for name, d in known.items()} == {
        FACTOR: "FloatDistribution", RATE: "IntDistribution", RATE + "|which": "CategoricalDistribution",
        VICTIM: "CategoricalDistribution", "policy.batch": "IntDistribution",
    }  # fmt: skip
    for row in unit_cube("random", 50, len(AXES), 1):
        item = {axis.key: axis.value_at(float(x)) for axis, x in zip(AXES, row, strict=True)}
        params = space.params(item)
        assert space.assignment(params) == item
        assert all(known[name]._contains(known[name].to_internal_repr(v)) for name, v in params.items())


def test_other_designs_do_not_load_the_optimiser():
    code = "import sys, pipeline.sweep; sys.exit('optuna' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
