"""Who is woken for work that waits elsewhere (DESIGN §20; OTP: wakeup_other_check, wake_one)."""

from sim.kernels import bits, queues
from sim.kernels.jit import cold
from sim.kernels.rows import core, erts
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R

FIXED = 400  # part of the counter that a check adds whatever the queue
LEGACY_DECAY = 10


@cold
def wake(z, g, f, c):
    """Wake scheduler c if it sleeps or spins; a wake-up of one that is awake already is lost."""
    z[N.WAKE_ONES] += 1
    if z[core(z, c) + C.STATE] == C.IDLE:
        queues.make_due(z, g, f, c, z[S.NOW_NS])


@cold
def is_wakeable(z, c):
    """Online, and without NONEMPTY."""
    return bits.has(z, z[S.ONLINE_SET], c) and z[erts(z, c) + E.NONEMPTY] == 0


@cold
def activate(z, g, f, c):
    """Run queue c, the first inactive one, is active from now on."""
    z[erts(z, c) + E.INACTIVE] = 0
    if z[S.ACTIVE] == c:
        z[S.ACTIVE] = c + 1
    z[N.WAKE_ONES] += 1
    if z[core(z, c) + C.STATE] == C.IDLE and z[erts(z, c) + E.NONEMPTY] == 0:
        queues.make_due(z, g, f, c, z[S.NOW_NS])


@cold
def wake_one(z, g, f, c):
    """Wake the first empty scheduler below c, then from the top down to c; else activate one more."""
    active = min(z[S.ACTIVE], z[S.USED])
    for step in range(1, active + 1):
        x = (c - step) % active if c < active else active - step
        if x != c and is_wakeable(z, x):
            wake(z, g, f, x)
            return
    if active < z[S.USED] and z[core(z, active) + C.STATE] != C.OFFLINE:
        activate(z, g, f, active)


@cold
def legacy_check(z, g, f, c):
    """+sws legacy."""
    row, length, reds = erts(z, c), z[core(z, c) + C.QUEUE_LENGTH], z[erts(z, c) + E.WAKEUP_REDS]
    if length < 2:
        z[row + E.WAKEUP_OTHER] = max(0, z[row + E.WAKEUP_OTHER] - LEGACY_DECAY * reds)
    elif z[row + E.WAKEUP_OTHER] < z[K.WAKEUP_LIMIT]:
        z[row + E.WAKEUP_OTHER] += length * reds + FIXED
    else:
        if z[K.BALANCES] and z[S.NUM_EMPTY] != 0:
            wake_one(z, g, f, c)
        z[row + E.WAKEUP_OTHER] = 0


@cold
def default_check(z, g, f, c):
    """+sws default."""
    row, left = erts(z, c), z[core(z, c) + C.QUEUE_LENGTH] - 1
    reds = z[row + E.WAKEUP_REDS]
    if left < 1:
        if z[K.WAKEUP_SHIFT] >= 0:
            z[row + E.WAKEUP_OTHER] = max(0, z[row + E.WAKEUP_OTHER] - (reds << z[K.WAKEUP_SHIFT]))
        return
    z[row + E.WAKEUP_OTHER] += left * reds + FIXED
    if z[row + E.WAKEUP_OTHER] > z[K.WAKEUP_LIMIT]:
        if z[K.BALANCES] and (z[K.OTP] == R.OTP_28 or z[S.NUM_EMPTY] != 0):
            wake_one(z, g, f, c)
        z[row + E.WAKEUP_OTHER] = 0


@cold
def wakeup_check(z, g, f, c):
    """Count what waits behind the process that c runs next, and wake another scheduler when it is enough."""
    if z[erts(z, c) + E.WAKEUP_REDS] <= 0:
        return
    if z[K.IS_LEGACY]:
        legacy_check(z, g, f, c)
    else:
        default_check(z, g, f, c)
    z[erts(z, c) + E.WAKEUP_REDS] = 0
