"""Creation, wake-up and end of processes (DESIGN §4)."""

from sim.kernels import (
    affinity,
    bits,
    decide,
    draw,
    erts_paths,
    erts_queue,
    evacuate,
    log,
    measure,
    memory,
    place,
    queues,
    strand,
)
from sim.kernels.jit import cold, kernel, leaf
from sim.kernels.rows import class_state, core, klass, mail, process, process_ring
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P
from sim.layout import step as T
from sim.layout.sentinel import TIME_PAST_NS
from sim.layout.status import PROCESS_LIMIT

START_STREAM = 6


@kernel
def wake_thief(z, g, f, c):
    """Wake the IDLE core nearest to a busy one on which work was queued."""
    thief = bits.nearest(z, z[S.IDLE_SET], z[S.ALL_CORES], c)
    if thief >= 0:
        queues.make_due(z, g, f, thief, z[S.NOW_NS])


@leaf
def ready(z, g, f, p, c):
    """Queue p on core c and see to it that some core will look at it."""
    t = z[S.NOW_NS]
    z[process(z, p) + P.READY_NS] = t
    queues.check_capacity(z, c)
    measure.enter(z, g, f, c)
    queues.append(z, g, f, c, p)
    if z[core(z, c) + C.STATE] == C.IDLE:
        queues.make_due(z, g, f, c, t)
    elif z[K.WAKE_IDLE] and z[S.NUM_IDLE] > 0:
        wake_thief(z, g, f, c)


@leaf
def start_activation(z, g, f, p):
    """A new activation of p begins now."""
    row = process(z, p)
    z[row + P.START_NS] = z[S.NOW_NS]
    z[row + P.WAIT_NS] = 0
    z[row + P.IDEAL_NS] = 0


@cold
def flee(z, g, f, p, last, mechanism):
    """Force-move p, which wakes, from a core where it cannot run; the core that it is on then."""
    target = place.refuge(z, g, f, p, last)
    if target < 0:
        return last
    decide.force(z, g, f, p, last, target, mechanism)
    if mechanism == N.AFFINITY:
        z[process(z, p) + P.MARKED] = 0
    return target


@leaf
def wake(z, g, f, p):
    """p is ready again: choose its core, migrating if the decision allows or if it must, and queue it."""
    last = z[process(z, p) + P.LAST_CORE]
    target = last
    is_away = z[K.MOVES] != 0 and not bits.has(z, z[S.ONLINE_SET], last)
    if z[K.CAN_STRAND] and affinity.is_misplaced(z, p, last):
        proposal = target = flee(z, g, f, p, last, N.AFFINITY)
    elif is_away:
        cause = evacuate.cause_at(z, last)
        if strand.is_moved(z, cause):
            target = flee(z, g, f, p, last, N.FAILURE if cause == C.FAILURE else N.POWER)
        proposal = target
    else:
        if z[K.WAKE] != R.LAST:
            target = place.propose(z, g, f, p, z[K.WAKE], last)
        proposal = target
        # what is queued on an IDLE core may not run there, so it runs before nobody
        k = 0 if z[core(z, last) + C.STATE] == C.IDLE else queues.load(z, last)
        if target != last and not decide.attempt(z, g, f, p, last, target, k, N.WAKE):
            target = last
        if z[K.ERTS] and target == last:
            away = erts_paths.emigration(z, last, erts_queue.priority(z, p))
            if away >= 0:
                proposal = away
                if decide.attempt(z, g, f, p, last, away, k, N.BALANCE):
                    target = away
    start_activation(z, g, f, p)
    log.note(z, g, f, log.WAKE, target, p, proposal, 0)
    ready(z, g, f, p, target)


@cold
def wake_by_other(z, g, f, p):
    """wake(), by another process."""
    wake(z, g, f, p)


@kernel
def new_slot(z, g, f):
    """A free process slot, the most recently freed first; NONE if the table is full."""
    p = z[S.FREE_FIRST]
    if p >= 0:
        z[S.FREE_FIRST] = z[process(z, p) + P.NEXT]
        return p
    if z[S.SLOTS_USED] < z[K.MAX_PROCESSES]:
        p = z[S.SLOTS_USED]
        z[S.SLOTS_USED] += 1
        return p
    return P.NONE


@kernel
def take_affinity(z, p, kind, parent):
    """A new process has the affinity of its class as it is now, or that of its parent."""
    row, state = process(z, p), class_state(z, kind)
    if z[state + T.NOW_AFFINITY] == P.INHERIT:
        affinity.inherit(z, p, parent)
        return
    z[row + P.MASK] = z[state + T.NOW_MASK]
    z[row + P.AFFINITY] = z[state + T.NOW_AFFINITY]
    z[row + P.PREFERRED_CORE] = z[state + T.NOW_PREFERRED]
    z[row + P.MAX_MIGRATIONS] = z[state + T.NOW_MAX]


