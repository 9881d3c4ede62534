"""Who leaves a core that failed, was powered down or moved away, and who can come back (DESIGN §13, §15)."""

from sim.kernels import affinity, bits, strand
from sim.kernels.jit import cold
from sim.kernels.rows import core, hardware, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P


@cold
def cause_at(z, c):
    """Why c is not available: it is suspended, or its hardware core is not open."""
    if z[core(z, c) + C.SUSPENDED]:
        return C.POWER
    return z[hardware(z, z[core(z, c) + C.HARDWARE]) + H.CAUSE]


@cold
def inherits(z, c, heir):
    """Does the queue of a suspended BEAM scheduler go to this one (OTP: evacuate_run_queue)?"""
    return z[K.ERTS] != 0 and z[core(z, c) + C.SUSPENDED] != 0 and bits.has(z, z[S.ONLINE_SET], heir)


@cold
def leave_core(z, g, f, c):
    """Every process queued on the OFFLINE core c goes to its refuge, if it has one."""
    cause = z[core(z, c) + C.CAUSE]
    if not strand.is_moved(z, cause):
        return
    for level in range(C.LEVELS):
        p = z[core(z, c) + C.FIRST + level]
        while p >= 0:
            following = z[process(z, p) + P.NEXT]
            heir = c % z[S.USED]
            if inherits(z, c, heir) and strand.allows(z, p, heir):
                affinity.hand_over(z, g, f, p, c, heir, N.POWER)
            else:
                affinity.evict(z, g, f, p, c, N.FAILURE if cause == C.FAILURE else N.POWER)
            p = following


@cold
def update_queue(z, c):
    """Count anew who of core c's queue is stranded, after its state or its place changed."""
    if z[K.CAN_STRAND] == 0:
        return
    for level in range(C.LEVELS):
        p = z[core(z, c) + C.FIRST + level]
        while p >= 0:
            strand.update(z, p, c)
            p = z[process(z, p) + P.NEXT]


@cold
def rescue_from(z, g, f, c):
    """Stranded processes in core c's queue go to a refuge, where there is one now."""
    mechanism = strand.rescue_mechanism(z, c)
    if mechanism < 0:
        return
    for level in range(C.LEVELS):
        p = z[core(z, c) + C.FIRST + level]
        while p >= 0:
            following = z[process(z, p) + P.NEXT]
            if z[process(z, p) + P.IS_STRANDED]:
                affinity.evict(z, g, f, p, c, mechanism)
            p = following


@cold
def rescue(z, g, f):
    """Every stranded process that has a refuge now goes there."""
    for c in range(z[K.NUM_CORES]):
        if z[S.NUM_STRANDED] == 0:
            return
        if z[core(z, c) + C.QUEUE_LENGTH] > 0:
            rescue_from(z, g, f, c)
