"""Processes and their slots: each row is one that can be, each slot is used or free."""

import numpy as np

from sim.invariants.facts import chain
from sim.invariants.registry import first_bad, invariant, unlike
from sim.invariants.view import View
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T


@invariant("ranges")
def check_ranges(view: View) -> str:
    """Every live process has a state, class, place and program counter that exist."""
    rows = view.process[view.live]
    kinds = view.facts.classes[np.clip(rows[:, P.CLASS], 0, view.facts.classes.shape[0] - 1)]
    limits: list[tuple[int, int | np.ndarray, int | np.ndarray]] = [
        (P.STATE, P.READY, P.EDGE), (P.CLASS, 0, view.facts.classes.shape[0] - 1),
        (P.QUEUE_CORE, 0, view.num_cores - 1), (P.LAST_CORE, P.NONE, view.num_cores - 1),
        (P.LEVEL, kinds[:, T.LEVEL], kinds[:, T.LEVEL]), (P.LOW, kinds[:, T.LOW], kinds[:, T.LOW]),
        (P.SCALE_Q16, 1, 2**46), (P.MASK, 0, view.facts.masks.shape[0] - 1),
        (P.AFFINITY, P.NO_AFFINITY, P.DYNAMIC), (P.PREFERRED_CORE, P.NONE, view.num_hardware - 1),
        (P.HOME, P.NONE, int(view.z[S.NUM_NODES]) - 1), (P.OLD_HOME, 0, int(view.z[S.NUM_NODES]) - 1),
        (P.PLACE, P.NONE, view.num_hardware - 1), (P.REMAINING, 0, 2**41), (P.DEBT_NS, 0, 2**50),
        (P.REFILL_LINES, 0, 2**50), (P.MAIL_COUNT, 0, 2**31), (P.START_NS, 0, view.now),
        (P.READY_NS, 0, view.now), (P.WAIT_NS, 0, view.now - rows[:, P.START_NS]),
    ]  # fmt: skip
    if not view.facts.is_replay:
        limits.append((P.PC, kinds[:, T.FIRST_STEP], kinds[:, T.END_STEP]))
    for column, low, high in limits:
        bad = (rows[:, column] < low) | (rows[:, column] > high)
        if bad.any():
            return f"column {column}: " + first_bad(bad, "process", slot=view.live, value=rows[:, column])
    return ""


@invariant("live count")
def check_live(view: View) -> str:
    """LIVE is the number of slots that hold a process."""
    return unlike("LIVE", int(view.z[S.LIVE]), view.live.size)


@invariant("free slots")
def check_free(view: View) -> str:
    """The list of freed slots holds each FREE slot once, and no other."""
    found = chain(int(view.z[S.FREE_FIRST]), view.process[:, P.NEXT].tolist())
    free = np.flatnonzero(view.state == P.FREE)
    if found is None:
        return "the list does not end"
    if len(found) != free.size or set(found) != set(free.tolist()):
        return f"{len(found)} slots in the list, {free.size} are FREE"
    return unlike("SLOTS_USED within max_processes", view.used <= int(view.z[K.MAX_PROCESSES]), True)


@invariant("serials")
def check_serials(view: View) -> str:
    """Live processes have different serials, below the lane's next one."""
    serials = view.process[view.live, P.SERIAL]
    if np.unique(serials).size != serials.size:
        return "a serial twice"
    if serials.size and not 0 <= serials.min() <= serials.max() < view.z[S.SERIAL]:
        return f"serial {serials.max()} with SERIAL {view.z[S.SERIAL]}"
    state = view.array(S.CLASS_STATE, view.facts.tables.num_classes * T.CLASS_STATE_WIDTH)
    created = int(state.reshape(-1, T.CLASS_STATE_WIDTH)[:, T.CREATED].sum())
    return unlike("SERIAL", int(view.z[S.SERIAL]), created)


@invariant("created and completed")
def check_created(view: View) -> str:
    """Processes created less those completed are those that live more."""
    found = int(view.z[N.CREATED] - view.z[N.COMPLETED])
    return unlike("created - completed", found, int(view.z[S.LIVE]) - view.start.live)


@invariant("program position")
def check_position(view: View) -> str:
    """A process has drawn as many random numbers as its program draws up to where it is."""
    odd = view.passed[2]
    return first_bad((odd != 0) & (view.state != P.FREE), "process", odd=odd, pc=view.process[:, P.PC])
