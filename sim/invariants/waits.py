"""What waits for time or for others: timers, the heap, messages and edges."""

import numpy as np

from sim.invariants.facts import ARRIVAL_CODE, as_bools
from sim.invariants.registry import first_bad, invariant, unlike
from sim.invariants.view import View
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout.sentinel import TIME_NEVER_NS


@invariant("timers")
def check_timers(view: View) -> str:
    """Each BLOCKED process has one timer, no other has one, and a class one arrival at most."""
    codes = view.array(S.HEAP, 2 * int(view.z[S.HEAP_SIZE]))[1::2]
    slots, kinds = np.sort(codes[codes < ARRIVAL_CODE]), codes[codes >= ARRIVAL_CODE] - ARRIVAL_CODE
    blocked = np.flatnonzero(view.state == P.BLOCKED)
    if slots.tolist() != blocked.tolist():
        return f"{slots.size} timers, {blocked.size} BLOCKED processes"
    comes = view.facts.classes[:, T.ARRIVAL] != T.NO_ARRIVAL
    good = np.unique(kinds).size == kinds.size and comes[kinds].all()
    return "" if good else f"arrivals of classes {kinds.tolist()}"


@invariant("heap order")
def check_heap(view: View) -> str:
    """No entry of the heap is before its parent, by (time, code)."""
    entries = view.array(S.HEAP, 2 * int(view.z[S.HEAP_SIZE])).reshape(-1, 2)
    child = np.arange(1, entries.shape[0])
    a, b = entries[(child - 1) >> 2], entries[child]
    bad = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] >= b[:, 1]))
    return first_bad(bad, "entry", time=b[:, 0], parent=a[:, 0])


@invariant("waiting")
def check_waiting(view: View) -> str:
    """Who waits for messages, a reply or an edge does not have what it waits for."""
    rows = view.process
    waits = (view.state == P.WAITING) & (rows[:, P.MAIL_COUNT] >= rows[:, P.NEED])
    calls = (view.state == P.CALLING) & (rows[:, P.IS_CALLING] != 1)
    edges = np.zeros(view.used, bool)
    at = np.flatnonzero(view.state == P.EDGE)
    if at.size:
        size, copies = int(view.z[S.EDGE_WORDS]), int(view.z[K.COPIES])
        words = view.array(S.EDGES, copies * size).reshape(copies, size)
        edges[at] = as_bools(words, size * 64)[rows[at, P.COPY], rows[at, P.NEED]]
    return first_bad(waits | calls | edges, "process", state=view.state, need=rows[:, P.NEED])


@invariant("due events")
def check_due(view: View) -> str:
    """Nothing that is to come lies in the past: timers, arrivals, passes, windows, entries."""
    z = view.z
    times = [int(z[i]) for i in (S.NEXT_BALANCE_NS, S.NEXT_ADAPT_NS, S.NEXT_REBIND_NS, S.NEXT_WINDOW_NS)]
    heap = view.array(S.HEAP, 2 * int(z[S.HEAP_SIZE]))[::2]
    times += [int(z[S.NEXT_ENTRY_NS]), int(heap.min()) if heap.size else view.now, int(view.events.min())]
    if min(times) < view.now:
        return f"now {view.now}, due {times}"
    entry, facts = int(z[S.ENTRY]), view.facts
    due = int(facts.rows[facts.first[entry], T.WHEN_NS]) if entry < facts.first.size - 1 else TIME_NEVER_NS
    return unlike("NEXT_ENTRY_NS", int(z[S.NEXT_ENTRY_NS]), due)
