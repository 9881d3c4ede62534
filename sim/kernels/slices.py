"""Dispatch: what a core does between two events (DESIGN §4)."""

from sim.kernels import (
    affinity,
    bits,
    decide,
    erts_loop,
    erts_paths,
    erts_queue,
    erts_steal,
    log,
    place,
    programs,
    queues,
    schedulers,
    segments,
    steal,
    tree,
)
from sim.kernels.jit import cold, leaf
from sim.kernels.rows import core, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P
from sim.layout.sentinel import TIME_NEVER_NS

SLICE_ENDS = -1


@leaf
def preempt(z, g, f, p, c):
    """p has used up its slice: to the tail of its queue, or away if its affinity has changed."""
    z[process(z, p) + P.READY_NS] = z[S.NOW_NS]
    z[core(z, c) + C.STATE] = C.PENDING
    z[N.PREEMPTIONS] += 1
    log.note(z, g, f, log.PREEMPT, c, p, z[process(z, p) + P.REMAINING], 0)
    if z[K.CAN_STRAND] and affinity.is_misplaced(z, p, c):
        target = place.refuge(z, g, f, p, c)
        if target >= 0:
            decide.force(z, g, f, p, c, target, N.AFFINITY)
            affinity.receive(z, g, f, p, c, target)
            return
    if z[K.ERTS] and bits.has(z, z[S.ONLINE_SET], c):
        target = erts_paths.emigration(z, c, erts_queue.priority(z, p))
        if target >= 0 and decide.attempt(z, g, f, p, c, target, z[core(z, c) + C.QUEUE_LENGTH], N.BALANCE):
            affinity.receive(z, g, f, p, c, target)
            return
    queues.append(z, g, f, c, p)


@leaf
def interpret(z, g, f, p, c):
    """What p does next: programs.RUNS, OWES or LEFT."""
    if z[K.IS_REPLAY]:
        return programs.interpret_trace(z, g, f, p, c)
    return programs.interpret(z, g, f, p, c)


@leaf
def next_work(z, g, f, p, c):
    """Is there work for p on core c (programs.RUNS), a debt of time (OWES), or has p left (LEFT)?"""
    if z[process(z, p) + P.REMAINING] == 0:
        return interpret(z, g, f, p, c)
    return programs.RUNS


@leaf
def proceed(z, g, f, p, c):
    """Reductions that p, which runs on core c, runs next; SLICE_ENDS if its slice has ended."""
    outcome = next_work(z, g, f, p, c)
    if outcome == programs.LEFT:
        return SLICE_ENDS
    if outcome == programs.OWES:
        return 0
    budget = z[core(z, c) + C.BUDGET]
    if budget > 0 or z[core(z, c) + C.OWED_NS] > 0:
        return min(z[process(z, p) + P.REMAINING], budget)
    preempt(z, g, f, p, c)
    return SLICE_ENDS


@leaf
def begin(z, g, f, p, c):
    """As proceed(), of a slice that begins: nothing of its budget is used up."""
    outcome = next_work(z, g, f, p, c)
    if outcome == programs.RUNS:
        return min(z[process(z, p) + P.REMAINING], z[core(z, c) + C.BUDGET])
    return 0 if outcome == programs.OWES else SLICE_ENDS


@cold
def rest(z, g, f, c):
    """Core c found nothing to do."""
    z[core(z, c) + C.STATE] = C.IDLE
    bits.add(z, z[S.IDLE_SET], c)
    z[S.NUM_IDLE] += 1
    log.note(z, g, f, log.IDLE, c, -1, 0, 0)
    if z[K.POLL_NS] > 0:
        tree.set_event(z, c, z[S.NOW_NS] + z[K.POLL_NS])
    elif z[z[S.EVENTS] + c] != TIME_NEVER_NS:
        tree.set_event(z, c, TIME_NEVER_NS)
    if z[K.ERTS]:
        erts_queue.rest(z, c)
    if z[K.MOVES]:
        schedulers.rest(z, c)


@leaf
def end(z, g, f, p, c):
    """The slice of p on c has ended; True if c goes on to dispatch."""
    z[core(z, c) + C.STATE] = C.PENDING
    segments.end_slice(z, g, f, p, c)
    return z[K.MOVES] == 0 or not schedulers.after_slice(z, g, f, c)


@leaf
def next_process(z, g, f, c):
    """What core c runs next: something queued there, or stolen; NONE if it goes idle."""
    if z[core(z, c) + C.QUEUE_LENGTH] > 0:
        p = queues.take(z, g, f, c)
        if p >= 0:
            return p
    if z[K.VICTIM] == R.OFF:
        return P.NONE
    if z[K.VICTIM] == R.VICTIM_ERTS:
        return erts_steal.steal(z, g, f, c)
    return steal.steal(z, g, f, c)


@cold
def may_dispatch(z, g, f, c):
    """Is core c online still, and its hardware core its own? It may have lost either before its turn."""
    return z[core(z, c) + C.STATE] != C.OFFLINE and schedulers.take_core(z, g, f, c)


@leaf
def turn(z, g, f, c, p, is_over):
    """Go on with p on core c, or dispatch if p is NONE or its slice is over.

    Returns NONE once a process runs on c, or c is idle or stalled; else a process whose slice was over as
    it began.
    """
    reds = SLICE_ENDS
    if p >= 0:
        if not is_over:
            reds = proceed(z, g, f, p, c)
        if reds < 0 and not end(z, g, f, p, c):
            return P.NONE
    if reds < 0:
        if z[S.STOP] or (z[K.MOVES] and not may_dispatch(z, g, f, c)):
            return P.NONE
        p = erts_loop.next_process(z, g, f, c) if z[K.ERTS] else next_process(z, g, f, c)
        if p < 0:
            rest(z, g, f, c)
            return P.NONE
        segments.start_slice(z, g, f, p, c)
        reds = begin(z, g, f, p, c)
        if reds < 0:
            return p
    segments.segment(z, g, f, p, c, reds)
    return P.NONE


@cold
def again(z, g, f, c, p):
    """turn() for a process whose slice was over as it began."""
    return turn(z, g, f, c, p, True)


@leaf
def run_core(z, g, f, c, p):
    """Go on with p on core c, or dispatch if it is NONE, until one runs there, or c is idle or stalled."""
    p = turn(z, g, f, c, p, False)
    while p >= 0:
        p = again(z, g, f, c, p)


@leaf
def core_event(z, g, f, c):
    """A segment ended, a woken core starts, or an idle core polls."""
    p = P.NONE
    if z[core(z, c) + C.STATE] == C.RUNNING:
        p = z[core(z, c) + C.PROCESS]
        segments.end_segment(z, g, f, p, c)
    elif z[core(z, c) + C.STATE] == C.IDLE:
        if z[K.ERTS]:
            tree.set_event(z, c, TIME_NEVER_NS)
            schedulers.release(z, c)
            return
        z[S.NUM_IDLE] -= 1
        bits.drop(z, z[S.IDLE_SET], c)
        z[core(z, c) + C.STATE] = C.PENDING
    run_core(z, g, f, c, p)
