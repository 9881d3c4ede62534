"""Work stealing of the BEAM: victims by index, booty from one queue (DESIGN §20; OTP: try_steal_task)."""

from sim.kernels import decide, measure, queues
from sim.kernels.jit import cold
from sim.kernels.rows import core, erts, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P

BOOTY_MOST = 100


@cold
def level_length(z, c, level):
    """Processes in one level of c's queue."""
    if z[K.ERTS]:
        row = erts(z, c) + E.LEN
        return z[row + level] + (z[row + 3] if level == 2 else 0)
    n, p = 0, z[core(z, c) + C.FIRST + level]
    while p >= 0:
        n += 1
        p = z[process(z, p) + P.NEXT]
    return n


@cold
def booty(z, victim, level):
    """Processes taken from one level of the victim's queue, at most."""
    if z[K.ERTS]:
        half = (level_length(z, victim, level) + 1) // 2
        return 1 if z[K.OTP] == R.OTP_27 else min(BOOTY_MOST, half)
    if z[K.AMOUNT] == R.ONE:
        return 1
    return (level_length(z, victim, level) + 1) // 2 if z[K.AMOUNT] == R.HALF else z[K.BATCH]


@cold
def take(z, g, f, thief, victim, level, above):
    """Take from one level of the victim, behind `above` processes of others; the first one, or NONE."""
    most = booty(z, victim, level)
    first, taken, position = P.NONE, 0, above
    p = z[core(z, victim) + C.FIRST + level]
    while p >= 0 and taken < most:
        following = z[process(z, p) + P.NEXT]
        z[S.BATCH_LATER] = 1 if taken > 0 else 0
        if decide.attempt(z, g, f, p, victim, thief, position - taken + 1, N.STEAL):
            queues.remove(z, g, f, victim, p)
            measure.leave(z, g, f, victim)
            measure.enter(z, g, f, thief)
            if taken == 0:
                first = p
            else:
                queues.append(z, g, f, thief, p)
            taken += 1
        position += 1
        p = following
    z[S.BATCH_LATER] = 0
    return first


@cold
def from_victim(z, g, f, thief, victim):
    """The first level from which something can be taken gives the booty; the process to run, or NONE."""
    above = 0
    for level in range(C.LEVELS):
        if z[core(z, victim) + C.FIRST + level] >= 0:
            p = take(z, g, f, thief, victim, level, above)
            if p >= 0:
                return p
            above += level_length(z, victim, level)
    return P.NONE


@cold
def is_hopeless(z):
    """Do all schedulers online say that they have nothing?"""
    return z[K.ERTS] != 0 and z[S.NUM_EMPTY] >= z[S.USED]


@cold
def steal(z, g, f, thief):
    """Inactive run queues first, then the active ones upwards from the thief; the process taken, or NONE."""
    used = z[S.USED] if z[K.ERTS] else z[K.NUM_CORES]
    active = min(z[S.ACTIVE], used) if z[K.ERTS] else used
    inactive = used - active
    if thief < active and z[S.NUM_WAITING] > 0:
        tests_each = z[K.OTP] == R.OTP_27
        if is_hopeless(z):
            inactive = active = 0
        for i in range(inactive + active - 1):
            if tests_each and is_hopeless(z):
                break
            if i < inactive:
                victim = active + (thief % inactive + i) % inactive
            else:
                victim = (thief + 1 + i - inactive) % active
            if z[core(z, victim) + C.QUEUE_LENGTH] > 0:
                p = from_victim(z, g, f, thief, victim)
                if p >= 0:
                    return p
    z[N.FAILED_STEALS] += 1
    return P.NONE
