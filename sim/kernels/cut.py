"""A failing core ends its running segment where it is (DESIGN §15)."""

from sim.kernels import costs, log, queues, segments, tree
from sim.kernels.jit import cold
from sim.kernels.rows import core, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import process as P
from sim.layout.sentinel import TIME_NEVER_NS

WORK_MOST_NS = 2**42


@cold
def unpaid_lines(lines, refill_ns, paid_ns, left_ns):
    """Lines of a cut segment that were not fetched."""
    if left_ns <= 0:
        return lines
    return lines - lines * paid_ns // refill_ns if refill_ns > 0 else 0


@cold
def cut(z, g, f, c):
    """Interrupt the process that runs on c: what it did counts, the rest it does elsewhere.

    Of the time since the segment began, what was owed is paid first, migration debt last; then the refill;
    the rest is work. The process goes to the tail of c's queue; c is PENDING.
    """
    at, p = core(z, c), z[core(z, c) + C.PROCESS]
    row = process(z, p)
    elapsed = z[S.NOW_NS] - z[at + C.SEGMENT_NS]
    owed, debt, refill_ns = z[at + C.PAID_OWED_NS], z[at + C.PAID_DIRECT_NS], z[at + C.PAID_REFILL_NS]
    left = elapsed - owed
    paid_debt = max(0, min(elapsed, owed) - (owed - debt))
    paid_refill = max(0, min(refill_ns, left))
    z[row + P.DEBT_NS] += debt - paid_debt
    z[row + P.REFILL_LINES] += unpaid_lines(z[at + C.PAID_LINES], refill_ns, paid_refill, left)
    work_ns = max(0, min(WORK_MOST_NS, left - refill_ns))
    reds = min(z[at + C.SEGMENT_REDS], (work_ns << 20) // costs.ns_per_reduction_q20(z, g, f, p, c))
    z[at + C.SEGMENT_REDS] = reds
    z[at + C.PAID_DIRECT_NS], z[at + C.PAID_REFILL_NS] = paid_debt, paid_refill
    z[at + C.PAID_REMOTE_NS] = segments.remote_ns(z, g, f, p, c, reds)
    segments.book(z, g, f, p, c)
    tree.set_event(z, c, TIME_NEVER_NS)
    z[at + C.STATE] = C.PENDING
    z[row + P.READY_NS] = z[S.NOW_NS]
    z[N.PREEMPTIONS] += 1
    log.note(z, g, f, log.PREEMPT, c, p, z[row + P.REMAINING], 0)
    queues.append(z, g, f, c, p)
    segments.end_slice(z, g, f, p, c)
