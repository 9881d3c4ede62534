"""Run queues: linked both ways, counted, and each process in one place."""

import numpy as np

from sim.invariants.facts import ARRIVAL_CODE
from sim.invariants.registry import first_bad, invariant, unlike
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import process as P


@invariant("queue links")
def check_links(view: View) -> str:
    """Each READY process is in one list, of its level on QUEUE_CORE, linked both ways."""
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


@invariant("queue lengths")
def check_lengths(view: View) -> str:
    """QUEUE_LENGTH and NUM_WAITING count the READY processes."""
    counted = np.bincount(view.process[view.queued, P.QUEUE_CORE], minlength=view.num_cores)
    lengths = view.core[:, C.QUEUE_LENGTH]
    return first_bad(lengths != counted, "core", length=lengths, counted=counted) or unlike(
        "NUM_WAITING", int(view.z[S.NUM_WAITING]), view.queued.size
    )


@invariant("backlog")
def check_backlog(view: View) -> str:
    """BACKLOG holds the cores with queued processes."""
    wrong = view.members(S.BACKLOG)[0] != (view.core[:, C.QUEUE_LENGTH] > 0)
    return first_bad(wrong, "core", length=view.core[:, C.QUEUE_LENGTH])


@invariant("running")
def check_running(view: View) -> str:
    """Each RUNNING process is PROCESS of one RUNNING core, and no other core has a PROCESS."""
    slots = view.core[view.running, C.PROCESS]
    processes = np.flatnonzero(view.state == P.RUNNING)
    if np.sort(slots).tolist() != processes.tolist():
        return f"cores run {slots.tolist()[:9]}, RUNNING are {processes.tolist()[:9]}"
    bad = view.process[slots, P.QUEUE_CORE] != view.running
    idle = (view.core_state != C.RUNNING) & (view.core[:, C.PROCESS] != C.NONE)
    return first_bad(bad, "running", slot=slots) or first_bad(idle, "core", state=view.core_state)


@invariant("one place")
def check_place(view: View) -> str:
    """Each process is in one place: queued, on one core, asleep with one timer, or waiting for somebody."""
    heap = view.array(S.HEAP, 2 * int(view.z[S.HEAP_SIZE]))[1::2]
    holders = view.core[:, C.PROCESS]
    places = np.bincount(holders[holders >= 0], minlength=view.used)
    places += np.bincount(heap[heap < ARRIVAL_CODE], minlength=view.used)
    places += np.isin(view.state, (P.READY, P.WAITING, P.CALLING, P.EDGE))
    return first_bad(places != (view.state != P.FREE), "slot", places=places, state=view.state)
