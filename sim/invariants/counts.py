"""What is counted: work, dispatches, migrations and what was refused."""

from sim.invariants.registry import invariant, unlike
from sim.invariants.view import View
from sim.kernels import log as codes
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import status as bits
from sim.layout import step as T

TOKEN = 1_000_000_000


@invariant("reductions")
def check_reductions(view: View) -> str:
    """Reductions counted are those given to processes less those left, work being known."""
    if not view.facts.is_counted:
        return ""
    return unlike("reductions", int(view.z[N.REDUCTIONS]), view.given - view.start.given)


@invariant("dispatches")
def check_dispatches(view: View) -> str:
    """Each dispatch ends by a preemption or an activation's end, unless it still runs."""
    ended = int(view.z[N.PREEMPTIONS] + view.z[N.ACTIVATIONS])
    begun = int(view.z[N.DISPATCHES]) + view.start.running
    return unlike("dispatches", begun, ended + view.running.size)


@invariant("migrations")
def check_migrations(view: View) -> str:
    """Migrations by mechanism, by distance, and attempts less denials agree."""
    z = view.z
    total, by = int(z[N.MIGRATIONS]), z[N.BY_MECHANISM : N.BY_MECHANISM + 6]
    denied = int(z[N.DENIED : N.DENIED + len(N.REASONS)].sum())
    return (
        unlike("by mechanism", int(by.sum()), total)
        or unlike("by distance", int(z[N.BY_DISTANCE : N.BY_DISTANCE + 4].sum()), total)
        or unlike("attempts", int(z[N.ATTEMPTS]), denied + int(by[: N.AFFINITY].sum()))
        or unlike(
            "estimated cycles",
            int(z[N.ESTIMATED_CYCLES]),
            int(z[N.ESTIMATED_BY_DISTANCE : N.ESTIMATED_BY_DISTANCE + 4].sum()),
        )
        or unlike(
            "realised cycles",
            int(z[N.REALISED_CYCLES]),
            int(z[N.REALISED_BY_DISTANCE : N.REALISED_BY_DISTANCE + 4].sum()),
        )
    )


@invariant("settlement")
def check_settlement(view: View) -> str:
    """Each migration is settled once, or still open."""
    opened = int((view.process[view.live, P.OPEN_MIGRATION] == 1).sum())
    begun = int(view.z[N.MIGRATIONS]) + view.start.opened
    paid = 0 <= view.z[N.PAID_OFF] <= view.z[N.SETTLED]
    return unlike("settled", int(view.z[N.SETTLED]), begun - opened) or unlike("paid off <=", paid, True)


@invariant("histograms")
def check_histograms(view: View) -> str:
    """The histograms of sojourn and waiting time count every activation."""
    rows = view.array(S.HISTOGRAMS, 3 * N.HISTOGRAM_WIDTH).reshape(3, -1)
    counts, total = rows.sum(axis=1), int(view.z[N.ACTIVATIONS])
    return (
        unlike("sojourn", int(counts[N.SOJOURN]), total)
        or unlike("waiting", int(counts[N.WAITING]), total)
        or unlike("slowdown within", bool(counts[N.SLOWDOWN] <= total), True)
        or unlike("negative buckets", int((rows < 0).sum()), 0)
    )


@invariant("limits noted")
def check_status(view: View) -> str:
    """What was refused or overflowed shows in the status."""
    z, status = view.z, int(view.z[S.STATUS])
    for counter, bit in (
        (N.REFUSED, bits.PROCESS_LIMIT), (N.QUEUE_OVERFLOWS, bits.QUEUE_LIMIT),
        (N.MAILBOX_OVERFLOWS, bits.MAILBOX_LIMIT), (N.MEMORY_OVERFLOWS, bits.MEMORY_LIMIT),
    ):  # fmt: skip
        if z[counter] > 0 and not status & bit:
            return f"{N.NAMES[counter - N.BASE]} {z[counter]} in status {status}"
    return unlike("STUCK or BROKEN", status & (bits.STUCK | bits.BROKEN), 0)


@invariant("counters")
def check_counters(view: View) -> str:
    """No counter is negative but the benefits, and parts are not more than the whole."""
    z = view.z
    for i, name in enumerate(N.NAMES):
        if z[N.BASE + i] < 0 and "benefit" not in name:
            return f"{name} {z[N.BASE + i]}"
    for part, whole in (
        (N.MAJORS, N.COLLECTIONS), (N.YOUNG_MOVES, N.COLLECTIONS), (N.OLD_MOVES, N.MAJORS),
        (N.LOST_MESSAGES, N.MESSAGES), (N.AWAY_NS, N.PREFERRED_NS), (N.WASTED_NS, N.IDLE_NS),
        (N.RETURNS, N.MIGRATIONS), (N.FAIRNESS_SQUARES, N.FAIRNESS_SUM),
        (N.SCHEDULER_CHANGES, N.DISPATCHES), (N.COMPACTIONS, N.BALANCE_CALLS),
    ):  # fmt: skip
        scale = 2**8 if part == N.FAIRNESS_SQUARES else 1
        if z[part] > z[whole] * scale:
            return f"{N.NAMES[part - N.BASE]} {z[part]} of {z[whole]}"
    return ""


@invariant("control")
def check_control(view: View) -> str:
    """Threshold, balancing period and tokens stay within their bounds."""
    z = view.z
    for value, low, high in (
        (S.FACTOR_Q16, K.FACTOR_LOW_Q16, K.FACTOR_HIGH_Q16),
        (S.BALANCE_PERIOD_NS, K.PERIOD_LOW_NS, K.PERIOD_HIGH_NS),
    ):
        if z[K.ADAPTIVE] and z[value] and not max(1, z[low]) <= z[value] <= max(1, z[high]):
            return f"{z[value]} outside {z[low]} .. {z[high]}"
    full = max(0, int(z[K.TOKENS])) * TOKEN
    return "" if 0 <= z[S.TOKENS] <= full else f"{z[S.TOKENS]} units of {full}"


@invariant("segments")
def check_segments(view: View) -> str:
    """Reductions counted are those of the segments that have ended; only a core that fails cuts one short."""
    if view.entries is None:
        return ""
    begun = int(view.noted(codes.SEGMENT)[:, 4].sum()) + view.before.segment_reds
    ended = begun - int(view.core[view.running, C.SEGMENT_REDS].sum())
    counted = int(view.z[N.REDUCTIONS]) - view.before.reductions
    if (view.noted(codes.TIMELINE)[:, 5] == T.CORE_OFFLINE).any():
        return "" if 0 <= counted <= ended else f"{counted} counted of {ended}"
    return unlike("reductions", counted, ended)
