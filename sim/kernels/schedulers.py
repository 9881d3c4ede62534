"""Schedulers on hardware cores: sharing a core, re-binding, going offline and coming back (DESIGN §12)."""

from sim.kernels import bits, energy, erts_queue, evacuate, log, queues, tree
from sim.kernels.jit import cold
from sim.kernels.rows import core, erts, hardware
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import table as G
from sim.layout.sentinel import TIME_NEVER_NS


@cold
def is_open(z, h):
    """Is a hardware core online and not draining?"""
    return z[hardware(z, h) + H.STATE] == H.OPEN


@cold
def stall(z, g, f, c):
    """c wants its core, which another scheduler has: it waits behind those that wait already."""
    h = z[core(z, c) + C.HARDWARE]
    at = hardware(z, h)
    z[core(z, c) + C.STATE] = C.STALLED
    if z[z[S.EVENTS] + c] != TIME_NEVER_NS:
        tree.set_event(z, c, TIME_NEVER_NS)
    z[core(z, c) + C.NEXT_WAITER] = C.NONE
    if z[at + H.FIRST_WAITER] < 0:
        z[at + H.FIRST_WAITER] = c
    else:
        z[core(z, z[at + H.LAST_WAITER]) + C.NEXT_WAITER] = c
    z[at + H.LAST_WAITER] = c
    log.note(z, g, f, log.STALL, c, -1, h, 0)
    holder = z[at + H.HOLDER]
    if holder >= 0 and z[core(z, holder) + C.STATE] == C.IDLE:
        tree.set_event(z, holder, spin_end_ns(z, holder))


@cold
def spin_end_ns(z, c):
    """Until when the idle scheduler c keeps its hardware core from others: it spins, within its quantum."""
    held_ns = z[hardware(z, z[core(z, c) + C.HARDWARE]) + H.HELD_NS]
    return max(z[S.NOW_NS], min(z[erts(z, c) + E.SPIN_UNTIL_NS], held_ns + z[K.OS_QUANTUM_NS]))


@cold
def rest(z, c):
    """c goes idle: its hardware core goes to the next one, at once or when c has spun."""
    if z[K.ERTS] and spin_end_ns(z, c) > z[S.NOW_NS]:
        at = hardware(z, z[core(z, c) + C.HARDWARE])
        if z[at + H.HOLDER] == c:
            if z[at + H.FIRST_WAITER] >= 0:
                tree.set_event(z, c, spin_end_ns(z, c))
            return
    release(z, c)


@cold
def unstall(z, c):
    """Take c out of those that wait for its core."""
    at = hardware(z, z[core(z, c) + C.HARDWARE])
    before, x = C.NONE, z[at + H.FIRST_WAITER]
    while x != c:
        before, x = x, z[core(z, x) + C.NEXT_WAITER]
    after = z[core(z, c) + C.NEXT_WAITER]
    if before < 0:
        z[at + H.FIRST_WAITER] = after
    else:
        z[core(z, before) + C.NEXT_WAITER] = after
    if after < 0:
        z[at + H.LAST_WAITER] = before


@cold
def take_core(z, g, f, c):
    """May c dispatch: does it have its hardware core? If not, it waits for it."""
    at = hardware(z, z[core(z, c) + C.HARDWARE])
    holder = z[at + H.HOLDER]
    if holder >= 0 and holder != c and z[core(z, holder) + C.STATE] == C.IDLE:
        # it spun when it went idle, and nobody wanted its core until now
        if spin_end_ns(z, holder) <= z[S.NOW_NS]:
            z[at + H.HOLDER] = C.NONE
    if z[at + H.HOLDER] < 0:
        z[at + H.HOLDER] = c
        z[at + H.HELD_NS] = z[S.NOW_NS]
    if z[at + H.HOLDER] == c:
        return True
    stall(z, g, f, c)
    return False


@cold
def release(z, c):
    """c needs its hardware core no more: the first that waits has it."""
    at = hardware(z, z[core(z, c) + C.HARDWARE])
    if z[at + H.HOLDER] != c:
        return
    z[at + H.HOLDER] = C.NONE
    first = z[at + H.FIRST_WAITER]
    if first >= 0 and z[at + H.STATE] == H.OPEN:
        unstall(z, first)
        z[at + H.HOLDER] = first
        z[at + H.HELD_NS] = z[S.NOW_NS]
        z[core(z, first) + C.DEBT_NS] += z[K.OS_SWITCH_NS]
        z[N.OS_SWITCH_NS] += z[K.OS_SWITCH_NS]
        queues.push_ready(z, first)


@cold
def copy_facts(z, h, c):
    """c sees the facts of hardware core h from now on."""
    at = hardware(z, h)
    for i in range(C.FACTS):
        z[core(z, c) + C.BASE_Q20 + i] = z[at + i]


@cold
def update_sets(z, g, c, h):
    """c is in those sets of schedulers whose hardware cores hold h; the first set holds all."""
    for i in range(1, z[S.NUM_SETS]):
        word = g[G.SETS] + i * g[G.SET_WORDS] + (h >> 6)
        if (g[word] >> (h & 63)) & 1:
            bits.add(z, z[S.ALL_CORES] + i * z[S.WORDS], c)
        else:
            bits.drop(z, z[S.ALL_CORES] + i * z[S.WORDS], c)


@cold
def wake_up(z, g, f, c):
    """An OFFLINE scheduler whose core is open is IDLE again; due if something is queued there."""
    z[core(z, c) + C.STATE] = C.IDLE
    bits.add(z, z[S.IDLE_SET], c)
    bits.add(z, z[S.ONLINE_SET], c)
    z[S.NUM_IDLE] += 1
    if z[K.ERTS]:
        erts_queue.begin_wait(z, c)
    log.note(z, g, f, log.ONLINE, c, -1, z[core(z, c) + C.HARDWARE], z[core(z, c) + C.CAUSE])
    evacuate.update_queue(z, c)


