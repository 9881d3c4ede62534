"""Schedulers online: those beyond the number are suspended, whatever their core (DESIGN §20)."""

from sim.kernels import bits, erts_balance, erts_queue, evacuate, schedulers
from sim.kernels.jit import cold
from sim.kernels.rows import core, erts, hardware
from sim.layout import core as C
from sim.layout import erts as E
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K


@cold
def renew_paths(z, count):
    """Those online have no paths, the others push all to those (OTP: change_no_used_runqs)."""
    z[S.FORCED] = 1
    z[S.ACTIVE] = min(z[S.ACTIVE], count)
    z[erts(z, 0) + E.BALANCE_REDS] = 0
    for q in range(z[K.NUM_CORES]):
        erts_balance.clear_paths(z, q)
        z[erts(z, q) + E.LIMIT] = 0
        if q < count:
            z[erts(z, q) + E.INACTIVE] = 0
    for q in range(count, z[K.NUM_CORES]):
        for priority in range(E.PRIORITIES):
            erts_balance.set_path(z, q, priority, E.EMIGRATE, q % count, 1, E.MADE_BALANCE)
    erts_queue.count_empty(z)


@cold
def suspend(z, g, f, c):
    """Scheduler c stops: at once, or at the end of its slice."""
    z[core(z, c) + C.SUSPENDED] = 1
    z[core(z, c) + C.CAUSE] = C.POWER
    state = z[core(z, c) + C.STATE]
    if state != C.OFFLINE and state != C.RUNNING:
        schedulers.go_offline(z, g, f, c)


@cold
def resume(z, g, f, c):
    """Scheduler c is suspended no more."""
    row = core(z, c)
    z[row + C.SUSPENDED] = 0
    if not schedulers.is_open(z, z[row + C.HARDWARE]):
        z[row + C.CAUSE] = z[hardware(z, z[row + C.HARDWARE]) + H.CAUSE]
        return
    bits.add(z, z[S.ONLINE_SET], c)
    if z[row + C.STATE] == C.OFFLINE:
        schedulers.welcome(z, g, f, c)


@cold
def set_schedulers_online(z, g, f, count):
    """The first `count` schedulers work, the others rest."""
    n = z[K.NUM_CORES]
    z[S.USED] = count
    if z[K.ERTS]:
        renew_paths(z, count)
    for c in range(count, n):
        if z[core(z, c) + C.SUSPENDED] == 0:
            bits.drop(z, z[S.ONLINE_SET], c)
    for c in range(count, n):
        if z[core(z, c) + C.SUSPENDED] == 0:
            suspend(z, g, f, c)
    for c in range(count):
        if z[core(z, c) + C.SUSPENDED]:
            resume(z, g, f, c)
    evacuate.rescue(z, g, f)
