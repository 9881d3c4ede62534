"""Hardware cores: clock, who stands on them, who holds them, and closed ones."""

import numpy as np

from sim.invariants.registry import first_bad, invariant
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import hardware as H
from sim.layout import parameter as K
from sim.layout.sentinel import TIME_NEVER_NS


@invariant("frequency")
def check_frequency(view: View) -> str:
    """The speed and power of a hardware core are those of its clock."""
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


@invariant("occupants")
def check_occupants(view: View) -> str:
    """OCCUPANTS counts the schedulers that stand on a hardware core."""
    counted = np.bincount(view.on, minlength=view.num_hardware)
    found = view.hardware[:, H.OCCUPANTS]
    return first_bad(found != counted, "hardware core", found=found, counted=counted)


@invariant("holders")
def check_holders(view: View) -> str:
    """A core runs one scheduler at most: its holder, or one of the BEAM holds it idle, spinning."""
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


@invariant("waiters")
def check_waiters(view: View) -> str:
    """STALLED schedulers, and no others, wait once for their core, which another one holds."""
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


@invariant("closed cores")
def check_closed(view: View) -> str:
    """On a closed core all are OFFLINE, on an open one the suspended; a draining one runs."""
    state = view.hardware[view.on, H.STATE]
    offline, running = view.core_state == C.OFFLINE, view.core_state == C.RUNNING
    bad = (offline & ~view.suspended & (state == H.OPEN)) | ((state == H.OFF) & ~offline)
    bad |= (state == H.DRAINING) & ~offline & ~running
    runs = np.bincount(view.on[view.running], minlength=view.num_hardware)
    drained = (view.hardware[:, H.STATE] == H.DRAINING) & (runs == 0)
    return first_bad(bad, "core", state=view.core_state, hardware=view.on, closed=state) or first_bad(
        drained, "draining core without a slice"
    )


@invariant("re-binding")
def check_rebinding(view: View) -> str:
    """Only a RUNNING scheduler has a re-binding ahead, and to another core than its own."""
    target = view.core[:, C.NEXT_HARDWARE]
    bad = (target >= 0) & ((view.core_state != C.RUNNING) | (target >= view.num_hardware))
    return first_bad(bad, "core", state=view.core_state, target=target)
