"""Invariants of processes: each is in one place, and lists, heap, slots and mailboxes are whole."""

import numpy as np

from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout.sentinel import TIME_NEVER_NS
from tests.soak.registry import first_bad, invariant, unlike
from tests.soak.view import ARRIVAL_CODE, View, as_bools, chain


@invariant("ranges", "Every live process has a state, class, place and program counter that exist.")
def check_ranges(view: View) -> str:
    rows = view.process[view.live]
    kinds = view.facts.classes[np.clip(rows[:, P.CLASS], 0, view.facts.classes.shape[0] - 1)]
    limits = [
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


@invariant("live count", "LIVE is the number of slots that hold a process.")
def check_live(view: View) -> str:
    return unlike("LIVE", int(view.z[S.LIVE]), view.live.size)


@invariant("free slots", "The list of freed slots holds each FREE slot once, and no other.")
def check_free(view: View) -> str:
    found = chain(int(view.z[S.FREE_FIRST]), view.process[:, P.NEXT].tolist())
    free = np.flatnonzero(view.state == P.FREE)
    if found is None:
        return "the list does not end"
    if len(found) != free.size or set(found) != set(free.tolist()):
        return f"{len(found)} slots in the list, {free.size} are FREE"
    return unlike("SLOTS_USED within max_processes", view.used <= int(view.z[K.MAX_PROCESSES]), True)


@invariant("serials", "Live processes have different serials, below the lane's next one.")
def check_serials(view: View) -> str:
    serials = view.process[view.live, P.SERIAL]
    if np.unique(serials).size != serials.size:
        return "a serial twice"
    if serials.size and not 0 <= serials.min() <= serials.max() < view.z[S.SERIAL]:
        return f"serial {serials.max()} with SERIAL {view.z[S.SERIAL]}"
    state = view.array(S.CLASS_STATE, view.facts.tables.num_classes * T.CLASS_STATE_WIDTH)
    created = int(state.reshape(-1, T.CLASS_STATE_WIDTH)[:, T.CREATED].sum())
    return unlike("SERIAL", int(view.z[S.SERIAL]), created)


@invariant("queue links", "Each READY process is in one list, of its level on QUEUE_CORE, linked both ways.")
def check_links(view: View) -> str:
    q, rows = view.queued, view.process
    cores, levels = rows[q, P.QUEUE_CORE], rows[q, P.LEVEL]
    first, last = view.core[cores, C.FIRST + levels], view.core[cores, C.LAST + levels]
    after, before = rows[q, P.NEXT], rows[q, P.PREV]
    bad = np.where(after < 0, last != q, rows[after, P.PREV] != q)
    bad |= np.where(before < 0, first != q, rows[before, P.NEXT] != q)
    for other in (after, before):
        mates = rows[other]
        apart = (mates[:, P.STATE] != P.READY) | (mates[:, P.QUEUE_CORE] != cores)
        bad |= (other >= 0) & (apart | (mates[:, P.LEVEL] != levels))
    if bad.any():
        return first_bad(bad, "process", slot=q, core=cores, next=after, prev=before)
    heads = view.core[:, C.FIRST : C.FIRST + C.LEVELS]
    ends = view.core[:, C.LAST : C.LAST + C.LEVELS]
    listed = np.sort(heads[heads >= 0]).tolist()
    if listed != np.sort(q[before < 0]).tolist() or np.sort(ends[ends >= 0]).size != len(listed):
        return "FIRST or LAST names what is not at the end of a queue"
    return "" if is_acyclic(q, after, view.used) else "a queue that is a ring"


def is_acyclic(members: np.ndarray, after: np.ndarray, size: int) -> bool:
    """Does every list of the members end? By jumps of doubled length."""
    jump = np.full(size + 1, size)
    jump[members] = np.where(after < 0, size, after)
    for _ in range(size.bit_length()):
        jump = jump[jump]
    return bool((jump[members] == size).all())


@invariant("queue lengths", "QUEUE_LENGTH and NUM_WAITING count the READY processes.")
def check_lengths(view: View) -> str:
    counted = np.bincount(view.process[view.queued, P.QUEUE_CORE], minlength=view.num_cores)
    lengths = view.core[:, C.QUEUE_LENGTH]
    return first_bad(lengths != counted, "core", length=lengths, counted=counted) or unlike(
        "NUM_WAITING", int(view.z[S.NUM_WAITING]), view.queued.size
    )


@invariant("backlog", "BACKLOG holds the cores with queued processes.")
def check_backlog(view: View) -> str:
    wrong = view.members(S.BACKLOG)[0] != (view.core[:, C.QUEUE_LENGTH] > 0)
    return first_bad(wrong, "core", length=view.core[:, C.QUEUE_LENGTH])


@invariant("running", "Each RUNNING process is PROCESS of one RUNNING core, and no other core has a PROCESS.")
def check_running(view: View) -> str:
    slots = view.core[view.running, C.PROCESS]
    processes = np.flatnonzero(view.state == P.RUNNING)
    if np.sort(slots).tolist() != processes.tolist():
        return f"cores run {slots.tolist()[:9]}, RUNNING are {processes.tolist()[:9]}"
    bad = view.process[slots, P.QUEUE_CORE] != view.running
    idle = (view.core_state != C.RUNNING) & (view.core[:, C.PROCESS] != C.NONE)
    return first_bad(bad, "running", slot=slots) or first_bad(idle, "core", state=view.core_state)


@invariant("timers", "Each BLOCKED process has one timer, no other has one, and a class one arrival at most.")
def check_timers(view: View) -> str:
    codes = view.array(S.HEAP, 2 * int(view.z[S.HEAP_SIZE]))[1::2]
    slots, kinds = np.sort(codes[codes < ARRIVAL_CODE]), codes[codes >= ARRIVAL_CODE] - ARRIVAL_CODE
    blocked = np.flatnonzero(view.state == P.BLOCKED)
    if slots.tolist() != blocked.tolist():
        return f"{slots.size} timers, {blocked.size} BLOCKED processes"
    comes = view.facts.classes[:, T.ARRIVAL] != T.NO_ARRIVAL
    good = np.unique(kinds).size == kinds.size and comes[kinds].all()
    return "" if good else f"arrivals of classes {kinds.tolist()}"


@invariant("heap order", "No entry of the heap is before its parent, by (time, code).")
def check_heap(view: View) -> str:
    entries = view.array(S.HEAP, 2 * int(view.z[S.HEAP_SIZE])).reshape(-1, 2)
    child = np.arange(1, entries.shape[0])
    a, b = entries[(child - 1) >> 2], entries[child]
    bad = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] >= b[:, 1]))
    return first_bad(bad, "entry", time=b[:, 0], parent=a[:, 0])


