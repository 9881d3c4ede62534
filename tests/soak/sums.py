"""Invariants of what is counted: memory, work, migrations, time and energy."""

import numpy as np

from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import status as bits
from sim.layout import step as T
from tests.soak.registry import first_bad, invariant, unlike
from tests.soak.view import View

TOKEN = 1_000_000_000
ERTS_END = E.MEASURE + 1  # columns of a run queue


@invariant("created and completed", "Processes created less those completed are those that live more.")
def check_created(view: View) -> str:
    found = int(view.z[N.CREATED] - view.z[N.COMPLETED])
    return unlike("created - completed", found, int(view.z[S.LIVE]) - view.start.live)


@invariant("node memory", "NODE_USED is the sum over live processes of young and old bytes on the node.")
def check_memory(view: View) -> str:
    nodes = int(view.z[S.NUM_NODES])
    used, capacity = view.array(S.NODE_USED, nodes), view.array(S.NODE_CAPACITY, nodes)
    expected = np.zeros(nodes, np.int64)
    if view.z[K.HAS_MEMORY]:
        rows = view.process[view.live]
        rows = rows[rows[:, P.HOME] >= 0]
        total = rows[:, P.WORKING_SET]
        young = np.minimum(total, 8 * view.facts.classes[rows[:, P.CLASS], T.HEAP_WORDS])
        np.add.at(expected, rows[:, P.HOME], young)
        np.add.at(expected, rows[:, P.OLD_HOME], total - young)
        if (used > capacity).any() and not view.z[S.STATUS] & bits.MEMORY_LIMIT:
            return f"used {used.tolist()} of {capacity.tolist()}, and no overflow was noted"
    return first_bad(used != expected, "node", used=used, expected=expected)


@invariant("homes", "A process has a home from its first dispatch on, and not before.")
def check_homes(view: View) -> str:
    rows = view.process[view.live]
    has_run = (rows[:, P.STATE] == P.RUNNING) | (rows[:, P.LAST_CORE] >= 0)
    if view.facts.is_replay:  # its copies begin with a last core
        has_run = (rows[:, P.STATE] == P.RUNNING) | (rows[:, P.HOME] >= 0)
    bad = has_run != (rows[:, P.HOME] >= 0)
    return first_bad(bad, "live process", slot=view.live, state=rows[:, P.STATE])


@invariant("reductions", "Reductions counted are those given to processes less those left, work being known.")
def check_reductions(view: View) -> str:
    if not view.facts.is_counted:
        return ""
    return unlike("reductions", int(view.z[N.REDUCTIONS]), view.given - view.start.given)


@invariant("dispatches", "Each dispatch ends by a preemption or an activation's end, unless it still runs.")
def check_dispatches(view: View) -> str:
    ended = int(view.z[N.PREEMPTIONS] + view.z[N.ACTIVATIONS])
    begun = int(view.z[N.DISPATCHES]) + view.start.running
    return unlike("dispatches", begun, ended + view.running.size)


@invariant("migrations", "Migrations by mechanism, by distance, and attempts less denials agree.")
def check_migrations(view: View) -> str:
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


@invariant("settlement", "Each migration is settled once, or still open.")
def check_settlement(view: View) -> str:
    opened = int((view.process[view.live, P.OPEN_MIGRATION] == 1).sum())
    begun = int(view.z[N.MIGRATIONS]) + view.start.opened
    paid = 0 <= view.z[N.PAID_OFF] <= view.z[N.SETTLED]
    return unlike("settled", int(view.z[N.SETTLED]), begun - opened) or unlike("paid off <=", paid, True)


@invariant("messages", "Messages are lost or delivered over one of the distances.")
def check_messages(view: View) -> str:
    z = view.z
    by = int(z[N.MESSAGES_BY_DISTANCE : N.MESSAGES_BY_DISTANCE + 4].sum())
    if view.facts.is_replay:
        return "" if by <= z[N.MESSAGES] else f"{by} of {z[N.MESSAGES]} messages delivered"
    return unlike("messages", int(z[N.MESSAGES]), by + int(z[N.LOST_MESSAGES]))


