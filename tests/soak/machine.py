"""Invariants of schedulers and hardware cores: sets, facts, sharing, events, masks."""

import numpy as np

from sim.layout import core as C
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout.sentinel import TIME_NEVER_NS
from tests.soak.registry import first_bad, invariant, unlike
from tests.soak.view import View


@invariant("idle set", "IDLE_SET holds the IDLE schedulers, and NUM_IDLE counts them.")
def check_idle(view: View) -> str:
    idle = view.core_state == C.IDLE
    wrong = view.members(S.IDLE_SET)[0] != idle
    return first_bad(wrong, "core", state=view.core_state) or unlike(
        "NUM_IDLE", int(view.z[S.NUM_IDLE]), int(idle.sum())
    )


@invariant("online set", "ONLINE_SET holds the schedulers on open cores that are not OFFLINE or suspended.")
def check_online(view: View) -> str:
    is_open = view.hardware[view.on, H.STATE] == H.OPEN
    online = is_open & (view.core_state != C.OFFLINE) & ~view.suspended
    wrong = view.members(S.ONLINE_SET)[0] != online
    return first_bad(wrong, "core", state=view.core_state, hardware=view.on, is_open=is_open)


@invariant("ready list", "Between events the ready list is empty and no scheduler is PENDING.")
def check_ready(view: View) -> str:
    pending = view.core_state == C.PENDING
    return unlike("READY_COUNT", int(view.z[S.READY_COUNT]), 0) or first_bad(pending, "core")


@invariant("schedulers online", "Beyond the count of the last entry all are suspended: OFFLINE, or last run.")
def check_suspended(view: View) -> str:
    counts = view.counts_done
    since, count = counts[-1].tolist() if counts.size else (-1, int(view.z[K.ONLINE]))
    state = view.core_state
    bad = view.suspended != (np.arange(view.num_cores) >= count)
    last = (state == C.RUNNING) & (view.core[:, C.SLICE_NS] <= since)
    bad |= view.suspended & (((state != C.OFFLINE) & ~last) | (view.core[:, C.CAUSE] != C.POWER))
    return unlike("USED", view.online, count) or first_bad(
        bad, "core", state=state, slice=view.core[:, C.SLICE_NS], cause=view.core[:, C.CAUSE]
    )


@invariant("facts", "A scheduler sees the facts of the hardware core that it stands on.")
def check_facts(view: View) -> str:
    seen = view.core[:, C.BASE_Q20 : C.BASE_Q20 + C.FACTS]
    return first_bad((seen != view.hardware[view.on, : C.FACTS]).any(axis=1), "core", hardware=view.on)


