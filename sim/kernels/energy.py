"""Energy of hardware cores, and the busy time that it needs (DESIGN §16)."""

from sim.kernels import measure
from sim.kernels.jit import cold
from sim.kernels.rows import core, hardware
from sim.layout import core as C
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K


@cold
def settle_busy(z, c):
    """Tell the hardware core of scheduler c how long c was busy there up to now."""
    busy = measure.busy_ns(z, c)
    z[hardware(z, z[core(z, c) + C.HARDWARE]) + H.BUSY_NS] += busy - z[core(z, c) + C.BOOKED_NS]
    z[core(z, c) + C.BOOKED_NS] = busy


@cold
def idle_mw(z, at):
    """Power of an idle core."""
    return z[K.E_IDLE_MW] if z[at + H.IS_EFFICIENCY] else z[K.P_IDLE_MW]


@cold
def set_power(z, at):
    """Power of a busy core at its present frequency."""
    power = z[K.E_ACTIVE_MW] if z[at + H.IS_EFFICIENCY] else z[K.P_ACTIVE_MW]
    for _ in range(z[K.EXPONENT]):
        power = power * z[at + H.FREQUENCY_MHZ] // z[at + H.NOMINAL_MHZ]
    z[at + H.ACTIVE_MW] = power


@cold
def settle(z, h):
    """Book the energy of hardware core h up to now; its state or frequency is about to change."""
    for c in range(z[K.NUM_CORES]):
        if z[core(z, c) + C.HARDWARE] == h:
            settle_busy(z, c)
    book(z, h)


@cold
def book(z, h):
    """Energy since the last booking; the busy time of every scheduler on h is settled."""
    at = hardware(z, h)
    elapsed = z[S.NOW_NS] - z[at + H.MARK_NS]
    busy = z[at + H.BUSY_NS] - z[at + H.MARK_BUSY_NS]
    if z[at + H.STATE] == H.OFF:
        z[at + H.ENERGY_PJ] += elapsed * z[K.OFF_MW]
    else:
        z[at + H.ENERGY_PJ] += busy * z[at + H.ACTIVE_MW] + (elapsed - busy) * idle_mw(z, at)
    z[at + H.MARK_NS] = z[S.NOW_NS]
    z[at + H.MARK_BUSY_NS] = z[at + H.BUSY_NS]


@cold
def restart(z):
    """Begin to measure energy and busy time of hardware cores now; busy times of schedulers were cleared."""
    for c in range(z[K.NUM_CORES]):
        z[core(z, c) + C.BOOKED_NS] = measure.busy_ns(z, c)
    for h in range(z[K.NUM_HARDWARE]):
        at = hardware(z, h)
        z[at + H.BUSY_NS] = 0
        z[at + H.MARK_BUSY_NS] = 0
        z[at + H.ENERGY_PJ] = 0
        z[at + H.MARK_NS] = z[S.NOW_NS]


@cold
def finish(z):
    """Book everything up to now, at the end of the lane."""
    for c in range(z[K.NUM_CORES]):
        settle_busy(z, c)
    for h in range(z[K.NUM_HARDWARE]):
        book(z, h)
