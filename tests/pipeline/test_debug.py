"""`debug=invariants`: the same bits; a break is told with the command that shows it, and averaged nowhere."""

import json
import shlex

import numpy as np
import polars as pl
import pytest

import sim
from pipeline import simulate, sweep
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.schema import DebugInvariants
from pipeline.config.study import make_study
from pipeline.debug import slow_text
from pipeline.run.lanes import LanePlan, coreshift_toolkit
from sim.invariants.lane import SteppedLane
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from tests.reference.compare import lane_of
from tests.reference.scenarios import random_scenario

SMALL = [
    "topology=two_core", "workload=mm1", "policy=balanced", "replicates=2", "simulation.horizon_ns=1000000",
    "simulation.warmup_ns=200000", "simulation.window_ns=100000",
]  # fmt: skip
QUIET = ["cluster=inline", "tracking=off"]
SENTENCE, FOUND = "It is early.", "too late"


def break_late(monkeypatch, is_wanted=lambda view: True, event: int = 100) -> None:
    """An invariant that does not hold any more from an event on."""

    def check(view) -> str:
        return FOUND if view.z[S.HANDLED] >= event and is_wanted(view) else ""

    monkeypatch.setitem(sim.INVARIANTS, "made up", (SENTENCE, check))


def answer(capfd, *words: str) -> dict:
    """What pipeline.simulate says as JSON."""
    capfd.readouterr()
    assert simulate.main([*SMALL, *words, "output=json"]) == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("words", [(), ("faults=frequency",), ("policy=erts", "replicates=1")])
def test_looks_change_no_bit(capfd, words: tuple[str, ...]) -> None:
    plain = answer(capfd, *words)
    assert answer(capfd, *words, "debug=invariants") == plain
    assert answer(capfd, *words, "debug=invariants", "debug.every=50") == plain


@pytest.mark.parametrize("seed", range(6))
def test_checked_columns_are_those_of_simulate(seed: int) -> None:
    scene = random_scenario(seed)
    parts = (scene.topology, scene.workload, [lane_of(scene)], scene.simulation, scene.timeline)
    plain = sim.simulate(*parts)
    checked = sim.simulate_checked(*parts, looks=sim.Looks(every=20))
    assert checked.breaks == {}
    assert checked.core_utilisation.tobytes() == plain.core_utilisation.tobytes()
    for name, column in plain.columns.items():
        assert column.tobytes() == checked.columns[name].tobytes(), name


def test_it_says_beforehand_how_slow_it_is(capfd) -> None:
    assert simulate.main([*SMALL, "debug=invariants"]) == 0
    err = capfd.readouterr().err
    assert f"debug=invariants: {len(sim.INVARIANTS)} invariants are looked at after every event, " in err
    assert "; 2 to do." in err
    settings = DebugInvariants(kind="invariants", every=10)
    text = slow_text(settings, 3_600_000, 1000.0, 4)
    assert (
        "after every 10 events, 1,000 events a second. A lane of 3,600,000 events takes about 1:00 h" in text
    )
    assert "debug.every=10000" in text


@pytest.mark.parametrize("every", [1, 7, 1000])
def test_a_break_is_told_with_the_command_that_shows_it(capfd, monkeypatch, every: int) -> None:
    break_late(monkeypatch, lambda view: view.z[K.KEY] != first_key())
    assert simulate.main([*SMALL, "debug=invariants", f"debug.every={every}"]) == 1
    said = capfd.readouterr()
    assert said.out == ""
    report = said.err.partition("coreshift: ")[2]
    assert report.startswith("replicate 1, seed 1: broken after event 100, at ")
    assert f"  made up: {SENTENCE}\n    found: {FOUND}\n  the event: " in report
    again = report.partition("again: ")[2].splitlines()[0]
    assert again.endswith(" debug=invariants debug.from_event=99 debug.replicate=1")
    words = shlex.split(again)
    assert words[:3] == ["python", "-m", "pipeline.simulate"]
    assert simulate.main(words[3:]) == 1
    assert capfd.readouterr().err.partition("coreshift: ")[2] == report
    other = [word.replace("debug.replicate=1", "debug.replicate=0") for word in words[3:]]
    assert simulate.main(other) == 0


