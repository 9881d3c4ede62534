"""The memory of a lane is whole after every event: a small soak, and that the checker sees what is broken."""

import argparse
from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import pytest

from sim.invariants.facts import ARRIVAL_CODE
from sim.invariants.lane import BrokenLaneError, SteppedLane
from sim.invariants.registry import INVARIANTS, Broken, broken_in
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import status as bits
from sim.layout.sentinel import TIME_NEVER_NS
from tests.soak.__main__ import Soak
from tests.soak.drive import stepped
from tests.soak.erts_corruptions import ERTS_CORRUPTIONS
from tests.soak.scenes import soak_scene

EVENTS = 1_000_000
Corruption = Callable[[View], None]


def arguments(**changes) -> argparse.Namespace:
    """Command line of a soak that fits into a test."""
    fields = {"events": EVENTS, "seed": 8, "check_every": 10_000, "lane_events": 100_000, "entries": 50}
    fields |= {"small": 1, "lane": None, "small_lane": None, "until_event": None}
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
    stepped = stepped(scene)
    stepped.run(10**9, 700)
    stepped.finish()
    at_once = stepped(scene)
    at_once.step(10**9)
    at_once.finish()
    assert stepped.is_counting
    assert stepped.events == at_once.events > 10_000
    assert stepped.arena.counters() == at_once.arena.counters()
    assert np.array_equal(stepped.arena.histograms(), at_once.arena.histograms())
    assert np.array_equal(stepped.arena.hardware(), at_once.arena.hardware())


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


def stopped_when(wanted: Callable[[View], bool], is_erts: bool = False) -> SteppedLane:
    """A lane that was stopped at the first moment when it is as wanted."""
    for index in range(200):
        scene = soak_scene(3, index, 60_000, 60)
        if scene.policy.erts.enabled != is_erts:
            continue
        lane = stepped(scene)
        while not lane.has_ended:
            lane.stretch(2000 if is_erts else 500)
            view = View(lane.facts)
            if lane.is_counting and wanted(view):
                lane.before = view.past()
                return lane
    raise AssertionError("no lane has it all")


stopped_erts_lane = cache(partial(stopped_when, is_erts=True))


@pytest.fixture(scope="module")
def lane() -> SteppedLane:
    """A lane that was stopped at a moment when much goes on."""
    return stopped_when(is_rich)


@pytest.fixture
def view(lane: SteppedLane) -> Iterator[View]:
    """The lane, which is put right again afterwards."""
    saved = lane.save()
    yield View(lane.facts, lane.before, lane.start)
    lane.restore(saved)
    lane.facts.tables.whole[:] = lane.facts.whole


def process(column: int, state: int, value: int) -> Corruption:
    """Change a column of a process in a state by adding to it."""

    def corrupt(view: View) -> None:
        view.process[np.flatnonzero(view.state == state)[0], column] += value

    return corrupt


def core(column: int, state: int, value: int) -> Corruption:
    """Change a column of a scheduler in a state by adding to it."""

    def corrupt(view: View) -> None:
        view.core[np.flatnonzero(view.core_state == state)[0], column] += value

    return corrupt


def hardware(column: int, value: int) -> Corruption:
    """Change a column of the hardware core of a running scheduler by adding to it."""

    def corrupt(view: View) -> None:
        view.hardware[view.on[view.running[0]], column] += value

    return corrupt


def scalar(position: int, value: int) -> Corruption:
    """Change a number at the start of the arena by adding to it."""

    def corrupt(view: View) -> None:
        view.z[position] += value

    return corrupt


def first_of(part: int, value: int) -> Corruption:
    """Change the first number of a part of the arena."""

    def corrupt(view: View) -> None:
        view.z[view.z[part]] += value

    return corrupt


def flip(part: int) -> Corruption:
    """Put the first scheduler into a set, or take it out."""

    def corrupt(view: View) -> None:
        view.z[view.z[part]] ^= 1

    return corrupt


def skip_first_of_queue(view: View) -> None:
    slot = view.queued[view.process[view.queued, P.PREV] >= 0][0]
    row = view.process[slot]
    view.core[row[P.QUEUE_CORE], C.FIRST + row[P.LEVEL]] = slot


def close_queue_to_a_ring(view: View) -> None:
    """The links agree both ways and nothing but the ends of the list is lost."""
    slot = view.queued[view.process[view.queued, P.PREV] >= 0][0]
    first = view.process[slot, P.PREV]
    view.process[slot, P.NEXT], view.process[first, P.PREV] = first, slot
    view.process[slot, P.PREV], view.process[first, P.NEXT] = first, slot


def run_a_blocked_process(view: View) -> None:
    view.core[view.running[0], C.PROCESS] = np.flatnonzero(view.state == P.BLOCKED)[0]


def copy_a_serial(view: View) -> None:
    view.process[view.live[0], P.SERIAL] = view.process[view.live[1], P.SERIAL]