@invariant("waiting", "Who waits for messages, a reply or an edge does not have what it waits for.")
def check_waiting(view: View) -> str:
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


@invariant("mailboxes", "A mailbox ends at MAIL_LAST and holds MAIL_COUNT messages, at most its capacity.")
def check_mailboxes(view: View) -> str:
    rows = view.process[view.live]
    counts, lasts = rows[:, P.MAIL_COUNT].tolist(), rows[:, P.MAIL_LAST].tolist()
    for slot, found, count, last in zip(view.live, view.mail[:-1], counts, lasts, strict=True):
        if found is None or len(found) != count or (found[-1] if found else P.NONE) != last:
            return (
                f"process {slot}: {found and len(found)} messages to {found and found[-1]}, {count} to {last}"
            )
    capacity = int(view.z[K.MAILBOX_CAPACITY])
    over = rows[:, P.MAIL_COUNT] > capacity if capacity != K.UNLIMITED else np.zeros(rows.shape[0], bool)
    return first_bad(over, "live process", slot=view.live, count=rows[:, P.MAIL_COUNT])


@invariant("message pool", "Each message row in use is in one mailbox or in the list of free ones.")
def check_pool(view: View) -> str:
    if None in view.mail:
        return "a list that does not end"
    seen = np.array([row for found in view.mail for row in found or ()], np.int64)
    once = np.bincount(seen, minlength=int(view.z[S.MAIL_USED]))
    return first_bad(once != 1, "row", lists=once)


@invariant(
    "due events", "Nothing that is to come lies in the past: timers, arrivals, passes, windows, entries."
)
def check_due(view: View) -> str:
    z = view.z
    times = [int(z[i]) for i in (S.NEXT_BALANCE_NS, S.NEXT_ADAPT_NS, S.NEXT_REBIND_NS, S.NEXT_WINDOW_NS)]
    heap = view.array(S.HEAP, 2 * int(z[S.HEAP_SIZE]))[::2]
    times += [int(z[S.NEXT_ENTRY_NS]), int(heap.min()) if heap.size else view.now, int(view.events.min())]
    if min(times) < view.now:
        return f"now {view.now}, due {times}"
    entry, facts = int(z[S.ENTRY]), view.facts
    due = int(facts.rows[facts.first[entry], T.WHEN_NS]) if entry < facts.first.size - 1 else TIME_NEVER_NS
    return unlike("NEXT_ENTRY_NS", int(z[S.NEXT_ENTRY_NS]), due)
