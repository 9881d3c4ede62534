"""Slices and segments: what a process pays, runs and leaves behind on a core (DESIGN §4, §7)."""

from sim.kernels import costs, erts_queue, life, log, measure, memory, refill, tree
from sim.kernels.bits import has
from sim.kernels.jit import kernel, leaf
from sim.kernels.rows import core, klass, mask, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G

UNLIMITED_REDS = 2**62
MEAN_SLICE_MOST_NS = 2**40  # 18 minutes: a queue's worth of slices stays within int64
ROUND_UP_Q20 = (1 << 20) - 1  # added before >> 20


@leaf
def full_budget(z):
    """Reductions that a slice may run."""
    return z[K.QUANTUM_REDS] if z[K.QUANTUM_REDS] > 0 else UNLIMITED_REDS


@leaf
def work_ns(z, g, f, p, c, reds):
    """Time of some reductions of p on c with its memory where it is."""
    return (reds * costs.ns_per_reduction_q20(z, g, f, p, c) + ROUND_UP_Q20) >> 20


@leaf
def local_ns(z, p, c, reds):
    """Time of some reductions of p on c with its memory at hand."""
    return (reds * costs.scaled_q20(z, p, z[core(z, c) + C.BASE_Q20]) + ROUND_UP_Q20) >> 20


@leaf
def is_remote(z, p, c):
    """Does a heap of p stand on another node than core c?"""
    row, node = process(z, p), z[core(z, c) + C.NODE]
    return z[row + P.HOME] != node or (z[K.HAS_GC] != 0 and z[row + P.OLD_HOME] != node)


@kernel
def remote_ns(z, g, f, p, c, reds):
    """What of the time of some reductions is due to remote memory."""
    if not is_remote(z, p, c):
        return 0
    return work_ns(z, g, f, p, c, reds) - local_ns(z, p, c, reds)


@leaf
def memory_segment(z, g, f, p, c, reds):
    """Length of a segment of `reds` reductions in ns, refill and remote memory included.

    What of it is refill and remote memory is kept for the end of the segment.
    """
    row, at = process(z, p), core(z, c)
    refill_ns, lines = 0, 0
    touched = (reds * g[klass(g, z[row + P.CLASS]) + T.DENSITY_Q16]) >> 16
    z[N.LINES_TOUCHED] += touched
    if z[row + P.REFILL_LINES] > 0 and reds > 0:
        lines = min(z[row + P.REFILL_LINES], max(1, touched))
        z[row + P.REFILL_LINES] -= lines
        refill_ns = refill.time_ns(lines, z[row + P.REFILL_PRICE])
        z[N.LINES_REFILLED] += lines
    length = work_ns(z, g, f, p, c, reds)
    node, home = z[at + C.NODE], z[row + P.HOME]
    latency_ns = g[g[G.MEMORY_NS] + node * g[G.NUM_NODES] + home]
    z[at + C.PAID_LINES] = lines
    z[at + C.PAID_REFILL_NS] = refill_ns
    z[at + C.PAID_REMOTE_NS] = 0
    if is_remote(z, p, c):
        z[at + C.PAID_REMOTE_NS] = length - local_ns(z, p, c, reds)
    if home == node:
        z[N.LOCAL_REDS] += reds
        z[N.LOCAL_LATENCY_NS] += reds * latency_ns
    else:
        z[N.REMOTE_REDS] += reds
        z[N.REMOTE_LATENCY_NS] += reds * latency_ns
    return length + refill_ns


@leaf
def segment(z, g, f, p, c, reds):
    """Let p run `reds` reductions on c, after what the slice owes; sets the core's event."""
    t, at = z[S.NOW_NS], core(z, c)
    length = z[at + C.OWED_NS] + memory_segment(z, g, f, p, c, reds)
    z[at + C.PAID_OWED_NS] = z[at + C.OWED_NS]
    z[at + C.PAID_DIRECT_NS] = z[at + C.OWED_DEBT_NS]
    z[at + C.OWED_NS] = 0
    z[at + C.OWED_DEBT_NS] = 0
    z[at + C.SEGMENT_NS] = t
    z[at + C.SEGMENT_REDS] = reds
    tree.set_event(z, c, t + length)
    log.note(z, g, f, log.SEGMENT, c, p, reds, length)


@leaf
def note_preference(z, p, c, length):
    """Time of a process that prefers some core, and what of it is away from there."""
    row = process(z, p)
    kind, preferred = z[row + P.AFFINITY], z[row + P.PREFERRED_CORE]
    if kind != P.PREFERRED and kind != P.DYNAMIC:
        return
    z[N.PREFERRED_NS] += length
    if preferred >= 0:
        is_away = preferred != z[core(z, c) + C.HARDWARE]
    else:
        is_away = not has(z, mask(z, z[row + P.MASK]), c)
    if is_away:
        z[N.AWAY_NS] += length