@kernel
def create(z, g, f, kind, key, parent):
    """A new process of class `kind` in a free slot, not yet placed; NONE (counted) if the table is full."""
    p = new_slot(z, g, f)
    if p < 0:
        z[N.REFUSED] += 1
        z[S.STATUS] |= PROCESS_LIMIT
        return p
    row = process(z, p)
    for i in range(P.WIDTH):
        z[row + i] = 0
    z[row + P.KEY] = key
    z[row + P.PC] = g[klass(g, kind) + T.FIRST_STEP]
    z[row + P.CLASS] = kind
    z[row + P.LAST_CORE] = P.NONE
    z[row + P.HOME] = P.NONE
    z[row + P.LEVEL] = g[klass(g, kind) + T.LEVEL]
    z[row + P.LOW] = g[klass(g, kind) + T.LOW]
    z[row + P.SCALE_Q16] = g[klass(g, kind) + T.SCALE_Q16]
    take_affinity(z, p, kind, parent)
    z[row + P.PLACE] = P.NONE
    z[row + P.WORKING_SET] = g[klass(g, kind) + T.WORKING_SET]
    z[row + P.SERIAL] = z[S.SERIAL]
    z[S.SERIAL] += 1
    z[row + P.NUMBER] = z[class_state(z, kind) + T.CREATED]
    z[class_state(z, kind) + T.CREATED] += 1
    z[row + P.PARENT] = parent
    z[row + P.PARENT_SERIAL] = z[process(z, parent) + P.SERIAL] if parent >= 0 else P.NONE
    z[row + P.MAIL_FIRST] = P.NONE
    z[row + P.MAIL_LAST] = P.NONE
    z[row + P.SENDER] = P.NONE
    z[row + P.FOOTPRINT] = P.NONE
    if z[K.PROCESS_COUNT] > 0 and z[K.PROCESS_WINDOW_NS] != K.UNLIMITED:
        for i in range(P.RING):
            z[process_ring(z, p) + i] = TIME_PAST_NS
    z[N.CREATED] += 1
    z[S.LIVE] += 1
    return p


@kernel
def start_core(z, g, f, kind):
    """First core of the next process of a class without a parent, by the class's rule.

    Asked before the process is created: a refused one uses up its draw too, so that the next one's core
    is the same.
    """
    rule = g[klass(g, kind) + T.START]
    n = z[S.USED]
    if rule == T.START_SPREAD:
        return z[class_state(z, kind) + T.CREATED] % n
    if rule == T.START_FIRST:
        return 0
    key = draw.mix(z[K.KEY], START_STREAM)
    c = draw.below(draw.mix(key, z[S.START_DRAWS]), n)
    z[S.START_DRAWS] += 1
    return c


@kernel
def admit(z, g, f, p, reference):
    """Place and queue a process that was just created; `reference` is the parent's core or the start core."""
    rule = z[K.SPAWN]
    c = reference
    if rule != R.PARENT or z[process(z, p) + P.AFFINITY] == P.STRICT:
        c = place.propose(z, g, f, p, rule, reference)
    c = place.fit(z, g, f, p, c)
    if z[K.ERTS]:
        c = erts_paths.place_new(z, p, c)
    start_activation(z, g, f, p)
    row = process(z, p)
    log.note(z, g, f, log.ARRIVE, c, p, z[row + P.CLASS], z[row + P.NUMBER])
    ready(z, g, f, p, c)


@cold
def drop_mail(z, g, f, p):
    """Give the messages that p never took back to the pool."""
    row = process(z, p)
    i = z[row + P.MAIL_FIRST]
    while i >= 0:
        following = z[mail(z, i) + 0]
        z[mail(z, i) + 0] = z[S.MAIL_FREE]
        z[S.MAIL_FREE] = i
        i = following


@kernel
def end(z, g, f, p):
    """The slot of an exiting process becomes free."""
    row = process(z, p)
    if z[row + P.MAIL_FIRST] >= 0:
        drop_mail(z, g, f, p)
    if z[K.HAS_MEMORY]:
        memory.release(z, g, p)
    z[row + P.STATE] = P.FREE
    z[row + P.NEXT] = z[S.FREE_FIRST]
    z[S.FREE_FIRST] = p
    z[S.LIVE] -= 1
    z[N.COMPLETED] += 1
