"""The memory of a lane is whole after every event: a small soak, and that the checker sees what is broken."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import numpy as np
import pytest

from sim.invariants.lane import BrokenLaneError, SteppedLane
from sim.invariants.registry import INVARIANTS, Broken, broken_in
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from tests.reference.scenarios import Scenario
from tests.soak.__main__ import Soak
from tests.soak.calm import calm_scene
from tests.soak.corruptions import CORRUPTIONS, Corruption
from tests.soak.drive import stepped
from tests.soak.erts_corruptions import ERTS_CORRUPTIONS
from tests.soak.log_corruptions import LOG_CORRUPTIONS, is_idle_beside_others
from tests.soak.scenes import soak_scene

EVENTS = 1_000_000


def arguments(**changes) -> argparse.Namespace:
    """Command line of a soak that fits into a test."""
    fields = {"events": EVENTS, "seed": 8, "check_every": 10_000, "lane_events": 100_000, "entries": 50}
    fields |= {"small": 1, "lane": None, "small_lane": None, "calm_lane": None, "until_event": None}
    return argparse.Namespace(**(fields | changes))


@pytest.mark.timeout(600)  # it may have to compile
def test_a_million_events_under_faults() -> None:
    soak = Soak(arguments())
    assert soak.run() == ""
    assert soak.events >= EVENTS
    assert soak.entries > 300
    assert soak.checks > 700
    assert soak.erts_lanes >= 3
    assert soak.balanced >= 1
    assert len(soak.never()) < 5  # counters that no lane moved: the scenes reach nearly all there is


def test_a_soak_stops_at_the_first_break_and_says_how_to_see_it(monkeypatch) -> None:
    sentence, found = "It is early.", "too late"
    monkeypatch.setitem(
        INVARIANTS, "made up", (sentence, lambda view: found if view.z[N.EVENTS] >= 321 else "")
    )
    soak = Soak(arguments(events=5000))
    report = soak.run()
    assert f"made up: {sentence}\n    found: {found}" in report
    assert "python -m tests.soak --seed 8 --lane 0 " in report
    assert soak.events == 0
    event = int(report.rpartition("--until-event ")[2])
    assert Soak(arguments(lane=0, until_event=event)).run().partition("after event")[2] != ""
    assert Soak(arguments(lane=0, until_event=event - 1, events=1)).run() == ""


def test_steps_and_looks_change_nothing() -> None:
    scene = soak_scene(5, 1, 30_000, 40)
    looked_at = stepped(scene)
    looked_at.run(10**9, 700)
    looked_at.finish()
    at_once = stepped(scene)
    at_once.step(10**9)
    at_once.finish()
    assert looked_at.is_counting
    assert looked_at.events == at_once.events > 10_000
    assert looked_at.arena.counters() == at_once.arena.counters()
    assert np.array_equal(looked_at.arena.histograms(), at_once.arena.histograms())
    assert np.array_equal(looked_at.arena.hardware(), at_once.arena.hardware())


def is_rich(view: View) -> bool:
    """Is there everything that the corruptions below need?"""
    states, cores = set(view.state.tolist()), set(view.core_state.tolist())
    wanted = {P.FREE, P.READY, P.RUNNING, P.BLOCKED, P.WAITING, P.CALLING}
    usual = view.facts.is_counted and view.z[K.IS_CACHE] and view.z[K.ON_AFFINITY] and not view.is_erts
    closed = (view.core_state == C.OFFLINE) & ~view.suspended
    tails = view.process[view.queued, P.PREV] >= 0
    return bool(
        usual
        and wanted <= states
        and {C.IDLE, C.RUNNING, C.STALLED, C.OFFLINE} <= cores
        and closed.any()
        and tails.sum() > 2
        and view.z[S.MAIL_FREE] >= 0
        and view.facts.gaps
        and view.z[S.TOKENS] >= 0
    )


def faulty_scenes(is_erts: bool) -> Iterator[Scenario]:
    """Lanes of a soak, with or without the BEAM's own run queues."""
    scenes = (soak_scene(3, index, 60_000, 60) for index in range(200))
    return (scene for scene in scenes if scene.policy.erts.enabled == is_erts)


