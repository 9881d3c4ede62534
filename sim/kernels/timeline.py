"""The timeline: cores go and come, frequencies, affinities, bindings and loads change (DESIGN §15)."""

from sim.kernels import affinity, bits, cut, energy, evacuate, log, online, queues, schedulers
from sim.kernels.jit import cold
from sim.kernels.rows import class_state, core, hardware, klass, timeline
from sim.layout import core as C
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import step as T
from sim.layout import table as G
from sim.layout.sentinel import TIME_NEVER_NS


@cold
def close(z, h, cause):
    """A hardware core takes no more work; FAILURE ends what runs there, POWER lets it end its slice."""
    at = hardware(z, h)
    if z[at + H.STATE] == H.OFF or (cause == C.POWER and z[at + H.STATE] == H.DRAINING):
        return
    energy.settle(z, h)
    is_draining = cause == C.POWER and schedulers.is_any_running(z, h)
    z[at + H.STATE] = H.DRAINING if is_draining else H.OFF
    z[at + H.CAUSE] = cause
    z[at + H.ACTIVE] = 1  # closed by this entry
    for c in range(z[K.NUM_CORES]):
        if z[core(z, c) + C.HARDWARE] == h and z[core(z, c) + C.SUSPENDED] == 0:
            z[core(z, c) + C.CAUSE] = cause
            bits.drop(z, z[S.ONLINE_SET], c)


@cold
def shelter(z, h):
    """Open hardware core with the fewest schedulers, the nearest to h in cyclic-nearest order; or NONE."""
    n = z[K.NUM_HARDWARE]
    best, best_rank = C.NONE, 0
    for x in range(n):
        if schedulers.is_open(z, x):
            d = bits.distance_of(z, hardware(z, h), hardware(z, x))
            rank = (z[hardware(z, x) + H.OCCUPANTS] * 4 + d) * n + (x - h if x >= h else x - h + n)
            if best < 0 or rank < best_rank:
                best, best_rank = x, rank
    return best


@cold
def expel(z, g, f, c, cause):
    """Scheduler c stands on a core that has just closed: it is cut, re-bound, drains, or goes offline."""
    row = core(z, c)
    if z[row + C.STATE] == C.OFFLINE:
        return
    is_cut = z[row + C.STATE] == C.RUNNING and cause == C.FAILURE
    if is_cut:
        cut.cut(z, g, f, c)
    h = C.NONE if z[row + C.PINNED] or z[row + C.SUSPENDED] else shelter(z, z[row + C.HARDWARE])
    if z[row + C.STATE] == C.RUNNING:
        if h >= 0:
            z[row + C.NEXT_HARDWARE] = h
    elif h >= 0:
        schedulers.rebind(z, g, f, c, h)
        if is_cut:
            queues.push_ready(z, c)
    else:
        schedulers.go_offline(z, g, f, c)


@cold
def close_all(z, g, f, first, end, cause):
    """The cores of an entry close: first all of them, then their schedulers one after the other."""
    for i in range(first, end):
        z[hardware(z, g[timeline(g, i) + T.SUBJECT]) + H.ACTIVE] = 0
    for i in range(first, end):
        close(z, g[timeline(g, i) + T.SUBJECT], cause)
    for i in range(first, end):
        h = g[timeline(g, i) + T.SUBJECT]
        if z[hardware(z, h) + H.ACTIVE] == 1:
            for c in range(z[K.NUM_CORES]):
                if z[core(z, c) + C.HARDWARE] == h:
                    expel(z, g, f, c, cause)


@cold
def open_core(z, g, f, h, is_first):
    """A hardware core is open again, and with it the schedulers that stand there."""
    at = hardware(z, h)
    energy.settle(z, h)
    z[at + H.STATE] = H.OPEN
    for c in range(z[K.NUM_CORES]):
        row = core(z, c)
        if z[row + C.HARDWARE] == h and z[row + C.SUSPENDED] == 0:
            bits.add(z, z[S.ONLINE_SET], c)
            if z[row + C.STATE] == C.OFFLINE and z[row + C.PINNED]:
                schedulers.welcome(z, g, f, c)
    for c in range(z[K.NUM_CORES] if is_first else 0):
        row = core(z, c)
        if z[row + C.STATE] == C.OFFLINE and z[row + C.PINNED] == 0 and z[row + C.SUSPENDED] == 0:
            if z[row + C.HARDWARE] == h:
                schedulers.welcome(z, g, f, c)
            else:
                schedulers.stand_on(z, g, f, c, h)


