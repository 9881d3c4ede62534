"""Dispatch, slices and segments: what a core does between two events (DESIGN §4)."""

from sim.kernels import bits, costs, life, log, measure, programs, queues, steal, tree
from sim.kernels.jit import kernel, leaf
from sim.kernels.rows import core, klass, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G
from sim.layout.sentinel import TIME_NEVER_NS

UNLIMITED_REDS = 2**62
MEAN_SLICE_MOST_NS = 2**40  # 18 minutes: a queue's worth of slices stays within int64
ROUND_UP_Q20 = (1 << 20) - 1  # added before >> 20


@leaf
def memory_segment(z, g, f, p, c, reds):
    """Length of a segment of `reds` reductions in ns, refill and remote memory included.

    What of it is refill and remote memory is kept for the end of the segment.
    """
    row = process(z, p)
    refill_ns = 0
    kind = z[row + P.CLASS]
    touched = (reds * g[klass(g, kind) + T.DENSITY_Q16]) >> 16
    z[N.LINES_TOUCHED] += touched
    if z[row + P.REFILL_LINES] > 0 and reds > 0:
        lines = min(z[row + P.REFILL_LINES], max(1, touched))
        z[row + P.REFILL_LINES] -= lines
        refill_ns = costs.refill_ns_of(lines, z[row + P.REFILL_PRICE])
        z[N.LINES_REFILLED] += lines
    base_ns = (reds * z[core(z, c) + C.BASE_Q20] + ROUND_UP_Q20) >> 20
    work_ns = (reds * costs.ns_per_reduction_q20(z, g, f, p, c) + ROUND_UP_Q20) >> 20
    node, home = z[core(z, c) + C.NODE], z[row + P.HOME]
    latency_ns = g[g[G.MEMORY_NS] + node * g[G.NUM_NODES] + home]
    z[core(z, c) + C.PAID_REFILL_NS] = refill_ns
    if home == node:
        z[core(z, c) + C.PAID_REMOTE_NS] = 0
        z[N.LOCAL_REDS] += reds
        z[N.LOCAL_LATENCY_NS] += reds * latency_ns
    else:
        z[core(z, c) + C.PAID_REMOTE_NS] = work_ns - base_ns
        z[N.REMOTE_REDS] += reds
        z[N.REMOTE_LATENCY_NS] += reds * latency_ns
    return work_ns + refill_ns


@leaf
def segment(z, g, f, p, c, reds):
    """Let p run `reds` reductions on c, after what the slice owes; sets the core's event."""
    t = z[S.NOW_NS]
    length = z[core(z, c) + C.OWED_NS] + memory_segment(z, g, f, p, c, reds)
    z[core(z, c) + C.PAID_DIRECT_NS] = z[core(z, c) + C.OWED_DEBT_NS]
    z[core(z, c) + C.OWED_NS] = 0
    z[core(z, c) + C.OWED_DEBT_NS] = 0
    z[core(z, c) + C.SEGMENT_NS] = t
    z[core(z, c) + C.SEGMENT_REDS] = reds
    tree.set_event(z, c, t + length)
    log.note(z, g, f, log.SEGMENT, c, p, reds, length)


@leaf
def end_segment(z, g, f, p, c):
    """Book a segment that ran to its end."""
    row = process(z, p)
    reds = z[core(z, c) + C.SEGMENT_REDS]
    length = z[S.NOW_NS] - z[core(z, c) + C.SEGMENT_NS]
    z[core(z, c) + C.BUSY_NS] += length
    z[core(z, c) + C.BUDGET] -= reds
    z[row + P.REMAINING] -= reds
    z[row + P.IDEAL_NS] += (reds * z[K.FASTEST_Q20] + ROUND_UP_Q20) >> 20
    z[N.REDUCTIONS] += reds
    direct, refill = z[core(z, c) + C.PAID_DIRECT_NS], z[core(z, c) + C.PAID_REFILL_NS]
    remote = z[core(z, c) + C.PAID_REMOTE_NS]
    z[N.DIRECT_NS] += direct
    z[N.REFILL_NS] += refill
    z[N.REMOTE_NS] += remote
    z[S.PERIOD_OVERHEAD_NS] += direct + refill + remote
    z[S.PERIOD_BUSY_NS] += length


@kernel
def touch(z, g, f, p, c, is_other):
    """Footprint of the physical core grows by what a newly dispatched process touches; p remembers it."""
    first = z[core(z, c) + C.SMT_FIRST]
    if is_other:
        z[core(z, first) + C.FOOTPRINT] += min(
            z[process(z, p) + P.WORKING_SET], z[core(z, c) + C.PRIVATE_BYTES]
        )
    z[process(z, p) + P.FOOTPRINT] = z[core(z, first) + C.FOOTPRINT]


