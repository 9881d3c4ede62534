"""What an erts lane keeps of each run queue: lengths, flags, idle waits and utilisation (DESIGN §20)."""

from sim.kernels.jit import cold, kernel, leaf
from sim.kernels.rows import erts, process
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P

SHORT_NS, LONG_NS = 1_000_000_000, 10_000_000_000
PPM = 1_000_000


@leaf
def priority(z, p):
    """0 max, 1 high, 2 normal, 3 low."""
    row = process(z, p)
    return z[row + P.LEVEL] + z[row + P.LOW]


@leaf
def set_nonempty(z, c, value):
    """Set or clear NONEMPTY, and count the schedulers online without it."""
    at = erts(z, c) + E.NONEMPTY
    if z[at] != value:
        z[at] = value
        if c < z[S.USED]:
            z[S.NUM_EMPTY] += 1 - 2 * value


@cold
def enter(z, c, p, length):
    """p was appended to c's queue, which now holds `length`."""
    row = erts(z, c)
    level = priority(z, p)
    if length == 1:
        set_nonempty(z, c, 1)
    z[row + E.LEN + level] += 1
    z[row + E.MAX_LEN + level] = max(z[row + E.MAX_LEN + level], z[row + E.LEN + level])
    z[row + E.MAX_TOTAL] = max(z[row + E.MAX_TOTAL], length)


@cold
def leave(z, c, p):
    """p was taken out of c's queue."""
    z[erts(z, c) + E.LEN + priority(z, p)] -= 1


@cold
def account(z, c, p, used):
    """A slice of p on c has ended, in which it ran `used` reductions (OTP: erl_process.c, erts_schedule)."""
    row = erts(z, c)
    counted = max(used, E.LEAST_SLICE_REDS)
    z[row + E.REDS + priority(z, p)] += counted
    z[row + E.BALANCE_REDS] -= counted
    z[row + E.WAKEUP_REDS] += used


@kernel
def decayed(work, window_ns, elapsed, working):
    """Work in a sliding window after some time more (OTP: erts_get_sched_util)."""
    if elapsed >= window_ns:
        return window_ns if working else 0
    kept = int(float(work) * float(window_ns - elapsed) / float(window_ns))
    return kept + elapsed if working else kept


@kernel
def update_util(z, c):
    """Bring the utilisation of c up to now."""
    row = erts(z, c)
    elapsed, working = z[S.NOW_NS] - z[row + E.UTIL_MARK_NS], z[row + E.WORKING]
    z[row + E.UTIL_MARK_NS] = z[S.NOW_NS]
    z[row + E.WORK_SHORT_NS] = decayed(z[row + E.WORK_SHORT_NS], SHORT_NS, elapsed, working)
    z[row + E.WORK_LONG_NS] = decayed(z[row + E.WORK_LONG_NS], LONG_NS, elapsed, working)


@cold
def set_working(z, c, working):
    """c begins or ends to work."""
    if z[K.SUB]:
        update_util(z, c)
    z[erts(z, c) + E.WORKING] = working


@kernel
def util_short(z, c):
    """Utilisation over the short window, ppm."""
    update_util(z, c)
    return z[erts(z, c) + E.WORK_SHORT_NS] * PPM // SHORT_NS


@kernel
def util_long(z, c):
    """Utilisation over the long window, ppm."""
    update_util(z, c)
    return z[erts(z, c) + E.WORK_LONG_NS] // (LONG_NS // PPM)


@cold
def begin_wait(z, c):
    """c goes idle: one scheduler takes the poll role and sleeps at once, the others spin first."""
    row = erts(z, c)
    set_nonempty(z, c, 0)
    set_working(z, c, 0)
    z[row + E.WAITING] = 1
    z[row + E.WAIT_NS] = z[S.NOW_NS]
    if z[S.POLLER] < 0:
        z[S.POLLER] = c
        z[row + E.SPIN_UNTIL_NS] = z[S.NOW_NS]
    else:
        z[row + E.SPIN_UNTIL_NS] = z[S.NOW_NS] + z[K.SPIN_NS]


@cold
def end_wait(z, c):
    """c waits no more."""
    row = erts(z, c)
    z[row + E.WAITING] = 0
    if z[S.POLLER] == c:
        z[S.POLLER] = E.NOBODY
    spun = min(z[S.NOW_NS], z[row + E.SPIN_UNTIL_NS]) - z[row + E.WAIT_NS]
    if spun > 0:
        z[N.SPIN_NS] += spun


@cold
def rest(z, c):
    """c has found nothing to do."""
    begin_wait(z, c)
    z[erts(z, c) + E.OUT_OF_WORK] = 1
    z[erts(z, c) + E.HALF_OUT] = 1


@cold
def start_work(z, c):
    """c dispatches after an idle wait."""
    end_wait(z, c)
    set_working(z, c, 1)
    set_nonempty(z, c, 1)


@cold
def go_offline(z, c):
    """c takes no part until it comes back."""
    if z[erts(z, c) + E.WAITING]:
        end_wait(z, c)
    set_working(z, c, 0)
    set_nonempty(z, c, 0)


@leaf
def wake_ns(z, c):
    """How long c needs until it dispatches: it may still spin."""
    return z[K.SPIN_WAKE_NS] if z[S.NOW_NS] < z[erts(z, c) + E.SPIN_UNTIL_NS] else z[K.WAKE_NS]


@cold
def count_empty(z):
    """Count anew the schedulers online without NONEMPTY, after their number has changed."""
    z[S.NUM_EMPTY] = 0
    for c in range(z[S.USED]):
        z[S.NUM_EMPTY] += 1 - z[erts(z, c) + E.NONEMPTY]