def first_key() -> int:
    """Random key of replicate 0."""
    return int(np.random.SeedSequence([1, 0]).generate_state(1, np.uint64).view(np.int64)[0])


def folder_of(tmp_path, *words: str):
    """The run folder of a sweep of these words."""
    command = read_command([*SMALL, *words])
    study = with_hydra(command, lambda: make_study(command))
    return tmp_path / study.name / LanePlan(study, coreshift_toolkit()).key


def tables(folder) -> dict[str, bytes]:
    """The tables of a run, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def test_a_sweep_reports_the_lane_that_broke_and_averages_it_nowhere(tmp_path, capfd, monkeypatch) -> None:
    axes = ["policy.balancing.imbalance=2,3"]
    words = [*SMALL, *QUIET, f"outputs.folder={tmp_path}", *axes]
    assert sweep.main(words) == 0
    folder = folder_of(tmp_path, *axes)
    plain = tables(folder)
    assert plain
    assert sweep.main([*words, "debug=invariants", "debug.every=50"]) == 0
    assert tables(folder) == plain
    break_late(monkeypatch, lambda view: view.z[K.IMBALANCE] == 3 and view.z[K.KEY] != first_key())
    capfd.readouterr()
    assert sweep.main([*words, "debug=invariants", "debug.every=50"]) == 1
    err = capfd.readouterr().err
    settings = "point 1 (policy.balancing.imbalance=3), replicate 1, seed 1: broken after event 100, at "
    assert f"Lane failed: {settings}" in err
    assert f"Broken: {settings}" in err
    again = shlex.split(err.partition("again: ")[2].splitlines()[0])
    assert simulate.main(again[3:]) == 1
    failures = json.loads((folder / "failures.json").read_text())
    assert [(each["point"], each["replicate"]) for each in failures] == [(1, 1)]
    assert failures[0]["status"] & sim.LaneStatus.BROKEN_INVARIANT
    assert f"made up: {SENTENCE}" in failures[0]["error"]
    lanes = pl.read_parquet(folder / "lanes" / "*.parquet").filter(pl.col("event_count").is_null())
    assert lanes.select("point", "replicate").rows() == [(1, 1)]
    summary = pl.read_parquet(folder / "summary.parquet").sort("point")
    assert summary["lane_excluded_count"].to_list() == [0, 1, 0]


def test_stored_lanes_are_looked_at_unless_the_user_keeps_them(tmp_path, capfd, monkeypatch) -> None:
    words = [*SMALL, *QUIET, f"outputs.folder={tmp_path}", "policy.balancing.imbalance=2,3"]
    assert sweep.main(words) == 0
    break_late(monkeypatch)
    assert sweep.main([*words, "debug=invariants", "debug.every=1000", "resume=true"]) == 0
    assert sweep.main([*words, "debug=invariants", "debug.every=1000"]) == 1
    err = capfd.readouterr().err
    assert "6 of 6 lanes failed" in err
    assert "1 more lanes broke" in err


def test_a_step_that_is_not_as_at_once_is_a_break(monkeypatch) -> None:
    """Looks that changed something would show: the lane is compared with itself at once."""
    scene = random_scenario(2)
    whole = SteppedLane.finish

    def meddle(lane: SteppedLane) -> None:
        whole(lane)
        lane.z[N.GC_NS] += 1

    monkeypatch.setattr(SteppedLane, "finish", meddle)
    parts = (scene.topology, scene.workload, [lane_of(scene)], scene.simulation, scene.timeline)
    result = sim.simulate_checked(*parts, looks=sim.Looks(every=500))
    assert [each.name for each in result.breaks[0].broken] == ["same bits"]
    assert result.columns["status"][0] & sim.LaneStatus.BROKEN_INVARIANT


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("debug=invariants", "debug.every=0"), "debug.every = 0: must be a whole number from 1"),
        (("debug=invariant",), "debug = 'invariant': must be one of invariants, none"),
        (("debug.kind=all",), "debug.kind = 'all': must be one of none, invariants"),
    ],
)
def test_bad_input_is_one_message(capfd, words: tuple[str, ...], message: str) -> None:
    assert simulate.main([*SMALL, *words]) == 2
    assert message in capfd.readouterr().err