@invariant("histograms", "The histograms of sojourn and waiting time count every activation.")
def check_histograms(view: View) -> str:
    rows = view.array(S.HISTOGRAMS, 3 * N.HISTOGRAM_WIDTH).reshape(3, -1)
    counts, total = rows.sum(axis=1), int(view.z[N.ACTIVATIONS])
    return (
        unlike("sojourn", int(counts[N.SOJOURN]), total)
        or unlike("waiting", int(counts[N.WAITING]), total)
        or unlike("slowdown within", bool(counts[N.SLOWDOWN] <= total), True)
        or unlike("negative buckets", int((rows < 0).sum()), 0)
    )


@invariant("limits noted", "What was refused or overflowed shows in the status.")
def check_status(view: View) -> str:
    z, status = view.z, int(view.z[S.STATUS])
    for counter, bit in (
        (N.REFUSED, bits.PROCESS_LIMIT), (N.QUEUE_OVERFLOWS, bits.QUEUE_LIMIT),
        (N.MAILBOX_OVERFLOWS, bits.MAILBOX_LIMIT), (N.MEMORY_OVERFLOWS, bits.MEMORY_LIMIT),
    ):  # fmt: skip
        if z[counter] > 0 and not status & bit:
            return f"{N.NAMES[counter - N.BASE]} {z[counter]} in status {status}"
    return unlike("STUCK or BROKEN", status & (bits.STUCK | bits.BROKEN), 0)


@invariant("counters", "No counter is negative but the benefits, and parts are not more than the whole.")
def check_counters(view: View) -> str:
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


@invariant("control", "Threshold, balancing period and tokens stay within their bounds.")
def check_control(view: View) -> str:
    z = view.z
    for value, low, high in (
        (S.FACTOR_Q16, K.FACTOR_LOW_Q16, K.FACTOR_HIGH_Q16),
        (S.BALANCE_PERIOD_NS, K.PERIOD_LOW_NS, K.PERIOD_HIGH_NS),
    ):
        if z[K.ADAPTIVE] and z[value] and not max(1, z[low]) <= z[value] <= max(1, z[high]):
            return f"{z[value]} outside {z[low]} .. {z[high]}"
    full = max(0, int(z[K.TOKENS])) * TOKEN
    return "" if 0 <= z[S.TOKENS] <= full else f"{z[S.TOKENS]} units of {full}"


@invariant(
    "load integral", "The integral of a core's load over the window lies between none and all processes."
)
def check_load(view: View) -> str:
    load = view.core[:, C.QUEUE_LENGTH] + (view.core_state == C.RUNNING)
    integral = view.core[:, C.AREA] + load * view.now
    began = int(view.z[S.NEXT_WINDOW_NS] - view.z[K.WINDOW_NS]) if view.z[S.WINDOWS] else 0
    most = view.used * (view.now - began)
    return first_bad((integral < 0) | (integral > most), "core", integral=integral, most=most)


@invariant(
    "cache history", "A process remembers four different cores at most, with what was touched by then."
)
def check_history(view: View) -> str:
    if not view.z[K.IS_CACHE]:
        return ""
    rows, tables = view.process[view.live], view.facts.tables
    own = view.array(S.FOOTPRINTS, tables.num_smt)
    shared = view.array(S.SHARED_FOOTPRINTS, tables.num_clusters)
    count = rows[:, P.VISITED_COUNT]
    bad = (count < 0) | (count > P.VISITS)
    seen = np.full((rows.shape[0], P.VISITS), -1)
    for i in range(P.VISITS):
        used = count > i
        smt, cluster = np.where(used, rows[:, P.VISITED + i], 0), rows[:, P.VISITED_CLUSTER + i]
        bad |= used & (rows[:, P.VISITED_FOOTPRINT + i] > own[smt])
        bad |= used & (rows[:, P.VISITED_SHARED + i] > shared[np.where(used, cluster, 0)])
        bad |= used & (seen == smt[:, None]).any(axis=1)
        seen[:, i] = np.where(used, smt, -1)
    return first_bad(bad, "live process", slot=view.live, visits=count)


@invariant("clock", "Time does not run back, and events are counted.")
def check_clock(view: View) -> str:
    before = view.before
    backwards = view.now < before.now_ns or view.z[N.EVENTS] < before.events
    return f"{before.now_ns} -> {view.now}, {before.events} -> {view.z[N.EVENTS]}" if backwards else ""


@invariant("busy time", "A scheduler is busy for part of the time that passes, never more.")
def check_busy(view: View) -> str:
    busy, before = view.busy, view.before
    grown, passed = busy - before.busy, view.now - before.now_ns
    most = view.now - view.start.now_ns
    return first_bad((grown < 0) | (grown > passed) | (busy > most), "core", grown=grown, passed=passed)