@leaf
def book(z, g, f, p, c):
    """Book what the segment of p that ends now did and cost, as it stands in the core's row."""
    row, at = process(z, p), core(z, c)
    reds, length = z[at + C.SEGMENT_REDS], z[S.NOW_NS] - z[at + C.SEGMENT_NS]
    direct, refill_ns = z[at + C.PAID_DIRECT_NS], z[at + C.PAID_REFILL_NS]
    remote = z[at + C.PAID_REMOTE_NS]
    z[at + C.BUSY_NS] += length
    z[at + C.BUDGET] -= reds
    z[row + P.REMAINING] -= reds
    z[row + P.IDEAL_NS] += (reds * costs.scaled_q20(z, p, z[K.FASTEST_Q20]) + ROUND_UP_Q20) >> 20
    z[N.REDUCTIONS] += reds
    if direct | refill_ns | remote:
        z[N.DIRECT_NS] += direct
        z[N.REFILL_NS] += refill_ns
        z[N.REMOTE_NS] += remote
        z[S.PERIOD_OVERHEAD_NS] += direct + refill_ns + remote
    z[S.PERIOD_BUSY_NS] += length
    if z[row + P.AFFINITY] != P.NO_AFFINITY:
        note_preference(z, p, c, length)
    if z[row + P.OPEN_MIGRATION]:
        z[row + P.MOVED_REDS] += reds
    if z[K.HAS_AGE]:
        z[row + P.AGE_NS] += length
        z[row + P.AGE_REDS] += reds


@leaf
def end_segment(z, g, f, p, c):
    """Book a segment that ran to its end, and collect garbage."""
    book(z, g, f, p, c)
    reds = z[core(z, c) + C.SEGMENT_REDS]
    if z[K.HAS_GC] and reds > 0:
        memory.collect(z, g, f, p, c, reds)


@leaf
def start_slice(z, g, f, p, c):
    """Put p on core c: pay debts, set the budget."""
    row, at, t = process(z, p), core(z, c), z[S.NOW_NS]
    waited = t - z[row + P.READY_NS]
    log.note(z, g, f, log.DISPATCH, c, p, z[row + P.LAST_CORE], waited)
    z[row + P.WAIT_NS] += waited
    z[row + P.STATE] = P.RUNNING
    z[row + P.QUEUE_CORE] = c
    if z[row + P.LAST_CORE] >= 0 and z[row + P.LAST_CORE] != c:
        z[N.SCHEDULER_CHANGES] += 1
    if z[row + P.HOME] < 0:
        memory.allocate(z, g, p, z[at + C.NODE])
    is_other = z[at + C.LAST_SERIAL] != z[row + P.SERIAL]
    if z[K.IS_CACHE]:
        if z[K.MOVES]:
            refill.follow(z, g, f, p, z[at + C.HARDWARE])
        refill.touch(z, p, z[at + C.HARDWARE], is_other)
    if z[K.MOVES]:
        z[row + P.PLACE] = z[at + C.HARDWARE]
    if z[row + P.OPEN_MIGRATION] and z[row + P.FIRST_NS] < 0:
        z[row + P.FIRST_NS] = t
    z[at + C.OWED_DEBT_NS] = z[row + P.DEBT_NS]
    z[at + C.OWED_NS] = z[row + P.DEBT_NS] + z[at + C.DEBT_NS]
    z[at + C.DEBT_NS] = 0
    if is_other and z[K.DISPATCH_CYCLES] > 0:
        z[at + C.OWED_NS] += costs.cycles_to_ns(z, g, f, c, z[K.DISPATCH_CYCLES])
    z[row + P.DEBT_NS] = 0
    z[at + C.STATE] = C.RUNNING
    z[at + C.PROCESS] = p
    z[at + C.SLICE_NS] = t
    z[at + C.SEGMENT_NS] = t
    z[at + C.SEGMENT_REDS] = 0
    z[at + C.BUDGET] = full_budget(z)
    z[at + C.LAST_SERIAL] = z[row + P.SERIAL]
    z[N.DISPATCHES] += 1


@leaf
def end_slice(z, g, f, p, c):
    """Book the end of p's slice on c; p is queued again, waits, or is gone."""
    row, t = process(z, p), z[S.NOW_NS]
    length = min(t - z[core(z, c) + C.SLICE_NS], MEAN_SLICE_MOST_NS)
    mean = z[core(z, c) + C.MEAN_SLICE_NS]
    z[core(z, c) + C.MEAN_SLICE_NS] = length if mean == 0 else mean + ((length - mean) >> 3)
    z[core(z, c) + C.PROCESS] = C.NONE
    z[row + P.LAST_CORE] = c
    if z[K.ERTS]:
        erts_queue.account(z, c, p, full_budget(z) - z[core(z, c) + C.BUDGET])
    if z[row + P.STATE] == P.READY:
        return
    measure.leave(z, g, f, c)
    measure.end_activation(z, g, f, p)
    if z[row + P.STATE] == P.FREE:
        life.end(z, g, f, p)