def swap_ends_of_heap(view: View) -> None:
    heap = view.array(S.HEAP, 2 * int(view.z[S.HEAP_SIZE])).reshape(-1, 2)
    heap[[0, -1]] = heap[[-1, 0]]


def mix_up_a_timer(view: View) -> None:
    """A timer that will wake another process than the one that sleeps."""
    codes = view.array(S.HEAP, 2 * int(view.z[S.HEAP_SIZE]))[1::2]
    codes[np.flatnonzero(codes < ARRIVAL_CODE)[0]] = view.queued[0]


def forget_waiters(view: View) -> None:
    h = view.on[view.core_state == C.STALLED][0]
    view.hardware[h, H.FIRST_WAITER] = C.NONE


def share_a_core(view: View) -> None:
    """Two schedulers run on one hardware core."""
    c = np.flatnonzero(view.core_state == C.STALLED)[0]
    view.core[c, C.STATE] = C.RUNNING


def open_a_closed_core(view: View) -> None:
    closed = (view.core_state == C.OFFLINE) & ~view.suspended
    view.hardware[view.on[closed][0], H.STATE] = H.OPEN


def lose_an_event(view: View) -> None:
    view.events[view.running[0]] = TIME_NEVER_NS


def cheat_in_the_tree(view: View) -> None:
    """The winner of all matches is another scheduler than the next one."""
    view.z[view.z[S.TREE] + 1] = int(np.argmax(view.events))


def give_a_stalled_core_an_event(view: View) -> None:
    view.events[np.flatnonzero(view.core_state == C.STALLED)[0]] = view.now


def fall_asleep(view: View) -> None:
    cores = view.process[view.queued, P.QUEUE_CORE]
    busy = view.core_state[cores] != C.OFFLINE
    view.core[cores[busy & ~view.excluded(view.queued, cores)][0], C.STATE] = C.IDLE


def run_too_far(view: View) -> None:
    row = view.core[view.running[0]]
    row[C.SEGMENT_REDS] = view.process[row[C.PROCESS], P.REMAINING] + 1


def leave_the_mask(view: View) -> None:
    """A process is strict, and runs where it may not, from now on."""
    for c in view.running.tolist():
        row = view.process[view.core[c, C.PROCESS]]
        masks = np.flatnonzero(~view.facts.masks[:, view.on[c]])
        if masks.size and not view.facts.astray[row[P.PC]]:
            row[P.AFFINITY], row[P.MASK] = P.STRICT, masks[0]
            view.core[c, C.SLICE_NS] = view.now + 1
            return
    raise AssertionError("no such process")


def strand_beside_others(view: View) -> None:
    """A process that may run where it is queued, and elsewhere, counts as stranded."""
    free = view.process[view.queued, P.AFFINITY] != P.STRICT
    busy = view.core_state[view.process[view.queued, P.QUEUE_CORE]] == C.RUNNING
    view.process[view.queued[free & busy][0], P.IS_STRANDED] = 1


def refuse_in_silence(view: View) -> None:
    view.z[N.REFUSED] = 1
    view.z[S.STATUS] &= ~bits.PROCESS_LIMIT


def turn_back_the_clock(view: View) -> None:
    view.z[S.NOW_NS] = view.now = view.before.now_ns - 1


def write_beside(view: View) -> None:
    view.z[view.facts.gaps[0][0]] = 1


def write_to_a_table(view: View) -> None:
    view.facts.tables.whole[-1] += 1