@invariant("core time", "Busy and idle time of all schedulers are no more than the time that passed.")
def check_core_time(view: View) -> str:
    z, passed = view.z, view.num_cores * (view.now - view.before.now_ns)
    idle = int(z[N.IDLE_NS]) - view.before.idle_ns
    spent = int((view.busy - view.before.busy).sum()) + idle
    latency_ns = z[K.WAKE_NS] + (z[K.SPIN_WAKE_NS] if view.is_erts else 0)
    is_exact = latency_ns == 0 and z[K.MOVES] == 0
    if idle < 0 or spent > passed or (is_exact and spent != passed):
        return f"busy and idle {spent} (idle {idle}) of {passed}"
    return ""


@invariant("hardware busy", "A hardware core is busy while a scheduler is, and never more than time passes.")
def check_hardware_busy(view: View) -> str:
    booked, busy = int(view.core[:, C.BOOKED_NS].sum()), view.hardware_busy
    grown, passed = busy - view.before.hardware_busy, view.now - view.before.now_ns
    return unlike("booked busy time", int(view.hardware[:, H.BUSY_NS].sum()), booked) or first_bad(
        (grown < 0) | (grown > passed), "hardware core", grown=grown, passed=passed
    )


@invariant(
    "energy", "A core takes active power while busy, idle power while not, and off power while closed."
)
def check_energy(view: View) -> str:
    before, passed = view.before, view.now - view.before.now_ns
    grown, busy = view.energy - before.energy, view.hardware_busy - before.hardware_busy
    idle, off = view.idle_mw(), int(view.z[K.OFF_MW])
    on = busy * before.active_mw + (passed - busy) * idle
    expected = np.where(before.state == H.OFF, passed * off, on)
    closed = (before.state == H.DRAINING) & (view.hardware[:, H.STATE] == H.OFF)
    low = busy * before.active_mw + (passed - busy) * np.minimum(idle, off)
    high = busy * before.active_mw + (passed - busy) * np.maximum(idle, off)
    bad = np.where(closed, (grown < low) | (grown > high), grown != expected)
    bad |= (before.state == H.OFF) & (busy != 0)
    return first_bad(bad, "hardware core", grown=grown, expected=expected, state=before.state)


@invariant("overhead", "What migrations and remote memory cost is part of the busy time.")
def check_overhead(view: View) -> str:
    z = view.z
    cost = int(z[N.DIRECT_NS] + z[N.REFILL_NS] + z[N.REMOTE_NS])
    booked = int(view.core[:, C.BUSY_NS].sum()) + view.start.carried_ns
    return "" if 0 <= cost <= booked else f"{cost} of {booked}"


@invariant("stray writes", "Parameters, tables, and what belongs to no part of the arena do not change.")
def check_stray(view: View) -> str:
    z, facts = view.z, view.facts
    now = z[K.BASE : K.BASE + K.COUNT].copy()
    now[K.MAX_EVENTS - K.BASE] = facts.parameters[K.MAX_EVENTS - K.BASE]  # how a lane is stepped
    gaps = [*facts.gaps, (K.BASE + K.COUNT, K.BASE + K.WIDTH), (N.BASE + len(N.NAMES), N.BASE + N.WIDTH)]
    for first, end in gaps:
        if z[first:end].any():
            return f"something between {first} and {end}"
    behind = (
        view.core[:, C.LIMIT_POSITION + 1 :],
        view.hardware[:, H.ACTIVE_MW + 1 :],
        view.erts[:, ERTS_END:],
    )
    if any(rest.any() for rest in behind):
        return "something behind the columns of a core"
    if (now != facts.parameters).any() or any(int(z[name]) != base for name, base in facts.bases.items()):
        return "a parameter or the base of a part has changed"
    rest = view.array(S.PROCESSES, (view.used + 1) * P.WIDTH)[view.used * P.WIDTH :]
    return "something in a slot that was never used" if view.used < facts.arena.slots and rest.any() else ""


@invariant("tables", "Nobody writes to the tables that lanes share.")
def check_tables(view: View) -> str:
    tables, facts = view.facts.tables, view.facts
    same = np.array_equal(tables.whole, facts.whole) and np.array_equal(tables.real, facts.real)
    return "" if same else "they have changed"
