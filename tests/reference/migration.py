"""The decision on one migration, and the migration itself (DESIGN §6, §8)."""

from tests.reference.codes import Denial, LogCode, Mechanism
from tests.reference.cost import charge, estimate
from tests.reference.lane import INFINITE
from tests.reference.numbers import nearest

DISTANCE_COUNTERS = (
    "migrations_same_core",
    "migrations_same_cluster",
    "migrations_same_node",
    "migrations_other_node",
)


def try_migration(lane, process, source: int, target: int, mechanism: Mechanism, k: int) -> bool:
    """Check a candidate; if it passes, charge it. The caller moves it between queues.

    k is the number of processes that would run before it at the source.
    """
    lane.count("migration_attempt_count")
    reason = denial(lane, process, source, target, k)
    if reason is not None:
        lane.count("denied_" + reason.name.lower())
        lane.note(LogCode.DENY, target, process, source, reason)
        return False
    migrate(lane, process, source, target, mechanism)
    return True


def denial(lane, process, source: int, target: int, k: int) -> Denial | None:
    """Give the first reason against a migration."""
    now, capacity = lane.now, lane.simulation.queue_capacity
    if not process.may_run_on(target):
        return Denial.MASK
    if capacity is not None and lane.cores[target].queue_length() >= capacity:
        return Denial.CAPACITY
    if not lane.process_limits.allows(process, now):
        return Denial.PROCESS_LIMIT
    ends = (lane.cores[source], lane.cores[target])
    if not all(lane.core_window.allows(core.migration_times, now) for core in ends):
        return Denial.CORE_LIMIT
    if not lane.system_window.allows(lane.system_times, now):
        return Denial.SYSTEM_LIMIT
    if lane.storm.is_cooling(now):
        return Denial.STORM
    if not lane.bucket.has_token(now):
        return Denial.BURST
    if not is_worth_it(lane, process, source, target, k):
        return Denial.BENEFIT
    return None


def is_worth_it(lane, process, source: int, target: int, k: int) -> bool:
    """Tell whether benefit > cost x factor."""
    decision = lane.policy.decision
    if decision.rule == "always":
        return True
    if lane.factor_q16 == INFINITE:
        return False
    by_class = (
        decision.same_core_factor,
        decision.same_cluster_factor,
        decision.same_node_factor,
        decision.other_node_factor,
    )
    class_q16 = nearest(by_class[lane.machine.distance(source, target)] * 65536)
    cost = estimate(lane, process, source, target).cycles(lane.machine.mhz[target])
    factor_q16 = (lane.factor_q16 * class_q16) >> 16
    return (benefit_cycles(lane, process, source, target, k) << 16) > cost * factor_q16


def benefit_cycles(lane, process, source: int, target: int, k: int) -> int:
    """Give the waiting saved, the speed gained and the preference met, in cycles of the target."""
    here, there = lane.cores[source], lane.cores[target]
    ahead = k * here.mean_slice_ns - there.load() * there.mean_slice_ns
    faster_q20 = lane.nspr(process, source) - lane.nspr(process, target)
    gain_ns = ahead + ((process.kind.expected_reds * faster_q20) >> 20)
    benefit = gain_ns * lane.machine.mhz[target] // 1000
    if process.kind.affinity == "preferred":
        enters = (target in process.kind.mask) - (source in process.kind.mask)
        benefit += enters * lane.policy.decision.preferred_bonus_cycles
    return benefit


def migrate(lane, process, source: int, target: int, mechanism: Mechanism) -> None:
    """Charge limits and costs of a migration that passed, and count it."""
    now = lane.now
    process.migration_count += 1
    process.migration_times.append(now)
    for core in (source, target):
        lane.cores[core].migration_times.append(now)
    lane.system_times.append(now)
    lane.bucket.take()
    if lane.storm.note(now):
        lane.count("storm_count")
    mhz = lane.machine.mhz[target]
    lane.count("estimated_cycles", estimate(lane, process, source, target).cycles(mhz))
    lane.count("realised_cycles", charge(lane, process, source, target))
    lane.count("migration_count")
    lane.count("migrations_" + mechanism.name.lower())
    lane.count(DISTANCE_COUNTERS[lane.machine.distance(source, target)])
    lane.note(LogCode.MIGRATE, target, process, source, mechanism)