@cold
def welcome(z, g, f, c):
    """An OFFLINE scheduler whose core is open works again."""
    wake_up(z, g, f, c)
    if z[core(z, c) + C.QUEUE_LENGTH] > 0:
        queues.make_due(z, g, f, c, z[S.NOW_NS])


@cold
def is_any_running(z, h):
    """Does a scheduler run a process on hardware core h?"""
    for c in range(z[K.NUM_CORES]):
        if z[core(z, c) + C.HARDWARE] == h and z[core(z, c) + C.STATE] == C.RUNNING:
            return True
    return False


@cold
def finish_draining(z, h):
    """A draining core on which nothing runs any more is off."""
    if z[hardware(z, h) + H.STATE] == H.DRAINING and not is_any_running(z, h):
        energy.settle(z, h)
        z[hardware(z, h) + H.STATE] = H.OFF


@cold
def stand_on(z, g, f, c, h):
    """Re-bind c, which is not RUNNING, to the open hardware core h."""
    row, old = core(z, c), z[core(z, c) + C.HARDWARE]
    energy.settle_busy(z, c)
    release(z, c)
    if z[row + C.STATE] == C.STALLED:
        unstall(z, c)
    z[hardware(z, old) + H.OCCUPANTS] -= 1
    z[hardware(z, h) + H.OCCUPANTS] += 1
    z[row + C.HARDWARE] = h
    z[row + C.NEXT_HARDWARE] = C.NONE
    copy_facts(z, h, c)
    update_sets(z, g, c, h)
    if z[row + C.SUSPENDED] == 0:
        bits.add(z, z[S.ONLINE_SET], c)
    z[N.REBINDS] += 1
    z[N.REBIND_NS] += z[K.REBIND_NS]
    z[row + C.DEBT_NS] += z[K.REBIND_NS]
    log.note(z, g, f, log.REBIND, c, -1, h, old)
    finish_draining(z, old)
    if z[row + C.STATE] == C.STALLED:
        queues.push_ready(z, c)
    elif z[row + C.STATE] == C.OFFLINE and z[row + C.SUSPENDED] == 0:
        wake_up(z, g, f, c)
    evacuate.update_queue(z, c)
    if z[row + C.STATE] == C.IDLE and z[row + C.QUEUE_LENGTH] > 0:
        queues.make_due(z, g, f, c, z[S.NOW_NS])


@cold
def rebind(z, g, f, c, h):
    """Re-bind c and let those move that its new place frees."""
    stand_on(z, g, f, c, h)
    evacuate.rescue(z, g, f)


@cold
def migrate_scheduler(z, g, f, c, h):
    """Move scheduler c to hardware core h, at the end of its slice if it runs; False if it is refused."""
    row = core(z, c)
    if h == z[row + C.HARDWARE] or not is_open(z, h):
        return False
    if z[row + C.STATE] == C.RUNNING:
        z[row + C.NEXT_HARDWARE] = h
    else:
        rebind(z, g, f, c, h)
    return True


@cold
def bind_scheduler_to_core(z, g, f, c, h):
    """Pin scheduler c to hardware core h; False if it is there already or h is not open."""
    z[core(z, c) + C.PINNED] = 1
    return migrate_scheduler(z, g, f, c, h)


@cold
def unbind_scheduler(z, c):
    """Scheduler c may be moved from now on."""
    z[core(z, c) + C.PINNED] = 0


@cold
def go_offline(z, g, f, c):
    """c, which is not RUNNING, has lost its hardware core."""
    row, h = core(z, c), z[core(z, c) + C.HARDWARE]
    if z[row + C.STATE] == C.IDLE:
        bits.drop(z, z[S.IDLE_SET], c)
        z[S.NUM_IDLE] -= 1
    elif z[row + C.STATE] == C.STALLED:
        unstall(z, c)
    if z[z[S.EVENTS] + c] != TIME_NEVER_NS:
        tree.set_event(z, c, TIME_NEVER_NS)
    release(z, c)
    if z[K.ERTS]:
        erts_queue.go_offline(z, c)
    z[row + C.STATE] = C.OFFLINE
    z[row + C.NEXT_HARDWARE] = C.NONE
    z[row + C.CAUSE] = evacuate.cause_at(z, c)
    log.note(z, g, f, log.OFFLINE, c, -1, h, z[row + C.CAUSE])
    evacuate.leave_core(z, g, f, c)
    evacuate.update_queue(z, c)
    finish_draining(z, h)


@cold
def after_slice(z, g, f, c):
    """What waits for the end of a slice of c; True if c does not dispatch now."""
    row, t = core(z, c), z[S.NOW_NS]
    if z[row + C.SUSPENDED]:
        go_offline(z, g, f, c)
        return True
    h = z[row + C.NEXT_HARDWARE]
    z[row + C.NEXT_HARDWARE] = C.NONE
    if h >= 0 and is_open(z, h):
        rebind(z, g, f, c, h)
        return not take_core(z, g, f, c)
    at = hardware(z, z[row + C.HARDWARE])
    if z[at + H.STATE] != H.OPEN:
        go_offline(z, g, f, c)
        return True
    if z[at + H.FIRST_WAITER] >= 0 and t - z[at + H.HELD_NS] >= z[K.OS_QUANTUM_NS]:
        stall(z, g, f, c)
        release(z, c)
        return True
    return False
