"""Bounded event log of a lane, off unless a capacity is given."""

from sim.kernels.jit import kernel, leaf
from sim.layout import lane as S
from sim.layout import parameter as K

ARRIVE, DISPATCH, PREEMPT, BLOCK, WAIT, EXIT, WAKE, MIGRATE, DENY = 1, 2, 3, 4, 5, 6, 7, 8, 9
SEGMENT, IDLE, SEND, SPAWN, ADJUST, WINDOW = 10, 11, 12, 13, 14, 15


@kernel
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
