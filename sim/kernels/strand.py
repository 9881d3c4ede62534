"""Processes that stand where they cannot run, and how they get away (DESIGN §13, §15)."""

from sim.kernels import bits
from sim.kernels.jit import cold, leaf
from sim.kernels.rows import core, mask, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P


@cold
def allows(z, p, c):
    """check_affinity: may p run on core c?"""
    row = process(z, p)
    return z[row + P.AFFINITY] != P.STRICT or bits.has(z, mask(z, z[row + P.MASK]), c)


@leaf
def this_event(z):
    """A number of the event that is being handled; the counter of events begins again after the warm-up."""
    return 2 * z[N.EVENTS] + z[S.MEASURING] + 1


@cold
def clear(z, p):
    """p is not stranded, or no more; what one event both did and undid does not count."""
    row = process(z, p)
    if z[row + P.IS_STRANDED]:
        z[row + P.IS_STRANDED] = 0
        z[S.NUM_STRANDED] -= 1
        if z[row + P.STRANDED_AT] == this_event(z):
            z[N.STRANDED] -= 1
            z[row + P.STRANDED_AT] = 0
        else:
            z[row + P.STRANDED_AT] = -this_event(z)  # was so before; may be so again after this event


@cold
def update(z, p, c):
    """Count p, queued on core c, as stranded or not."""
    row = process(z, p)
    stranded = 1 if z[core(z, c) + C.STATE] == C.OFFLINE or not allows(z, p, c) else 0
    if stranded == 0:
        clear(z, p)
    elif z[row + P.IS_STRANDED] == 0:
        z[row + P.IS_STRANDED] = 1
        z[S.NUM_STRANDED] += 1
        if z[row + P.STRANDED_AT] == -this_event(z):
            z[row + P.STRANDED_AT] = 0
        else:
            z[row + P.STRANDED_AT] = this_event(z)
            z[N.STRANDED] += 1


@cold
def is_moved(z, cause):
    """Do processes leave a core that closed for this cause?"""
    return z[K.ON_FAILURE if cause == C.FAILURE else K.ON_POWER] == 1


@cold
def rescue_mechanism(z, c):
    """How a stranded process may leave core c's queue: a mechanism, or NONE if the trigger is off."""
    if z[core(z, c) + C.STATE] != C.OFFLINE:
        return N.AFFINITY if z[K.ON_AFFINITY] else P.NONE
    cause = z[core(z, c) + C.CAUSE]
    if not is_moved(z, cause):
        return P.NONE
    return N.FAILURE if cause == C.FAILURE else N.POWER


@cold
def first_allowed(z, p, c):
    """The first process from p on in its level of core c's queue that may run there; NONE at the end."""
    while p >= 0 and not allows(z, p, c):
        p = z[process(z, p) + P.NEXT]
    return p
