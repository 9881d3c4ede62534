"""The contract (sim/DESIGN.md §20), as the naive simulator reads it, says what is known about the BEAM.

tests/reference/erts_text.py was written from the text about the emulator alone, the naive simulator from the
contract alone; random states must lead both to the same decisions.
"""

from collections import Counter, deque
from copy import deepcopy
from random import Random
from types import SimpleNamespace

import pytest

import sim
from tests.reference import erts_balance, erts_loop, erts_paths, erts_steal, erts_text
from tests.reference.codes import CoreState
from tests.reference.erts_states import MODES, random_state
from tests.reference.process import Core
from tests.reference.run_queue import Path, RunQueue, Vm

BALANCE_STATES = 1000  # by mode
OTHER_STATES = 500
MADE = {"balance": {}, "compact": {"was_inactive": True}, "util": {"is_util": True}}


def as_lane(state: erts_text.State) -> SimpleNamespace:
    """Dress a state up as a lane of the naive simulator."""
    rule = sim.Erts(
        enabled=True,
        scl=state.scl,
        sub=state.sub,
        swt=state.swt,
        sws=state.sws,
        otp=str(state.generation),
    )
    seen: Counter[str] = Counter()
    lane = SimpleNamespace(
        used=state.used,
        now=0,
        is_erts=True,
        may_balance=True,
        policy=SimpleNamespace(erts=rule),
        vm=Vm(
            active=state.active,
            last_active=state.last_active,
            rise=state.prev_rise,
            is_halftime=state.halftime,
            history_at=state.hist_ix,
            is_forced=state.forced,
        ),
        cores=[as_core(c, rq) for c, rq in enumerate(state.rqs)],
        seen=seen,
        due=[],
    )
    lane.count = lambda name, amount=1: None
    lane.is_available = lambda c: lane.cores[c].state != CoreState.OFFLINE
    lane.make_due = lambda core: lane.due.append(core.index)
    return lane


def as_core(c: int, rq: erts_text.Rq) -> Core:
    """Dress a run queue up as a scheduler."""
    processes = [
        SimpleNamespace(kind=SimpleNamespace(priority=p)) for p in range(4) for _ in range(rq.len[p])
    ]
    queues = [deque(x for x in processes if min(x.kind.priority, 2) == level) for level in range(3)]
    own = RunQueue(
        max_len=list(rq.max_len),
        max_total=rq.max_len_total,
        reds=list(rq.reds),
        balance_reds=rq.check_balance_reds,
        history=list(rq.hist),
        history_sum=sum(rq.hist),
        wakeup_other=rq.wakeup_other,
        wakeup_reds=rq.wakeup_reds,
        is_out_of_work=rq.out_of_work,
        is_half_out=rq.halftime_out_of_work,
        is_inactive=rq.inactive,
        is_nonempty=rq.nonempty,
        is_waiting=rq.waiting,
        paths=[None if path is None else as_path(path) for path in rq.path],
    )
    own.utilisation.short_ns, own.utilisation.long_ns = rq.util_short * 1000, rq.util_long * 10_000
    state = CoreState.OFFLINE if rq.suspended else CoreState.IDLE
    return Core(c, c, True, state=state, queues=queues, rq=own)


def as_path(path: erts_text.Path) -> Path:
    """Dress a path up."""
    limits = path.limit_here, path.limit_other
    return Path(path.kind == "emigrate", path.partner, *limits, path.evacuate, **MADE[path.made])


def numbers_of(lane) -> list:
    """Give all that a balance call may change of a naive lane."""
    vm = lane.vm
    names = ("max_len", "max_total", "reds", "balance_reds", "history", "is_out_of_work", "is_half_out")
    rqs = [[getattr(core.rq, name) for name in (*names, "is_inactive", "paths")] for core in lane.cores]
    assert all(core.rq.history_sum == sum(core.rq.history) for core in lane.cores)
    return [vm.active, vm.last_active, vm.rise, vm.is_halftime, vm.history_at, vm.is_forced, *rqs]


@pytest.mark.parametrize("mode", MODES)
def test_balance_calls_do_what_the_text_says(mode: str) -> None:
    rng, found = Random(mode), Counter()
    for _ in range(BALANCE_STATES):
        state = random_state(rng, mode)
        lane = as_lane(state)
        erts_balance.check_balance(lane, lane.cores[rng.randrange(state.used)])
        after = deepcopy(state)
        erts_text.check_balance(after)
        assert numbers_of(lane) == numbers_of(as_lane(after)), state
        found.update(lane.seen)
    assert found[mode] > BALANCE_STATES // 10
    assert found["halftime"] > BALANCE_STATES // 20


def test_paths_are_followed_as_the_text_says() -> None:
    rng, found = Random(1), Counter()
    for _ in range(OTHER_STATES):
        state = random_state(rng)
        lane = as_lane(state)
        for core in lane.cores:
            for level in range(4):
                expected = erts_text.emigration(state, core.index, level)
                target = erts_paths.emigration(lane, core, level)
                assert (target and target.index) == expected or (target is None) is (expected is None)
                assert target is None or target.index == expected
                found[expected is None] += 1
    assert min(found.values()) > OTHER_STATES


def test_victims_and_those_woken_are_those_of_the_text() -> None:
    rng, woken = Random(2), Counter()
    for _ in range(OTHER_STATES):
        state = random_state(rng)
        lane = as_lane(state)
        for c in range(state.used):
            order = [victim.index for victim in erts_steal.erts_victims(lane, lane.cores[c])]
            assert order == erts_text.victim_order(state, c)
        c = rng.randrange(state.used)
        after = deepcopy(state)
        if erts_text.wakeup_check(after, c):
            target, is_new = erts_text.wake_one(after, c)
            woken["new" if is_new else "old"] += 1
            expected = [] if target is None else [target]
        else:
            expected = []
        erts_loop.check_wakeup(lane, lane.cores[c])
        assert lane.due == expected, (state, c)
        rq, theirs = lane.cores[c].rq, after.rqs[c]
        assert (rq.wakeup_other, rq.wakeup_reds) == (theirs.wakeup_other, theirs.wakeup_reds)
        assert lane.vm.active == after.active
        assert [core.rq.is_inactive for core in lane.cores] == [rq.inactive for rq in after.rqs]
    assert min(woken.values()) > 20
