"""Run queues: intrusive doubly linked lists, one a core and level.

append and remove also keep what is derived from them: queue lengths, the set of cores with a backlog, and
the counts of waiting processes. Thieves and the balancer take from the middle, hence the links both ways.
"""

from sim.kernels import bits, erts_queue, strand, tree
from sim.kernels.jit import cold, kernel, leaf
from sim.kernels.rows import core, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout.sentinel import TIME_NEVER_NS
from sim.layout.status import QUEUE_LIMIT

ONE_LEVEL = 0  # every process of the lane has priority normal


@leaf
def waiting_at(z, p):
    """Where queued processes with p's mask are counted."""
    row = process(z, p)
    return z[S.MASK_WAITING] + (z[row + P.MASK] if z[row + P.AFFINITY] == P.STRICT else 0)


@leaf
def check_capacity(z, c):
    """Count it if core c's queue is full and takes one more all the same: no process is lost."""
    if z[K.QUEUE_CAPACITY] != K.UNLIMITED and z[core(z, c) + C.QUEUE_LENGTH] >= z[K.QUEUE_CAPACITY]:
        z[N.QUEUE_OVERFLOWS] += 1
        z[S.STATUS] |= QUEUE_LIMIT


@leaf
def append(z, g, f, c, p):
    """Put p at the tail of its level's queue on core c (OTP: erl_process.c, enqueue_process)."""
    level = z[process(z, p) + P.LEVEL]
    last = z[core(z, c) + C.LAST + level]
    z[process(z, p) + P.NEXT] = P.NONE
    z[process(z, p) + P.PREV] = last
    z[process(z, p) + P.STATE] = P.READY
    z[process(z, p) + P.QUEUE_CORE] = c
    z[process(z, p) + P.SKIP] = 8 if z[process(z, p) + P.LOW] else 1
    if last < 0:
        z[core(z, c) + C.FIRST + level] = p
    else:
        z[process(z, last) + P.NEXT] = p
    z[core(z, c) + C.LAST + level] = p
    if z[core(z, c) + C.QUEUE_LENGTH] == 0:
        bits.add(z, z[S.BACKLOG], c)
    z[core(z, c) + C.QUEUE_LENGTH] += 1
    z[S.NUM_WAITING] += 1
    if z[K.ERTS]:
        erts_queue.enter(z, c, p, z[core(z, c) + C.QUEUE_LENGTH])
    if z[K.HAS_MASKS]:
        z[waiting_at(z, p)] += 1
    if z[K.CAN_STRAND]:
        strand.update(z, p, c)


@leaf
def remove(z, g, f, c, p):
    """Take p out of its queue on core c, wherever it stands."""
    level = z[process(z, p) + P.LEVEL]
    before, after = z[process(z, p) + P.PREV], z[process(z, p) + P.NEXT]
    if before < 0:
        z[core(z, c) + C.FIRST + level] = after
    else:
        z[process(z, before) + P.NEXT] = after
    if after < 0:
        z[core(z, c) + C.LAST + level] = before
    else:
        z[process(z, after) + P.PREV] = before
    z[core(z, c) + C.QUEUE_LENGTH] -= 1
    if z[core(z, c) + C.QUEUE_LENGTH] == 0:
        bits.drop(z, z[S.BACKLOG], c)
    z[S.NUM_WAITING] -= 1
    if z[K.ERTS]:
        erts_queue.leave(z, c, p)
    if z[K.HAS_MASKS]:
        z[waiting_at(z, p)] -= 1
    if z[K.CAN_STRAND]:
        strand.clear(z, p)


@cold
def rotate(z, c, p):
    """Move p, which is not the last one, to the tail of level 2 of core c's queue."""
    before, after = z[process(z, p) + P.PREV], z[process(z, p) + P.NEXT]
    last = z[core(z, c) + C.LAST + 2]
    if before < 0:
        z[core(z, c) + C.FIRST + 2] = after
    else:
        z[process(z, before) + P.NEXT] = after
    z[process(z, after) + P.PREV] = before
    z[process(z, last) + P.NEXT] = p
    z[process(z, p) + P.PREV] = last
    z[process(z, p) + P.NEXT] = P.NONE
    z[core(z, c) + C.LAST + 2] = p


@cold
def skip_low(z, g, f, c):
    """Low-skip rule (OTP: check_requeue_process): rotate low processes to the tail until one may run."""
    while True:
        p = z[core(z, c) + C.FIRST + 2]
        z[process(z, p) + P.SKIP] -= 1
        if z[process(z, p) + P.SKIP] <= 0 or z[process(z, p) + P.NEXT] < 0:
            return p
        rotate(z, c, p)


@cold
def take_allowed(z, g, f, c):
    """As take(), where some of the queue may not run on core c; NONE if none may."""
    for level in range(C.LEVELS - 1):
        p = strand.first_allowed(z, z[core(z, c) + C.FIRST + level], c)
        if p >= 0:
            remove(z, g, f, c, p)
            return p
    while True:
        p = strand.first_allowed(z, z[core(z, c) + C.FIRST + 2], c)
        if p < 0:
            return p
        z[process(z, p) + P.SKIP] -= 1
        if z[process(z, p) + P.SKIP] <= 0 or strand.first_allowed(z, z[process(z, p) + P.NEXT], c) < 0:
            remove(z, g, f, c, p)
            return p
        rotate(z, c, p)


@leaf
def take(z, g, f, c):
    """Remove and return the process that core c runs next; its queue is not empty."""
    if z[S.NUM_STRANDED] > 0:
        return take_allowed(z, g, f, c)
    rule = z[K.QUEUE_RULE]
    if rule == ONE_LEVEL:
        p = z[core(z, c) + C.FIRST + 2]
    elif z[core(z, c) + C.FIRST] >= 0:
        p = z[core(z, c) + C.FIRST]
    elif z[core(z, c) + C.FIRST + 1] >= 0:
        p = z[core(z, c) + C.FIRST + 1]
    else:
        p = skip_low(z, g, f, c)
    remove(z, g, f, c, p)
    return p


@leaf
def load(z, c):
    """Processes queued or running on a core."""
    return z[core(z, c) + C.QUEUE_LENGTH] + (1 if z[core(z, c) + C.STATE] == C.RUNNING else 0)


@leaf
def push_ready(z, c):
    """Put core c at the end of the ready list."""
    z[core(z, c) + C.STATE] = C.PENDING
    at, size = z[S.READY_HEAD] + z[S.READY_COUNT], z[K.NUM_CORES]
    z[z[S.READY_RING] + (at if at < size else at - size)] = c
    z[S.READY_COUNT] += 1


@kernel
def make_due(z, g, f, c, t):
    """An IDLE core will dispatch: at once through the ready list, or after the wake-up latency."""
    z[S.NUM_IDLE] -= 1
    bits.drop(z, z[S.IDLE_SET], c)
    latency_ns = erts_queue.wake_ns(z, c) if z[K.ERTS] else z[K.WAKE_NS]
    if latency_ns == 0:
        if z[z[S.EVENTS] + c] != TIME_NEVER_NS:
            tree.set_event(z, c, TIME_NEVER_NS)
        push_ready(z, c)
    else:
        z[core(z, c) + C.STATE] = C.WAKING
        tree.set_event(z, c, t + latency_ns)
