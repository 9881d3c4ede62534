"""Affinity at run time: set, get, check, update and clear, and what a change moves (DESIGN §13)."""

from sim.kernels import bits, decide, log, measure, place, queues, strand
from sim.kernels.jit import cold
from sim.kernels.rows import class_state, core, mask, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G

EVERY_CORE = 0  # the first mask


@cold
def is_empty(z, g, index):
    """Does mask `index` name no hardware core of this machine?"""
    at = g[G.SETS] + (z[S.NUM_SETS] - z[S.NUM_MASKS] + index) * g[G.SET_WORDS]
    for i in range(g[G.SET_WORDS]):
        if g[at + i] != 0:
            return False
    return True


@cold
def is_misplaced(z, p, c):
    """Must p leave core c: excluded by a strict mask, or by a preferred one that has changed?"""
    row = process(z, p)
    kind = z[row + P.AFFINITY]
    if z[K.ON_AFFINITY] == 0 or kind == P.NO_AFFINITY:
        return False
    own = mask(z, z[row + P.MASK])
    if bits.has(z, own, c):
        return False
    return kind == P.STRICT or (z[row + P.MARKED] == 1 and place.has_other(z, own, c))


@cold
def evict(z, g, f, p, c, mechanism):
    """Force-move p, queued on core c, to its refuge; False if it has none."""
    target = place.refuge(z, g, f, p, c)
    if target < 0:
        return False
    hand_over(z, g, f, p, c, target, mechanism)
    return True


@cold
def hand_over(z, g, f, p, c, target, mechanism):
    """Force-move p, queued on core c, to the target."""
    decide.force(z, g, f, p, c, target, mechanism)
    queues.remove(z, g, f, c, p)
    receive(z, g, f, p, c, target)


@cold
def receive(z, g, f, p, c, target):
    """Queue p, which leaves core c by force, on the target."""
    if z[S.MECHANISM] == N.AFFINITY:
        z[process(z, p) + P.MARKED] = 0
    queues.check_capacity(z, target)
    measure.leave(z, g, f, c)
    measure.enter(z, g, f, target)
    queues.append(z, g, f, target, p)
    if z[core(z, target) + C.STATE] == C.IDLE:
        queues.make_due(z, g, f, target, z[S.NOW_NS])


@cold
def update_affinity(z, p, index, kind, preferred, most):
    """Store a checked affinity; queued strict processes are counted by mask."""
    row = process(z, p)
    is_counted = z[row + P.STATE] == P.READY and z[K.HAS_MASKS]
    if is_counted:
        z[queues.waiting_at(z, p)] -= 1
    z[row + P.MASK] = index
    z[row + P.AFFINITY] = kind
    z[row + P.PREFERRED_CORE] = preferred
    z[row + P.MAX_MIGRATIONS] = most
    if is_counted:
        z[queues.waiting_at(z, p)] += 1


@cold
def set_affinity(z, g, f, p, index, kind, preferred, most):
    """Give p a new affinity (mask number, type, preferred hardware core or NONE, own limit or NONE).

    Returns whether it was taken. It is refused, and the old one kept, if the mask names no core of this
    machine, or if p would have to move and affinity changes may not move processes.
    """
    row = process(z, p)
    c = z[row + P.QUEUE_CORE]
    stuck = z[K.ON_AFFINITY] == 0 and kind == P.STRICT and not bits.has(z, mask(z, index), c)
    if is_empty(z, g, index) or stuck:
        z[N.AFFINITIES_REFUSED] += 1
        log.note(z, g, f, log.AFFINITY, c, p, kind, 0)
        return False
    z[N.AFFINITIES] += 1
    update_affinity(z, p, index, kind, preferred, most)
    z[row + P.MARKED] = z[K.ON_AFFINITY]
    log.note(z, g, f, log.AFFINITY, c, p, kind, 1)
    if z[row + P.STATE] == P.READY and not (is_misplaced(z, p, c) and evict(z, g, f, p, c, N.AFFINITY)):
        if z[K.CAN_STRAND]:
            strand.update(z, p, c)
            mechanism = strand.rescue_mechanism(z, c)
            if z[row + P.IS_STRANDED] and mechanism >= 0 and evict(z, g, f, p, c, mechanism):
                return True
        # its core may have slept beside it, because it was not allowed to run there
        if z[core(z, c) + C.STATE] == C.IDLE and strand.allows(z, p, c):
            queues.make_due(z, g, f, c, z[S.NOW_NS])
    return True


@cold
def clear_affinity(z, g, f, p):
    """p may run anywhere and prefers nothing."""
    return set_affinity(z, g, f, p, EVERY_CORE, P.NO_AFFINITY, P.NONE, P.NONE)


@cold
def set_class_affinity(z, g, f, kind, index, type_, preferred, most):
    """Give a class of processes a new affinity, those that live and those to come."""
    if is_empty(z, g, index):
        z[N.AFFINITIES_REFUSED] += 1
        log.note(z, g, f, log.AFFINITY, -1, -1, type_, 0)
        return
    state = class_state(z, kind)
    z[state + T.NOW_MASK] = index
    z[state + T.NOW_AFFINITY] = type_
    z[state + T.NOW_PREFERRED] = preferred
    z[state + T.NOW_MAX] = most
    for p in range(z[S.SLOTS_USED]):
        row = process(z, p)
        if z[row + P.STATE] != P.FREE and z[row + P.CLASS] == kind:
            set_affinity(z, g, f, p, index, type_, preferred, most)


@cold
def inherit(z, p, parent):
    """A new process takes its parent's affinity as it is now; none without a parent."""
    row = process(z, p)
    if parent < 0:
        z[row + P.MASK] = EVERY_CORE
        z[row + P.AFFINITY] = P.NO_AFFINITY
        z[row + P.PREFERRED_CORE] = P.NONE
        z[row + P.MAX_MIGRATIONS] = P.NONE
        return
    other = process(z, parent)
    z[row + P.MASK] = z[other + P.MASK]
    z[row + P.AFFINITY] = z[other + P.AFFINITY]
    z[row + P.PREFERRED_CORE] = z[other + P.PREFERRED_CORE]
    z[row + P.MAX_MIGRATIONS] = z[other + P.MAX_MIGRATIONS]
