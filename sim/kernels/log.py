"""Bounded event log of a lane, off unless a capacity is given.

An entry is six int64: time_ns, code, core, process slot, a, b. What a and b are, by code:

ARRIVE   class, number in its class       | SEGMENT  reductions, length in ns
DISPATCH last core or NONE, waited ns     | IDLE     0, 0 (process -1)
PREEMPT  reductions left of the step, 0   | SEND     receiver's slot or NONE, 0
BLOCK    wake-up time in ns, 0            | SPAWN    child's slot or NONE, 0
WAIT     state (WAITING, CALLING, EDGE), 0| ADJUST   threshold Q16, balancing period in ns (core, process -1)
EXIT     0, 0                             | WINDOW   number of the window, 0 (core, process -1)
WAKE     proposed core, 0                 | MIGRATE  source core, mechanism (core = target)
TIMELINE entry, operation (core, process -1) | DENY  source core, reason (core = target)
AFFINITY type, 1 done or 0 refused        | REBIND   new hardware core, old one (process -1)
GC       1 if major, length in ns         | STALL    hardware core, 0 (process -1)
OFFLINE  hardware core, cause (process -1)| ONLINE   hardware core, cause (process -1)
"""

from sim.kernels.jit import cold, leaf
from sim.layout import lane as S
from sim.layout import parameter as K

ARRIVE, DISPATCH, PREEMPT, BLOCK, WAIT, EXIT, WAKE, MIGRATE, DENY = 1, 2, 3, 4, 5, 6, 7, 8, 9
SEGMENT, IDLE, SEND, SPAWN, ADJUST, WINDOW = 10, 11, 12, 13, 14, 15
TIMELINE, AFFINITY, REBIND, GC, STALL, OFFLINE, ONLINE = 16, 17, 18, 19, 20, 21, 22


@cold
def store(z, g, f, code, core, process, a, b):
    """Append one entry if there is room; the count goes on, so that a full log shows."""
    at = z[S.LOG_COUNT]
    if at < z[S.LOG_SIZE]:
        row = z[S.LOG] + 6 * at
        z[row + 0] = z[S.NOW_NS]
        z[row + 1] = code
        z[row + 2] = core
        z[row + 3] = process
        z[row + 4] = a
        z[row + 5] = b
    z[S.LOG_COUNT] = at + 1


@leaf
def note(z, g, f, code, core, process, a, b):
    """Log an effect, if this lane keeps a log."""
    if z[K.LOG_CAPACITY] > 0:
        store(z, g, f, code, core, process, a, b)