def stopped_when(wanted: Callable[[View], bool], scenes: Iterable[Scenario], every: int) -> SteppedLane:
    """A lane that was stopped at the first of some moments when it is as wanted."""
    for scene in scenes:
        lane = stepped(scene)
        while not lane.has_ended:
            lane.pass_over(lane.events + every, every)
            if lane.is_counting and wanted(View(lane.facts, lane.before, lane.start)):
                return lane
    raise AssertionError("no lane has it all")


@cache
def stopped_erts_lane(wanted: Callable[[View], bool]) -> SteppedLane:
    """As stopped_when, with the BEAM's own run queues."""
    return stopped_when(wanted, faulty_scenes(is_erts=True), 2000)


@cache
def stopped_logged_lane(wanted: Callable[[View], bool]) -> SteppedLane:
    """As stopped_when, without faults if the policy must conserve work."""
    if wanted is is_idle_beside_others:
        return stopped_when(wanted, map(calm_scene, range(200)), 10)
    return stopped_when(wanted, faulty_scenes(is_erts=False), 500)


@pytest.fixture(scope="module")
def lane() -> SteppedLane:
    """A lane that was stopped at a moment when much goes on."""
    return stopped_when(is_rich, faulty_scenes(is_erts=False), 500)


@pytest.fixture
def view(lane: SteppedLane) -> Iterator[View]:
    """The lane, which is put right again afterwards."""
    saved = lane.save()
    yield View(lane.facts, lane.before, lane.start)
    lane.restore(saved)
    lane.facts.tables.whole[:] = lane.facts.whole


def test_what_is_whole_is_not_reported(view: View) -> None:
    assert broken_in(view) == []


def test_every_invariant_has_a_corruption() -> None:
    broken = {name for name, _ in CORRUPTIONS} | {name for name, _, _ in ERTS_CORRUPTIONS + LOG_CORRUPTIONS}
    assert broken == set(INVARIANTS)


@pytest.mark.parametrize(
    ("name", "corrupt"), CORRUPTIONS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CORRUPTIONS)]
)
def test_a_corruption_is_reported(view: View, name: str, corrupt: Corruption) -> None:
    corrupt(view)
    broken = broken_in(View(view.facts, view.before, view.start))
    assert name in {each.name for each in broken}


def assert_reported(lane: SteppedLane, name: str, corrupt: Corruption) -> None:
    """Assert that the lane is whole, and that the corruption is reported under the name; leave it whole."""
    saved = lane.save()
    view = View(lane.facts, lane.before, lane.start)
    whole = broken_in(view)
    corrupt(view)
    broken = broken_in(View(lane.facts, lane.before, lane.start))
    lane.restore(saved)
    assert whole == []
    assert name in {each.name for each in broken}


@pytest.mark.parametrize(
    ("name", "wanted", "corrupt"),
    ERTS_CORRUPTIONS,
    ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(ERTS_CORRUPTIONS)],
)
def test_a_corruption_of_run_queues_is_reported(name: str, wanted, corrupt: Corruption) -> None:
    assert_reported(stopped_erts_lane(wanted), name, corrupt)


@pytest.mark.parametrize(
    ("name", "wanted", "corrupt"),
    LOG_CORRUPTIONS,
    ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(LOG_CORRUPTIONS)],
)
def test_a_corruption_of_the_log_is_reported(name: str, wanted, corrupt: Corruption) -> None:
    assert_reported(stopped_logged_lane(wanted), name, corrupt)


def test_the_event_that_breaks_something_is_found(lane: SteppedLane, monkeypatch) -> None:
    """An invariant that is false from some event on: the report names just that event."""
    saved, begun = lane.save(), int(lane.z[N.EVENTS])

    def late(view: View) -> str:
        return "too late" if view.z[N.EVENTS] >= begun + 137 else ""

    monkeypatch.setitem(INVARIANTS, "made up", ("It is early.", late))
    with pytest.raises(BrokenLaneError) as caught:
        lane.run(10**9, 1000)
    lane.restore(saved)
    assert caught.value.events == saved.events + 137
    assert caught.value.broken == [Broken("made up", "It is early.", "too late")]
