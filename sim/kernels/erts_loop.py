"""The scheduler loop of the BEAM between two slices (DESIGN §20; OTP: erl_process.c, erts_schedule)."""

from sim.kernels import erts_balance, erts_paths, erts_queue, erts_steal, erts_wake, queues, steal, strand
from sim.kernels.jit import cold
from sim.kernels.rows import core, erts
from sim.layout import core as C
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P


@cold
def has_work(z, c):
    """Is something queued on c that may run there?"""
    if z[core(z, c) + C.QUEUE_LENGTH] == 0:
        return False
    if z[S.NUM_STRANDED] == 0:
        return True
    for level in range(C.LEVELS):
        if strand.first_allowed(z, z[core(z, c) + C.FIRST + level], c) >= 0:
            return True
    return False


@cold
def find_work(z, g, f, c):
    """Nothing is queued on c: a process to run at once, or NONE; up to OTP 27 the booty is queued instead."""
    z[erts(z, c) + E.WAKEUP_OTHER] = 0
    z[erts(z, c) + E.WAKEUP_REDS] = 0
    if z[erts(z, c) + E.INACTIVE]:
        return P.NONE
    erts_queue.set_nonempty(z, c, 0)
    if z[K.VICTIM] == R.OFF:
        return P.NONE
    if z[K.VICTIM] != R.VICTIM_ERTS:
        return steal.steal(z, g, f, c)
    p = erts_steal.steal(z, g, f, c)
    if p >= 0 and z[K.OTP] == R.OTP_27:
        queues.append(z, g, f, c, p)
    return p


@cold
def next_process(z, g, f, c):
    """What scheduler c runs next, or NONE if it goes idle."""
    if z[erts(z, c) + E.WAITING]:
        erts_queue.start_work(z, c)
    if z[K.BALANCES]:
        if z[erts(z, c) + E.BALANCE_REDS] <= 0:
            erts_balance.check_balance(z, g, f, c)
        erts_paths.immigrate(z, g, f, c)
    if not has_work(z, c):
        p = find_work(z, g, f, c)
        if p < 0 or z[K.OTP] == R.OTP_28 or z[K.VICTIM] != R.VICTIM_ERTS:
            return p
    erts_wake.wakeup_check(z, g, f, c)
    return queues.take(z, g, f, c)
