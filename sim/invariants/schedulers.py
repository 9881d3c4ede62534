"""Schedulers: the sets that they are in, their events and their slices."""

import numpy as np

from sim.invariants.registry import first_bad, invariant, unlike
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout.sentinel import TIME_NEVER_NS


@invariant("idle set")
def check_idle(view: View) -> str:
    """IDLE_SET holds the IDLE schedulers, and NUM_IDLE counts them."""
    idle = view.core_state == C.IDLE
    wrong = view.members(S.IDLE_SET)[0] != idle
    return first_bad(wrong, "core", state=view.core_state) or unlike(
        "NUM_IDLE", int(view.z[S.NUM_IDLE]), int(idle.sum())
    )


@invariant("online set")
def check_online(view: View) -> str:
    """ONLINE_SET holds the schedulers on open cores that are not OFFLINE or suspended."""
    is_open = view.hardware[view.on, H.STATE] == H.OPEN
    online = is_open & (view.core_state != C.OFFLINE) & ~view.suspended
    wrong = view.members(S.ONLINE_SET)[0] != online
    return first_bad(wrong, "core", state=view.core_state, hardware=view.on, is_open=is_open)


@invariant("ready list")
def check_ready(view: View) -> str:
    """Between events the ready list is empty and no scheduler is PENDING."""
    pending = view.core_state == C.PENDING
    return unlike("READY_COUNT", int(view.z[S.READY_COUNT]), 0) or first_bad(pending, "core")


@invariant("schedulers online")
def check_suspended(view: View) -> str:
    """Beyond the count of the last entry all are suspended: OFFLINE, or last run."""
    counts = view.counts_done
    since, count = counts[-1].tolist() if counts.size else (-1, int(view.z[K.ONLINE]))
    state = view.core_state
    bad = view.suspended != (np.arange(view.num_cores) >= count)
    last = (state == C.RUNNING) & (view.core[:, C.SLICE_NS] <= since)
    bad |= view.suspended & (((state != C.OFFLINE) & ~last) | (view.core[:, C.CAUSE] != C.POWER))
    return unlike("USED", view.online, count) or first_bad(
        bad, "core", state=state, slice=view.core[:, C.SLICE_NS], cause=view.core[:, C.CAUSE]
    )


@invariant("facts")
def check_facts(view: View) -> str:
    """A scheduler sees the facts of the hardware core that it stands on."""
    seen = view.core[:, C.BASE_Q20 : C.BASE_Q20 + C.FACTS]
    return first_bad((seen != view.hardware[view.on, : C.FACTS]).any(axis=1), "core", hardware=view.on)


@invariant("core sets")
def check_sets(view: View) -> str:
    """Sets of schedulers are the hardware sets, seen from where the schedulers stand."""
    found = view.members(S.ALL_CORES, int(view.z[S.NUM_SETS]))
    expected = view.facts.sets[:, view.on]
    expected[0] = True
    return first_bad((found != expected).any(axis=1), "set", masks_from=-view.facts.masks.shape[0])


@invariant("core events")
def check_events(view: View) -> str:
    """RUNNING and WAKING cores have an event, not before now; STALLED and OFFLINE none."""
    due, state = view.events[: view.num_cores], view.core_state
    never = due == TIME_NEVER_NS
    bad = ((state == C.RUNNING) | (state == C.WAKING)) & (never | (due < view.now))
    bad |= ((state == C.STALLED) | (state == C.OFFLINE)) & ~never
    # of an idle core: a poll, or the end of spinning
    may_wait = view.z[K.POLL_NS] != 0 or (view.z[K.ERTS] and view.z[K.MOVES])
    bad |= (state == C.IDLE) & ~never & ((due < view.now) | (not may_wait))
    beyond = (view.events[view.num_cores :] != TIME_NEVER_NS).any()
    return first_bad(bad, "core", state=state, event=due) or ("an event of no core" if beyond else "")


@invariant("event tree")
def check_tree(view: View) -> str:
    """Each match of the tree is won by the least (time, core), so entry 1 by the next event."""
    leaves = view.events.size
    tree = view.array(S.TREE, leaves)
    winner = np.arange(leaves)
    while winner.size > 1:
        a, b = winner[::2], winner[1::2]
        winner = np.where(view.events[b] < view.events[a], b, a)
        found = tree[winner.size : 2 * winner.size]
        if (found != winner).any():
            return first_bad(found != winner, f"match of {winner.size}", found=found, expected=winner)
    return ""


@invariant("idle beside work")
def check_sleepers(view: View) -> str:
    """No scheduler is IDLE while its own queue holds a process that it may run."""
    cores = view.process[view.queued, P.QUEUE_CORE]
    bad = (view.core_state[cores] == C.IDLE) & ~view.excluded(view.queued, cores)
    return first_bad(bad, "queued process", slot=view.queued, core=cores)


@invariant("slices")
def check_slices(view: View) -> str:
    """A running segment fits its process, its budget, its slice and its event."""
    rows = view.core[view.running]
    left = view.process[rows[:, C.PROCESS], P.REMAINING]
    due = view.events[view.running]
    reds, quantum = rows[:, C.SEGMENT_REDS], int(view.z[K.QUANTUM_REDS])
    bad = (reds < 0) | (reds > left) | (reds > rows[:, C.BUDGET])
    bad |= rows[:, C.BUDGET] > (quantum or 2**62)
    bad |= (rows[:, C.SLICE_NS] > rows[:, C.SEGMENT_NS]) | (rows[:, C.SEGMENT_NS] > view.now)
    bad |= rows[:, C.PAID_OWED_NS] + rows[:, C.PAID_REFILL_NS] > due - rows[:, C.SEGMENT_NS]
    bad |= (rows[:, C.OWED_NS] < 0) | (rows[:, C.DEBT_NS] < 0) | (rows[:, C.PAID_REMOTE_NS] < 0)
    return first_bad(bad, "running core", core=view.running, reds=reds, left=left, budget=rows[:, C.BUDGET])
