"""Run queues: intrusive doubly linked lists, one a core and level.

append and remove also keep what is derived from them: queue lengths, the set of cores with a backlog, and
the counts of waiting processes. Thieves and the balancer take from the middle, hence the links both ways.
"""

from sim.kernels import bits, tree
from sim.kernels.jit import kernel, leaf
from sim.kernels.rows import core, process
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout.sentinel import TIME_NEVER_NS

ONE_LEVEL = 0  # every process of the lane has priority normal


@leaf
def waiting_at(z, p):
    """Where queued processes with p's mask are counted."""
    row = process(z, p)
    return z[S.MASK_WAITING] + (z[row + P.MASK] if z[row + P.AFFINITY] == P.STRICT else 0)


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
    if z[K.HAS_MASKS]:
        z[waiting_at(z, p)] += 1


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
    if z[K.HAS_MASKS]:
        z[waiting_at(z, p)] -= 1


@kernel
def skip_low(z, g, f, c):
    """Low-skip rule (OTP: check_requeue_process): rotate low processes to the tail until one may run."""
    while True:
        p = z[core(z, c) + C.FIRST + 2]
        z[process(z, p) + P.SKIP] -= 1
        if z[process(z, p) + P.SKIP] <= 0 or z[process(z, p) + P.NEXT] < 0:
            return p
        after, last = z[process(z, p) + P.NEXT], z[core(z, c) + C.LAST + 2]
        z[core(z, c) + C.FIRST + 2] = after
        z[process(z, after) + P.PREV] = P.NONE
        z[process(z, last) + P.NEXT] = p
        z[process(z, p) + P.PREV] = last
        z[process(z, p) + P.NEXT] = P.NONE
        z[core(z, c) + C.LAST + 2] = p


@leaf
def take(z, g, f, c):
    """Remove and return the process that core c runs next; its queue is not empty."""
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


@kernel
def make_due(z, g, f, c, t):
    """An IDLE core will dispatch: at once through the ready list, or after the wake-up latency."""
    z[S.NUM_IDLE] -= 1
    bits.drop(z, z[S.IDLE_SET], c)
    if z[K.WAKE_NS] == 0:
        z[core(z, c) + C.STATE] = C.PENDING
        if z[z[S.EVENTS] + c] != TIME_NEVER_NS:
            tree.set_event(z, c, TIME_NEVER_NS)
        at = z[S.READY_HEAD] + z[S.READY_COUNT]
        size = z[K.NUM_CORES]
        z[z[S.READY_RING] + (at if at < size else at - size)] = c
        z[S.READY_COUNT] += 1
    else:
        z[core(z, c) + C.STATE] = C.WAKING
        tree.set_event(z, c, t + z[K.WAKE_NS])
