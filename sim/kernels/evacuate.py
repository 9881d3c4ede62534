"""Who leaves a core that failed, was powered down or moved away, and who can come back (DESIGN §13, §15)."""

from sim.kernels import affinity, strand
from sim.kernels.jit import kernel
from sim.kernels.rows import core, hardware, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P


@kernel
def is_moved(z, cause):
    """Do processes leave a core that closed for this cause?"""
    return z[K.ON_FAILURE if cause == C.FAILURE else K.ON_POWER] == 1


@kernel
def cause_at(z, c):
    """Why the hardware core of c is not open."""
    return z[hardware(z, z[core(z, c) + C.HARDWARE]) + H.CAUSE]


@kernel
def leave_core(z, g, f, c):
    """Every process queued on the OFFLINE core c goes to its refuge, if it has one."""
    cause = z[core(z, c) + C.CAUSE]
    if not is_moved(z, cause):
        return
    for level in range(C.LEVELS):
        p = z[core(z, c) + C.FIRST + level]
        while p >= 0:
            following = z[process(z, p) + P.NEXT]
            affinity.evict(z, g, f, p, c, N.FAILURE if cause == C.FAILURE else N.POWER)
            p = following


@kernel
def update_queue(z, c):
    """Count anew who of core c's queue is stranded, after its state or its place changed."""
    if z[K.CAN_STRAND] == 0:
        return
    for level in range(C.LEVELS):
        p = z[core(z, c) + C.FIRST + level]
        while p >= 0:
            strand.update(z, p, c)
            p = z[process(z, p) + P.NEXT]


@kernel
def rescue_from(z, g, f, c):
    """Stranded processes in core c's queue go to a refuge, where there is one now."""
    is_off, cause = z[core(z, c) + C.STATE] == C.OFFLINE, z[core(z, c) + C.CAUSE]
    mechanism = N.AFFINITY
    if is_off:
        mechanism = N.FAILURE if cause == C.FAILURE else N.POWER
    if (is_off and not is_moved(z, cause)) or (not is_off and z[K.ON_AFFINITY] == 0):
        return
    for level in range(C.LEVELS):
        p = z[core(z, c) + C.FIRST + level]
        while p >= 0:
            following = z[process(z, p) + P.NEXT]
            if z[process(z, p) + P.IS_STRANDED]:
                affinity.evict(z, g, f, p, c, mechanism)
            p = following


@kernel
def rescue(z, g, f):
    """Every stranded process that has a refuge now goes there."""
    for c in range(z[K.NUM_CORES]):
        if z[S.NUM_STRANDED] == 0:
            return
        if z[core(z, c) + C.QUEUE_LENGTH] > 0:
            rescue_from(z, g, f, c)
