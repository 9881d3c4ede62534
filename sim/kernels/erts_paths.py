"""Migration paths in use: emigration at every enqueue, immigration in every pass of the loop (DESIGN §20)."""

from sim.kernels import bits, decide, erts_queue, measure, queues
from sim.kernels.jit import cold
from sim.kernels.rows import core, erts, path, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import process as P


@cold
def emigration(z, c, priority):
    """Run queue that takes what is queued on c now, or NOBODY (OTP: erts_check_emigration_need)."""
    at = path(z, c, priority)
    if z[at + E.KIND] != E.EMIGRATE:
        return E.NOBODY
    n, made = z[at + E.PARTNER], z[at + E.MADE]
    if z[at + E.EVACUATE] or (made == E.MADE_COMPACT and z[erts(z, c) + E.INACTIVE]):
        return n
    if made == E.MADE_UTIL:
        is_free = z[erts(z, n) + E.NONEMPTY] == 0 and erts_queue.util_short(z, n) < z[at + E.LIMIT_OTHER]
        return n if is_free and erts_queue.util_short(z, c) > z[at + E.LIMIT_HERE] else E.NOBODY
    here, there = z[erts(z, c) + E.LEN + priority], z[erts(z, n) + E.LEN + priority]
    return n if here > z[at + E.LIMIT_HERE] and there < z[at + E.LIMIT_OTHER] else E.NOBODY


@cold
def place_new(z, p, c):
    """Run queue of a process that is created on c: along an emigration path if there is one."""
    if z[process(z, p) + P.AFFINITY] == P.STRICT:
        return c
    n = emigration(z, c, erts_queue.priority(z, p))
    return n if n >= 0 and bits.has(z, z[S.ONLINE_SET], n) else c


@cold
def wants(z, c, priority):
    """Does c pull processes of a priority from its partner now (OTP: check_immigration_need)?"""
    at = path(z, c, priority)
    if z[at + E.KIND] != E.IMMIGRATE or z[at + E.MADE] == E.MADE_UTIL:
        return False
    f = z[at + E.PARTNER]
    if z[at + E.EVACUATE] or z[erts(z, f) + E.INACTIVE]:
        return True
    here, there = z[erts(z, c) + E.LEN + priority], z[erts(z, f) + E.LEN + priority]
    return here < z[at + E.LIMIT_HERE] and there > z[at + E.LIMIT_OTHER]


@cold
def pull(z, g, f, c, source, priority):
    """Move the first process of a priority that may leave the source to the tail of c's queue."""
    level = min(priority, 2)
    position = 0
    for above in range(level):
        position += z[erts(z, source) + E.LEN + above]
    p = z[core(z, source) + C.FIRST + level]
    while p >= 0:
        if erts_queue.priority(z, p) == priority and decide.attempt(
            z, g, f, p, source, c, position + 1, N.BALANCE
        ):
            queues.remove(z, g, f, source, p)
            measure.leave(z, g, f, source)
            measure.enter(z, g, f, c)
            queues.append(z, g, f, c, p)
            return
        position += 1
        p = z[process(z, p) + P.NEXT]


@cold
def immigrate(z, g, f, c):
    """At most one process of each priority comes along an immigration path (OTP: immigrate)."""
    for priority in range(E.PRIORITIES):
        if z[path(z, c, priority) + E.KIND] == E.IMMIGRATE and wants(z, c, priority):
            pull(z, g, f, c, z[path(z, c, priority) + E.PARTNER], priority)