CORRUPTIONS: list[tuple[str, Corruption]] = [
    ("ranges", process(P.QUEUE_CORE, P.BLOCKED, 10_000)),
    ("ranges", process(P.REMAINING, P.WAITING, -1)),
    ("live count", scalar(S.LIVE, 1)),
    ("free slots", scalar(S.FREE_FIRST, 1)),
    ("free slots", process(P.STATE, P.WAITING, -P.WAITING)),
    ("serials", copy_a_serial),
    ("serials", scalar(S.SERIAL, -1)),
    ("queue links", skip_first_of_queue),
    ("queue links", close_queue_to_a_ring),
    ("queue links", process(P.STATE, P.CALLING, P.READY - P.CALLING)),
    ("queue lengths", core(C.QUEUE_LENGTH, C.RUNNING, 1)),
    ("queue lengths", scalar(S.NUM_WAITING, -1)),
    ("backlog", flip(S.BACKLOG)),
    ("running", run_a_blocked_process),
    ("running", process(P.STATE, P.BLOCKED, P.RUNNING - P.BLOCKED)),
    ("timers", mix_up_a_timer),
    ("timers", process(P.STATE, P.WAITING, P.BLOCKED - P.WAITING)),
    ("heap order", swap_ends_of_heap),
    ("waiting", process(P.IS_CALLING, P.CALLING, 1)),
    ("waiting", process(P.NEED, P.WAITING, -1000)),
    ("mailboxes", process(P.MAIL_COUNT, P.WAITING, 1)),
    ("message pool", scalar(S.MAIL_USED, 1)),
    ("message pool", scalar(S.MAIL_FREE, 10**6)),
    ("due events", scalar(S.NEXT_WINDOW_NS, -(10**9))),
    ("due events", scalar(S.NEXT_ENTRY_NS, -1)),
    ("idle set", flip(S.IDLE_SET)),
    ("idle set", scalar(S.NUM_IDLE, 1)),
    ("online set", flip(S.ONLINE_SET)),
    ("ready list", scalar(S.READY_COUNT, 1)),
    ("schedulers online", scalar(S.USED, -1)),
    ("schedulers online", core(C.SUSPENDED, C.RUNNING, 1)),
    ("facts", core(C.FREQUENCY_MHZ, C.RUNNING, 1)),
    ("frequency", hardware(H.BASE_Q20, 1)),
    ("frequency", hardware(H.ACTIVE_MW, 1)),
    ("core sets", flip(S.NODE_SETS)),
    ("core sets", flip(S.ALL_CORES)),
    ("occupants", hardware(H.OCCUPANTS, 1)),
    ("holders", hardware(H.HOLDER, 1)),
    ("holders", share_a_core),
    ("waiters", forget_waiters),
    ("closed cores", open_a_closed_core),
    ("re-binding", core(C.NEXT_HARDWARE, C.IDLE, 1)),
    ("core events", lose_an_event),
    ("core events", give_a_stalled_core_an_event),
    ("event tree", cheat_in_the_tree),
    ("idle beside work", fall_asleep),
    ("slices", run_too_far),
    ("slices", core(C.BUDGET, C.RUNNING, 10**9)),
    ("strict masks", leave_the_mask),
    ("stranded", scalar(S.NUM_STRANDED, 1)),
    ("stranded", process(P.IS_STRANDED, P.BLOCKED, 1)),
    ("refuges", strand_beside_others),
    ("mask counts", first_of(S.MASK_WAITING, 1)),
    ("created and completed", scalar(N.COMPLETED, 1)),
    ("node memory", first_of(S.NODE_USED, 8)),
    ("homes", process(P.HOME, P.RUNNING, -1000)),
    ("reductions", scalar(N.REDUCTIONS, 1)),
    ("reductions", process(P.REMAINING, P.RUNNING, 1)),
    ("dispatches", scalar(N.PREEMPTIONS, 1)),
    ("migrations", scalar(N.BY_MECHANISM + N.POWER, 1)),
    ("migrations", scalar(N.DENIED, 1)),
    ("settlement", scalar(N.SETTLED, 1)),
    ("messages", scalar(N.LOST_MESSAGES, 1)),
    ("histograms", first_of(S.HISTOGRAMS, 1)),
    ("limits noted", refuse_in_silence),
    ("limits noted", scalar(S.STATUS, bits.BROKEN)),
    ("counters", scalar(N.GC_NS, -(2**60))),
    ("control", scalar(S.TOKENS, -(2**60))),
    ("load integral", core(C.AREA, C.RUNNING, -(2**50))),
    ("cache history", process(P.VISITED_COUNT, P.RUNNING, 5)),
    ("clock", turn_back_the_clock),
    ("busy time", core(C.BUSY_NS, C.RUNNING, -1)),
    ("core time", scalar(N.IDLE_NS, 1)),
    ("hardware busy", hardware(H.BUSY_NS, 1)),
    ("energy", hardware(H.ENERGY_PJ, 1)),
    ("overhead", scalar(N.DIRECT_NS, 2**60)),
    ("stray writes", write_beside),
    ("stray writes", scalar(K.QUANTUM_REDS, 1)),
    ("stray writes", scalar(S.MASK_WAITING, 1)),
    ("tables", write_to_a_table),
]


def test_what_is_whole_is_not_reported(view: View) -> None:
    assert broken_in(view) == []


def test_every_invariant_has_a_corruption() -> None:
    broken = {name for name, _ in CORRUPTIONS} | {name for name, _, _ in ERTS_CORRUPTIONS}
    assert broken == set(INVARIANTS)


@pytest.mark.parametrize(
    ("name", "corrupt"), CORRUPTIONS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CORRUPTIONS)]
)
def test_a_corruption_is_reported(view: View, name: str, corrupt: Corruption) -> None:
    corrupt(view)
    broken = broken_in(View(view.facts, view.before, view.start))
    assert name in {each.name for each in broken}


@pytest.mark.parametrize(
    ("name", "wanted", "corrupt"),
    ERTS_CORRUPTIONS,
    ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(ERTS_CORRUPTIONS)],
)
def test_a_corruption_of_run_queues_is_reported(name: str, wanted, corrupt: Corruption) -> None:
    lane = stopped_erts_lane(wanted)
    saved = lane.save()
    view = View(lane.facts, lane.before, lane.start)
    whole = broken_in(view)
    corrupt(view)
    broken = broken_in(View(lane.facts, lane.before, lane.start))
    lane.restore(saved)
    assert whole == []
    assert name in {each.name for each in broken}


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