@invariant("frequency", "The speed and power of a hardware core are those of its clock.")
def check_frequency(view: View) -> str:
    rows, z = view.hardware, view.z
    mhz = rows[:, H.FREQUENCY_MHZ]
    base = np.maximum(1, (rows[:, H.NOMINAL_Q20] * rows[:, H.NOMINAL_MHZ] + mhz // 2) // mhz)
    same = mhz == rows[:, H.NOMINAL_MHZ]
    power = np.where(rows[:, H.IS_EFFICIENCY] == 1, z[K.E_ACTIVE_MW], z[K.P_ACTIVE_MW])
    for _ in range(int(z[K.EXPONENT])):
        power = power * mhz // rows[:, H.NOMINAL_MHZ]
    bad = (rows[:, H.BASE_Q20] != np.where(same, rows[:, H.NOMINAL_Q20], base)) | (
        rows[:, H.ACTIVE_MW] != power
    )
    return first_bad(bad, "hardware core", mhz=mhz, base=rows[:, H.BASE_Q20], power=rows[:, H.ACTIVE_MW])


@invariant("core sets", "Sets of schedulers are the hardware sets, seen from where the schedulers stand.")
def check_sets(view: View) -> str:
    found = view.members(S.ALL_CORES, int(view.z[S.NUM_SETS]))
    expected = view.facts.sets[:, view.on]
    expected[0] = True
    return first_bad((found != expected).any(axis=1), "set", masks_from=-view.facts.masks.shape[0])


@invariant("occupants", "OCCUPANTS counts the schedulers that stand on a hardware core.")
def check_occupants(view: View) -> str:
    counted = np.bincount(view.on, minlength=view.num_hardware)
    found = view.hardware[:, H.OCCUPANTS]
    return first_bad(found != counted, "hardware core", found=found, counted=counted)


@invariant(
    "holders", "A core runs one scheduler at most: its holder, or one of the BEAM holds it idle, spinning."
)
def check_holders(view: View) -> str:
    runs = np.bincount(view.on[view.running], minlength=view.num_hardware)
    holder = view.hardware[:, H.HOLDER]
    if not view.z[K.MOVES]:
        return first_bad((runs > 1) | (holder != C.NONE), "hardware core", runs=runs, holder=holder)
    runner = np.full(view.num_hardware, C.NONE)
    runner[view.on[view.running]] = view.running
    bad = (runs > 1) | (holder != runner)
    if view.z[K.ERTS]:
        own = np.maximum(holder, 0)
        state, waited = view.core_state[own], view.hardware[:, H.FIRST_WAITER] >= 0
        spins = (holder >= 0) & (runs == 0) & (view.on[own] == np.arange(view.num_hardware))
        spins &= (state == C.WAKING) | (state == C.IDLE) & (~waited | (view.events[own] < TIME_NEVER_NS))
        bad &= ~spins
    return first_bad(bad, "hardware core", runs=runs, holder=holder)


@invariant("waiters", "STALLED schedulers, and no others, wait once for their core, which another one holds.")
def check_waiters(view: View) -> str:
    waiting: list[int] = []
    following = view.core[:, C.NEXT_WAITER].tolist()
    for h, row in enumerate(view.hardware.tolist()):
        x, last, count = row[H.FIRST_WAITER], C.NONE, 0
        while x >= 0 and count <= view.num_cores:
            if view.on[x] != h:
                return f"scheduler {x} waits for core {h} and stands on {view.on[x]}"
            waiting.append(x)
            last, x, count = x, following[x], count + 1
        if count > 0 and (last != row[H.LAST_WAITER] or x >= 0):
            return f"the waiters of core {h} do not end at LAST_WAITER {row[H.LAST_WAITER]}"
        if count > 0 and (row[H.HOLDER] < 0 or row[H.STATE] != H.OPEN):
            return f"{count} wait for core {h}: holder {row[H.HOLDER]}, state {row[H.STATE]}"
    stalled = np.flatnonzero(view.core_state == C.STALLED).tolist()
    return "" if sorted(waiting) == stalled else f"{sorted(waiting)} wait, {stalled} are STALLED"


@invariant(
    "closed cores", "On a closed core all are OFFLINE, on an open one the suspended; a draining one runs."
)
def check_closed(view: View) -> str:
    state = view.hardware[view.on, H.STATE]
    offline, running = view.core_state == C.OFFLINE, view.core_state == C.RUNNING
    bad = (offline & ~view.suspended & (state == H.OPEN)) | ((state == H.OFF) & ~offline)
    bad |= (state == H.DRAINING) & ~offline & ~running
    runs = np.bincount(view.on[view.running], minlength=view.num_hardware)
    drained = (view.hardware[:, H.STATE] == H.DRAINING) & (runs == 0)
    return first_bad(bad, "core", state=view.core_state, hardware=view.on, closed=state) or first_bad(
        drained, "draining core without a slice"
    )


@invariant("re-binding", "Only a RUNNING scheduler has a re-binding ahead, and to another core than its own.")
def check_rebinding(view: View) -> str:
    target = view.core[:, C.NEXT_HARDWARE]
    bad = (target >= 0) & ((view.core_state != C.RUNNING) | (target >= view.num_hardware))
    return first_bad(bad, "core", state=view.core_state, target=target)


@invariant("core events", "RUNNING and WAKING cores have an event, not before now; STALLED and OFFLINE none.")
def check_events(view: View) -> str:
    due, state = view.events[: view.num_cores], view.core_state
    never = due == TIME_NEVER_NS
    bad = ((state == C.RUNNING) | (state == C.WAKING)) & (never | (due < view.now))
    bad |= ((state == C.STALLED) | (state == C.OFFLINE)) & ~never
    # of an idle core: a poll, or the end of spinning
    may_wait = view.z[K.POLL_NS] != 0 or (view.z[K.ERTS] and view.z[K.MOVES])
    bad |= (state == C.IDLE) & ~never & ((due < view.now) | (not may_wait))
    beyond = (view.events[view.num_cores :] != TIME_NEVER_NS).any()
    return first_bad(bad, "core", state=state, event=due) or ("an event of no core" if beyond else "")


@invariant(
    "event tree", "Each match of the tree is won by the least (time, core), so entry 1 by the next event."
)
def check_tree(view: View) -> str:
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


@invariant("idle beside work", "No scheduler is IDLE while its own queue holds a process that it may run.")
def check_sleepers(view: View) -> str:
    cores = view.process[view.queued, P.QUEUE_CORE]
    bad = (view.core_state[cores] == C.IDLE) & ~view.excluded(view.queued, cores)
    return first_bad(bad, "queued process", slot=view.queued, core=cores)


@invariant("slices", "A running segment fits its process, its budget, its slice and its event.")
def check_slices(view: View) -> str:
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


def changed_ns(view: View, kind: int) -> int:
    """When the timeline last changed the affinity of a class; -1 if it never did."""
    facts = view.facts
    rows = facts.rows[: facts.first[int(view.z[S.ENTRY])]]
    meant = (rows[:, T.SUBJECT] < 0) | (rows[:, T.SUBJECT] == kind)
    times = rows[meant & (rows[:, T.WHAT] == T.CHANGE_AFFINITY), T.WHEN_NS]
    return int(times.max()) if times.size else -1


@invariant("strict masks", "A strict process runs outside its mask only if that changed during the slice.")
def check_strict(view: View) -> str:
    slots = view.core[view.running, C.PROCESS]
    outside = view.excluded(slots, view.running)
    for core in view.running[outside].tolist():
        slot, since = int(view.core[core, C.PROCESS]), int(view.core[core, C.SLICE_NS])
        row = view.process[slot]
        own = not view.facts.is_replay and view.facts.astray[row[P.PC]]
        if not own and changed_ns(view, int(row[P.CLASS])) < since:
            return f"process {slot} on core {core}, since {since}, mask {row[P.MASK]}"
    return ""


@invariant("stranded", "Stranded are the READY on OFFLINE or excluded cores: flagged, and counted.")
def check_stranded(view: View) -> str:
    flag = view.process[:, P.IS_STRANDED]
    expected = np.zeros(view.used, np.int64)
    if view.z[K.CAN_STRAND]:
        cores = view.process[view.queued, P.QUEUE_CORE]
        expected[view.queued] = (view.core_state[cores] == C.OFFLINE) | view.excluded(view.queued, cores)
    wrong = (flag != expected) & (view.state != P.FREE)
    return first_bad(wrong, "process", state=view.state, flag=flag) or unlike(
        "NUM_STRANDED", int(view.z[S.NUM_STRANDED]), int(expected.sum())
    )


@invariant("refuges", "No process is stranded while there is a refuge, and the trigger that moves it is on.")
def check_refuges(view: View) -> str:
    z = view.z
    slots = view.queued[view.process[view.queued, P.IS_STRANDED] == 1]
    rows = view.process[slots]
    cores = rows[:, P.QUEUE_CORE]
    able = np.tile(view.members(S.ONLINE_SET)[0], (slots.size, 1))
    able[np.arange(slots.size), cores] = False
    strict = rows[:, P.AFFINITY] == P.STRICT
    able &= ~strict[:, None] | view.facts.masks[rows[:, P.MASK]][:, view.on]
    failed = view.core[cores, C.CAUSE] == C.FAILURE
    # a draining core that fails takes those with it that were left on an OFFLINE scheduler of it before
    moves = np.where(failed, z[K.ON_FAILURE] & z[K.ON_POWER], z[K.ON_POWER])
    moves = np.where(view.core_state[cores] == C.OFFLINE, moves, z[K.ON_AFFINITY]) == 1
    return first_bad(able.any(axis=1) & moves, "stranded process", slot=slots, core=cores, strict=strict)


@invariant("mask counts", "MASK_WAITING counts queued strict processes by mask, the first entry all others.")
def check_masks(view: View) -> str:
    count = view.facts.masks.shape[0]
    found = view.array(S.MASK_WAITING, count)
    rows = view.process[view.queued if view.z[K.HAS_MASKS] else view.queued[:0]]
    at = np.where(rows[:, P.AFFINITY] == P.STRICT, rows[:, P.MASK], 0)
    expected = np.bincount(at, minlength=count)
    return first_bad(found != expected, "mask", found=found, expected=expected)
