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
from sim.kernels.jit import kernel, leaf
from sim.kernels.rows import core, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P
from sim.layout.sentinel import TIME_NEVER_NS


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


@kernel
def proceed(z, g, f, p, c):
    """Go on with p on core c; True while it runs (the core has an event), False when its slice has ended."""
    row = process(z, p)
    if z[row + P.REMAINING] == 0:
        if z[K.IS_REPLAY]:
            outcome = programs.interpret_trace(z, g, f, p, c)
        else:
            outcome = programs.interpret(z, g, f, p, c)
        if outcome == programs.LEFT:
            return False
        if outcome == programs.OWES:
            segments.segment(z, g, f, p, c, 0)
            return True
    budget = z[core(z, c) + C.BUDGET]
    if budget > 0 or z[core(z, c) + C.OWED_NS] > 0:
        segments.segment(z, g, f, p, c, min(z[row + P.REMAINING], budget))
        return True
    preempt(z, g, f, p, c)
    return False


@kernel
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


@kernel
def end(z, g, f, p, c):
    """The slice of p on c has ended; True if c goes on to dispatch."""
    z[core(z, c) + C.STATE] = C.PENDING
    segments.end_slice(z, g, f, p, c)
    return z[K.MOVES] == 0 or not schedulers.after_slice(z, g, f, c)


@kernel
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


@kernel
def run_core(z, g, f, c):
    """Dispatch core c until a process runs on it, it is idle, or another scheduler has its hardware core."""
    # one that was to dispatch may have gone offline before its turn came
    if z[K.MOVES] and (z[core(z, c) + C.STATE] == C.OFFLINE or not schedulers.take_core(z, g, f, c)):
        return
    while z[S.STOP] == 0:
        p = erts_loop.next_process(z, g, f, c) if z[K.ERTS] else next_process(z, g, f, c)
        if p < 0:
            rest(z, g, f, c)
            return
        segments.start_slice(z, g, f, p, c)
        if proceed(z, g, f, p, c) or not end(z, g, f, p, c):
            return


@kernel
def core_event(z, g, f, c):
    """A segment ended, a woken core starts, or an idle core polls."""
    if z[core(z, c) + C.STATE] == C.RUNNING:
        p = z[core(z, c) + C.PROCESS]
        segments.end_segment(z, g, f, p, c)
        if proceed(z, g, f, p, c) or not end(z, g, f, p, c):
            return
    elif z[core(z, c) + C.STATE] == C.IDLE:
        if z[K.ERTS]:
            tree.set_event(z, c, TIME_NEVER_NS)
            schedulers.release(z, c)
            return
        z[S.NUM_IDLE] -= 1
        bits.drop(z, z[S.IDLE_SET], c)
        z[core(z, c) + C.STATE] = C.PENDING
    run_core(z, g, f, c)
