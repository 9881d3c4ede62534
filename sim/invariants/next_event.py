"""Which event comes next in a lane, in words: as the loop over events will choose it."""

import numpy as np

from sim.invariants.facts import ARRIVAL_CODE, Facts
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout.sentinel import TIME_NEVER_NS
from sim.spec.timeline import OPS

CONTROL = {
    S.NEXT_BALANCE_NS: "balancing pass",
    S.NEXT_ADAPT_NS: "adaptive adjustment",
    S.NEXT_REBIND_NS: "re-binding pass",
}


def next_ns(z: np.ndarray) -> int:
    """Time of the next event."""
    times = [int(z[z[S.EVENTS] + z[z[S.TREE] + 1]]), int(min(z[at] for at in (*CONTROL, S.NEXT_WINDOW_NS)))]
    times.append(int(z[z[S.HEAP]]) if z[S.HEAP_SIZE] else TIME_NEVER_NS)
    return min(*times, int(z[S.NEXT_ENTRY_NS]))


def next_event(z: np.ndarray, facts: Facts) -> str:
    """Describe the next event."""
    t = next_ns(z)
    if z[S.NEXT_ENTRY_NS] == t:
        entry = int(z[S.ENTRY])
        rows = facts.rows[facts.first[entry] : facts.first[entry + 1]]
        return f"{t} ns, timeline entry {entry}: {OPS[rows[0, T.WHAT]]} {rows[:, T.SUBJECT].tolist()}"
    if z[S.HEAP_SIZE] and z[z[S.HEAP]] == t:
        code = int(z[z[S.HEAP] + 1])
        if code >= ARRIVAL_CODE:
            return f"{t} ns, arrival of class {code - ARRIVAL_CODE}"
        return f"{t} ns, timer: process {code} of class {process_class(z, code)} wakes"
    c = int(z[z[S.TREE] + 1])
    if z[z[S.EVENTS] + c] == t:
        return f"{t} ns, scheduler {c}: {core_event(z, c)}"
    return f"{t} ns, " + next((name for at, name in CONTROL.items() if z[at] == t), "end of a metric window")


def process_class(z: np.ndarray, p: int) -> int:
    """Class of a process."""
    return int(z[z[S.PROCESSES] + p * P.WIDTH + P.CLASS])


def core_event(z: np.ndarray, c: int) -> str:
    """What a scheduler is about to do."""
    row = z[K.CORES + c * C.WIDTH :][: C.WIDTH]
    if row[C.STATE] == C.RUNNING:
        p = int(row[C.PROCESS])
        return (
            f"a segment of {row[C.SEGMENT_REDS]} reductions of process {p}, class {process_class(z, p)}, ends"
        )
    return "starts after its wake-up" if row[C.STATE] == C.WAKING else "looks for work, being idle"
