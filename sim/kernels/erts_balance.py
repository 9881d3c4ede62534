"""The BEAM's periodic load balancing: measuring, mode, limits and paths (DESIGN §20; OTP: check_balance)."""

from sim.kernels import erts_queue
from sim.kernels.jit import cold
from sim.kernels.rows import core, erts, path
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import parameter as K

UTIL_IGNORED_PPM = 5000
WITHOUT_BASE = 1_000_000_000  # percent of nothing
SAME_RISE_PERCENT = 90


@cold
def half_time(z):
    """The first of two calls: who idles in the second half is noted from here on."""
    z[S.HALFTIME] = 0
    for q in range(z[S.USED]):
        z[erts(z, q) + E.HALF_OUT] = z[erts(z, q) + E.WAITING]
        z[erts(z, q) + E.BALANCE_REDS] = E.BALANCE_CALL_REDS


@cold
def set_available(z, row, total):
    """Percent of the scheduler's reductions that are open to each priority."""
    above = 0
    for priority in range(E.PRIORITIES):
        open_to = 100
        if total == 0 or (above > 0 and above == total):
            open_to = 0
        elif above > 0:
            open_to = max(1, 100 * (total - above) // total)
        z[row + E.AVAIL + priority] = open_to
        if priority < 2:
            above += z[row + E.REDS + priority]


@cold
def measure(z, q):
    """Availability and full reductions of run queue q; returns the reductions of its period."""
    row = erts(z, q)
    total = 0
    for priority in range(E.PRIORITIES):
        total += z[row + E.REDS + priority]
    sample = total
    if z[row + E.OUT_OF_WORK]:
        sample = E.FULL_PERIOD_REDS
        for priority in range(E.PRIORITIES):
            z[row + E.AVAIL + priority] = 100
    else:
        set_available(z, row, total)
    z[row + E.FULL_REDS] = (z[row + E.HIST_SUM] + sample) >> 3
    slot = row + E.HIST + z[S.HIST_SLOT]
    z[row + E.HIST_SUM] += sample - z[slot]
    z[slot] = sample
    return total


@cold
def percent(x, y):
    """100 x // y, where nothing of nothing is all."""
    if y == 0:
        return 100 if x == 0 else WITHOUT_BASE
    return 100 * x // y


@cold
def note_rise(z, longest, reds):
    """Remember with which load the active run queues became more."""
    z[S.RISE_ACTIVE] = z[S.ACTIVE]
    z[S.RISE_LENGTH] = longest
    z[S.RISE_REDS] = reds


@cold
def active_wanted(z, full, half_full, longest, reds):
    """How many run queues a compacted load needs."""
    wanted = z[S.LAST_ACTIVE] - 1
    if full > 0:
        wanted = (reds - 1) // E.FULL_PERIOD_REDS + 1 if reds > 0 else 1
    if z[S.LAST_ACTIVE] < z[S.ACTIVE]:
        note_rise(z, longest, reds)
        wanted = z[S.ACTIVE]
    elif (
        wanted < z[S.RISE_ACTIVE]
        and percent(longest, z[S.RISE_LENGTH]) >= SAME_RISE_PERCENT
        and percent(reds, z[S.RISE_REDS]) >= SAME_RISE_PERCENT
    ):
        wanted = z[S.RISE_ACTIVE]  # the load has not fallen since the last rise
    return min(max(wanted, max(1, half_full)), z[S.USED])


@cold
def clear_paths(z, q):
    """Run queue q has no path at any priority."""
    for priority in range(E.PRIORITIES):
        z[path(z, q, priority) + E.KIND] = E.NO_PATH


@cold
def set_path(z, q, priority, kind, partner, evacuate, made):
    """A path of q, with the limits of both ends as they stand in their rows."""
    at = path(z, q, priority)
    z[at + E.KIND] = kind
    z[at + E.PARTNER] = partner
    z[at + E.LIMIT_HERE] = z[erts(z, q) + E.LIMIT]
    z[at + E.LIMIT_OTHER] = z[erts(z, partner) + E.LIMIT]
    z[at + E.EVACUATE] = evacuate
    z[at + E.MADE] = made


@cold
def compact(z, active):
    """Run queues from `active` on push everything to those below."""
    for q in range(z[S.USED]):
        z[erts(z, q) + E.LIMIT] = 0
    for q in range(active, z[S.USED]):
        for priority in range(E.PRIORITIES):
            set_path(z, q, priority, E.EMIGRATE, q % active, 0, E.MADE_COMPACT)


@cold
def scale_available(z, full, full_reds_total):
    """Faster schedulers are more available than the mean of those that never idled."""
    for q in range(z[S.USED]):
        row = erts(z, q)
        if z[row + E.OUT_OF_WORK] == 0:
            for priority in range(E.PRIORITIES):
                at = row + E.AVAIL + priority
                z[at] = z[at] * (z[row + E.FULL_REDS] * full) // full_reds_total


@cold
def set_limits(z, priority):
    """Share the sum of the longest lengths by availability."""
    length, available = 0, 0
    for q in range(z[S.USED]):
        length += z[erts(z, q) + E.MAX_LEN + priority]
        available += z[erts(z, q) + E.AVAIL + priority]
    ideal = length
    if length > 0 and available > 0:
        ideal = (100 * length + available - 1) // available
    for q in range(z[S.USED]):
        row = erts(z, q)
        z[row + E.LIMIT] = (ideal * z[row + E.AVAIL + priority] + 99) // 100
        z[row + E.MEASURE] = z[row + E.MAX_LEN + priority]


@cold
def set_util_limits(z):
    """Every run queue should be as much used as the mean."""
    total = 0
    for q in range(z[S.USED]):
        z[erts(z, q) + E.MEASURE] = erts_queue.util_long(z, q)
        total += z[erts(z, q) + E.MEASURE]
        for priority in range(E.PRIORITIES):
            z[erts(z, q) + E.AVAIL + priority] = 100
    for q in range(z[S.USED]):
        z[erts(z, q) + E.LIMIT] = total // z[S.USED]


@cold
def sink(z, start, size):
    """Restore the heap below `start` in the scratch of order; the greatest number on top."""
    base, i = z[S.ERTS_ORDER], start
    while True:
        child = 2 * i + 1
        if child >= size:
            return
        if child + 1 < size and z[base + child + 1] > z[base + child]:
            child += 1
        if z[base + i] >= z[base + child]:
            return
        z[base + i], z[base + child] = z[base + child], z[base + i]
        i = child


@cold
def sort_by_difference(z, ignored):
    """Run queues in ascending order of (difference to their limit, index); returns how many are below.

    One number stands for both, difference x n + index, so that any sort is a stable one.
    """
    n, base, below = z[S.USED], z[S.ERTS_ORDER], 0
    for q in range(n):
        difference = z[erts(z, q) + E.MEASURE] - z[erts(z, q) + E.LIMIT]
        if -ignored <= difference <= ignored:
            difference = 0
        if difference < 0:
            below += 1
        z[base + q] = difference * n + q
    for start in range(n // 2 - 1, -1, -1):
        sink(z, start, n)
    for last in range(n - 1, 0, -1):
        z[base], z[base + last] = z[base + last], z[base]
        sink(z, 0, last)
    return below


@cold
def connect(z, priority, below, made):
    """Paths from the run queues above their limit to those below it, the extremes first."""
    n, base = z[S.USED], z[S.ERTS_ORDER]
    above = 0
    while above < n and z[base + n - 1 - above] >= n:
        above += 1
    if below == 0 or above == 0:
        return
    k = min(below, above)
    for j in range(below):
        low = z[base + j] % n
        high = z[base + n - 1 - (j if j < k else (j - k) % k)] % n
        evacuate = 1 if z[erts(z, high) + E.AVAIL + priority] == 0 else 0
        set_path(z, low, priority, E.IMMIGRATE, high, evacuate, made)
    for j in range(above):
        high = z[base + n - 1 - j] % n
        low = z[base + (j if j < k else (j - k) % k)] % n
        evacuate = 1 if z[erts(z, high) + E.AVAIL + priority] == 0 else 0
        set_path(z, high, priority, E.EMIGRATE, low, evacuate, made)


@cold
def begin_period(z, active):
    """What a full call leaves behind for the next period."""
    z[S.LAST_ACTIVE] = z[S.ACTIVE] = active
    z[S.FORCED] = 0
    z[S.HALFTIME] = 1
    for q in range(z[S.USED]):
        row = erts(z, q)
        z[row + E.INACTIVE] = 1 if q >= active else 0
        z[row + E.OUT_OF_WORK] = z[row + E.WAITING]
        z[row + E.HALF_OUT] = 0
        z[row + E.MAX_TOTAL] = z[core(z, q) + C.QUEUE_LENGTH]
        z[row + E.BALANCE_REDS] = E.BALANCE_CALL_REDS
        for priority in range(E.PRIORITIES):
            z[row + E.MAX_LEN + priority] = z[row + E.LEN + priority]
            z[row + E.REDS + priority] = 0


@cold
def balance_lengths(z, full, full_reds_total):
    """BALANCE mode: new limits and paths from the longest lengths."""
    if full_reds_total > 0:
        scale_available(z, full, full_reds_total)
    for priority in range(E.PRIORITIES):
        set_limits(z, priority)
        connect(z, priority, sort_by_difference(z, 0), E.MADE_BALANCE)


@cold
def balance_utilisation(z):
    """UTIL mode: the same paths at every priority."""
    set_util_limits(z)
    below = sort_by_difference(z, UTIL_IGNORED_PPM)
    for priority in range(E.PRIORITIES):
        connect(z, priority, below, E.MADE_UTIL)


@cold
def full_call(z):
    """The second of two calls: measure, choose the mode, and lay new paths."""
    n = z[S.USED]
    full, half_full, full_reds_total, reds, longest = 0, 0, 0, 0, 0
    for q in range(n):
        row = erts(z, q)
        reds += measure(z, q)
        longest = max(longest, z[row + E.MAX_TOTAL])
        if z[row + E.OUT_OF_WORK]:
            half_full += 1 - z[row + E.HALF_OUT]
        else:
            full += 1
            half_full += 1
            full_reds_total += z[row + E.FULL_REDS]
    z[S.HIST_SLOT] = (z[S.HIST_SLOT] + 1) % E.HIST_SLOTS
    z[N.BALANCE_CALLS] += 1
    active, is_util = n, False
    if z[K.SCL] == 0:
        is_util = z[K.SUB] != 0 and full < n
    elif z[S.FORCED] == 0 and half_full != n:
        active = active_wanted(z, full, half_full, longest, reds)
    elif z[S.LAST_ACTIVE] < z[S.ACTIVE]:
        note_rise(z, longest, reds)
    for q in range(n):
        clear_paths(z, q)
    if is_util:
        balance_utilisation(z)
    elif active < n:
        z[N.COMPACTIONS] += 1
        compact(z, active)
    else:
        balance_lengths(z, full, full_reds_total)
    begin_period(z, active)


@cold
def check_balance(z, g, f, c):
    """A balance call by scheduler c, whose reductions are used up."""
    if z[S.USED] == 1:
        z[erts(z, c) + E.BALANCE_REDS] = E.BALANCE_CALL_REDS
    elif z[S.HALFTIME]:
        half_time(z)
    else:
        full_call(z)