@leaf
def start_slice(z, g, f, p, c):
    """Put p on core c: pay debts, set the budget."""
    row, t = process(z, p), z[S.NOW_NS]
    waited = t - z[row + P.READY_NS]
    log.note(z, g, f, log.DISPATCH, c, p, z[row + P.LAST_CORE], waited)
    z[row + P.WAIT_NS] += waited
    z[row + P.STATE] = P.RUNNING
    z[row + P.QUEUE_CORE] = c
    if z[row + P.HOME] < 0:
        z[row + P.HOME] = z[core(z, c) + C.NODE]
    is_other = z[core(z, c) + C.LAST_SERIAL] != z[row + P.SERIAL]
    if z[K.IS_CACHE]:
        touch(z, g, f, p, c, is_other)
    z[core(z, c) + C.OWED_DEBT_NS] = z[row + P.DEBT_NS]
    z[core(z, c) + C.OWED_NS] = z[row + P.DEBT_NS]
    if is_other and z[K.DISPATCH_CYCLES] > 0:
        z[core(z, c) + C.OWED_NS] += costs.cycles_to_ns(z, g, f, c, z[K.DISPATCH_CYCLES])
    z[row + P.DEBT_NS] = 0
    z[core(z, c) + C.STATE] = C.RUNNING
    z[core(z, c) + C.PROCESS] = p
    z[core(z, c) + C.SLICE_NS] = t
    z[core(z, c) + C.SEGMENT_NS] = t
    z[core(z, c) + C.SEGMENT_REDS] = 0
    z[core(z, c) + C.BUDGET] = z[K.QUANTUM_REDS] if z[K.QUANTUM_REDS] > 0 else UNLIMITED_REDS
    z[core(z, c) + C.LAST_SERIAL] = z[row + P.SERIAL]
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
    if z[row + P.STATE] == P.READY:
        return
    measure.leave(z, g, f, c)
    measure.end_activation(z, g, f, p)
    if z[row + P.STATE] == P.FREE:
        life.end(z, g, f, p)


@kernel
def proceed(z, g, f, p, c):
    """Go on with p on core c; True while it runs (the core has an event), False when its slice has ended."""
    row = process(z, p)
    if z[row + P.REMAINING] == 0:
        if z[K.IS_REPLAY]:
            outcome = programs.interpret_trace(z, g, f, p, c)
        else:
            outcome = programs.interpret(z, g, f, p, c)
        if outcome == programs.LEFT:
            return False
        if outcome == programs.OWES:
            segment(z, g, f, p, c, 0)
            return True
    budget = z[core(z, c) + C.BUDGET]
    if budget > 0 or z[core(z, c) + C.OWED_NS] > 0:
        segment(z, g, f, p, c, min(z[row + P.REMAINING], budget))
        return True
    z[row + P.READY_NS] = z[S.NOW_NS]
    z[core(z, c) + C.STATE] = C.PENDING
    queues.append(z, g, f, c, p)
    z[N.PREEMPTIONS] += 1
    log.note(z, g, f, log.PREEMPT, c, p, z[row + P.REMAINING], 0)
    return False


@kernel
def rest(z, g, f, c):
    """Core c found nothing to do."""
    z[core(z, c) + C.STATE] = C.IDLE
    bits.add(z, z[S.IDLE_SET], c)
    z[S.NUM_IDLE] += 1
    log.note(z, g, f, log.IDLE, c, -1, 0, 0)
    if z[K.POLL_NS] > 0:
        tree.set_event(z, c, z[S.NOW_NS] + z[K.POLL_NS])
    elif z[z[S.EVENTS] + c] != TIME_NEVER_NS:
        tree.set_event(z, c, TIME_NEVER_NS)


@kernel
def run_core(z, g, f, c):
    """Dispatch core c until a process runs on it or it is idle."""
    while z[S.STOP] == 0:
        if z[core(z, c) + C.QUEUE_LENGTH] > 0:
            p = queues.take(z, g, f, c)
        elif z[K.VICTIM] > 0:
            p = steal.steal(z, g, f, c)
        else:
            p = P.NONE
        if p < 0:
            rest(z, g, f, c)
            return
        start_slice(z, g, f, p, c)
        if proceed(z, g, f, p, c):
            return
        z[core(z, c) + C.STATE] = C.PENDING
        end_slice(z, g, f, p, c)


@kernel
def core_event(z, g, f, c):
    """A segment ended, a woken core starts, or an idle core polls."""
    if z[core(z, c) + C.STATE] == C.RUNNING:
        p = z[core(z, c) + C.PROCESS]
        end_segment(z, g, f, p, c)
        if proceed(z, g, f, p, c):
            return
        z[core(z, c) + C.STATE] = C.PENDING
        end_slice(z, g, f, p, c)
    elif z[core(z, c) + C.STATE] == C.IDLE:
        z[S.NUM_IDLE] -= 1
        bits.drop(z, z[S.IDLE_SET], c)
        z[core(z, c) + C.STATE] = C.PENDING
    run_core(z, g, f, c)