@cold
def open_all(z, g, f, first, end):
    """The cores of an entry open."""
    is_first = True
    for i in range(first, end):
        h = g[timeline(g, i) + T.SUBJECT]
        if not schedulers.is_open(z, h):
            open_core(z, g, f, h, is_first)
            is_first = False
    evacuate.rescue(z, g, f)


@cold
def set_frequency(z, h, mhz):
    """Hardware core h has another clock; the running segment keeps its length."""
    at = hardware(z, h)
    energy.settle(z, h)
    z[at + H.FREQUENCY_MHZ] = mhz
    z[at + H.BASE_Q20] = max(1, (z[at + H.NOMINAL_Q20] * z[at + H.NOMINAL_MHZ] + mhz // 2) // mhz)
    energy.set_power(z, at)
    for c in range(z[K.NUM_CORES]):
        if z[core(z, c) + C.HARDWARE] == h:
            schedulers.copy_facts(z, h, c)


@cold
def change_affinity(z, g, f, at):
    """A class of processes, or every one, has another affinity."""
    new = at + T.NEW
    for kind in range(z[K.NUM_CLASSES]):
        if g[at + T.SUBJECT] < 0 or g[at + T.SUBJECT] == kind:
            affinity.set_class_affinity(z, g, f, kind, g[new], g[new + 1], g[new + 2], g[new + 3])


@cold
def change_load(z, g, at):
    """Arrivals drawn from now on come at another rate."""
    for kind in range(z[K.NUM_CLASSES]):
        is_meant = g[at + T.SUBJECT] < 0 or g[at + T.SUBJECT] == kind
        if is_meant and g[klass(g, kind) + T.ARRIVAL] != T.NO_ARRIVAL:
            state = class_state(z, kind)
            z[state + T.LOAD] = g[at + T.VALUE]
            z[state + T.ANCHOR_NS] = z[S.NOW_NS]
            # the arrival that is pending was drawn at the old rate
            z[state + T.ANCHOR_COUNT] = z[state + T.ARRIVED] + 1


@cold
def apply(z, g, f, first, end):
    """Do the entry whose rows are first .. end - 1."""
    at = timeline(g, first)
    what, subject, value = g[at + T.WHAT], g[at + T.SUBJECT], g[at + T.VALUE]
    if what == T.CORE_OFFLINE or what == T.POWER_DOWN:
        close_all(z, g, f, first, end, C.FAILURE if what == T.CORE_OFFLINE else C.POWER)
    elif what == T.CORE_ONLINE or what == T.POWER_UP:
        open_all(z, g, f, first, end)
    elif what == T.FREQUENCY:
        for i in range(first, end):
            set_frequency(z, g[timeline(g, i) + T.SUBJECT], value)
    elif what == T.CHANGE_AFFINITY:
        change_affinity(z, g, f, at)
    elif what == T.BIND:
        schedulers.bind_scheduler_to_core(z, g, f, subject, value)
    elif what == T.UNBIND:
        schedulers.unbind_scheduler(z, subject)
    elif what == T.SCHEDULERS_ONLINE:
        online.set_schedulers_online(z, g, f, value)
    else:
        change_load(z, g, at)


@cold
def next_entry(z, g, f):
    """Handle the next entry, and find when the one after it is due."""
    entry = z[S.ENTRY]
    first, end = g[g[G.TIMELINE_FIRST] + entry], g[g[G.TIMELINE_FIRST] + entry + 1]
    log.note(z, g, f, log.TIMELINE, -1, -1, entry, g[timeline(g, first) + T.WHAT])
    z[S.ENTRY] = entry + 1
    z[S.NEXT_ENTRY_NS] = TIME_NEVER_NS
    if entry + 1 < g[G.NUM_ENTRIES]:
        z[S.NEXT_ENTRY_NS] = g[timeline(g, end) + T.WHEN_NS]
    apply(z, g, f, first, end)
