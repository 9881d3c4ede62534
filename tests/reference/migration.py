"""The decision on one migration, and the migration itself (DESIGN §6, §8)."""

from dataclasses import replace

from tests.reference.benefit import Verdict, weigh
from tests.reference.codes import FORCED, PASSED, Denial, LogCode, Mechanism
from tests.reference.cost import WHOLE_Q16, charge, estimate
from tests.reference.numbers import nearest
from tests.reference.process import Move
from tests.reference.settle import settle

DISTANCE_COUNTERS = (
    "migrations_same_core",
    "migrations_same_cluster",
    "migrations_same_node",
    "migrations_other_node",
)


def try_migration(lane, process, place, mechanism: Mechanism, k: int, is_later: bool = False) -> bool:
    """Check a candidate; if it passes, charge it. The caller moves it between queues.

    `place` is (source, target); k is the number of processes that would run before it at the source;
    a later one of a batch costs less.
    """
    source, target = place
    share_q16 = nearest(lane.cost.batch_share * 65536) if is_later else WHOLE_Q16
    lane.count("migration_attempt_count")
    verdict = weigh(lane, process, place, k, share_q16)
    reason = denial(lane, process, source, target)
    if reason is None and not verdict.is_passed:
        reason = Denial.BENEFIT
    write_down(lane, process, place, mechanism, PASSED if reason is None else reason, verdict, k)
    if reason is not None:
        lane.count("denied_" + reason.name.lower())
        lane.note(LogCode.DENY, target, process, source, reason)
        return False
    charge_limits(lane, process, source, target)
    expected_ns = k * lane.cores[source].mean_slice_ns
    migrate(lane, process, place, mechanism, verdict.benefit, expected_ns, share_q16)
    return True


def force_move(lane, process, source: int, target: int, mechanism: Mechanism) -> None:
    """Do a migration that nobody asks whether it is worth it. The caller moves it between queues."""
    verdict = weigh(lane, process, (source, target), 0)
    write_down(lane, process, (source, target), mechanism, FORCED, verdict, 0)
    migrate(lane, process, (source, target), mechanism, 0, 0, WHOLE_Q16)


def write_down(lane, process, place, mechanism, outcome: int, verdict: Verdict, k: int) -> None:
    """Append a row to the log of decisions."""
    source, target = place
    row = (lane.now, process.slot, process.kind.index, source, target, mechanism, outcome)
    numbers = (verdict.benefit, verdict.cost, verdict.factor_q16, k, lane.cores[target].load())
    lane.decisions.append(tuple(int(x) for x in row + numbers))


def denial(lane, process, source: int, target: int) -> Denial | None:
    """Give the first reason against a migration but its benefit."""
    now, capacity = lane.now, lane.simulation.queue_capacity
    node = lane.machine.node[lane.cores[target].hw]
    if not lane.is_available(target):
        return Denial.OFFLINE
    if not lane.may_run(process, target):
        return Denial.MASK
    if capacity is not None and lane.cores[target].queue_length() >= capacity:
        return Denial.CAPACITY
    if process.home not in (-1, node) and not lane.memory.has_room(node, process.working_set_bytes):
        return Denial.MEMORY
    if not lane.process_limits.allows(process, now):
        return Denial.PROCESS_LIMIT
    if lane.policy.limits.process.forbid_return and is_return(lane, process, target):
        return Denial.RETURN
    ends = (lane.cores[source], lane.cores[target])
    if not all(lane.core_window.allows(core.migration_times, now) for core in ends):
        return Denial.CORE_LIMIT
    if not lane.system_window.allows(lane.system_times, now):
        return Denial.SYSTEM_LIMIT
    if lane.storm.is_cooling(now):
        return Denial.STORM
    if not lane.bucket.has_token(now):
        return Denial.BURST
    return None


def is_return(lane, process, target: int) -> bool:
    """Tell whether a migration goes back to where the process was not long ago."""
    since_ns = lane.now - process.last_migration_ns
    window_ns = lane.policy.limits.process.return_window_ns
    return process.migration_count > 0 and target == process.left and since_ns < window_ns


def charge_limits(lane, process, source: int, target: int) -> None:
    """Let the rate limits see a migration that passed."""
    process.migration_times.append(lane.now)
    for core in (source, target):
        lane.cores[core].migration_times.append(lane.now)
    lane.system_times.append(lane.now)
    lane.bucket.take()
    if lane.storm.note(lane.now):
        lane.count("storm_count")


def migrate(lane, process, place, mechanism, benefit: int, expected_ns: int, share_q16: int) -> None:
    """Charge the cost of a migration, and count it."""
    source, target = place
    settle(lane, process)
    lane.count("return_count", is_return(lane, process, target))
    hw = lane.cores[target].hw
    speed_q20 = lane.nspr(process, source) - lane.nspr(process, target)
    cycles = estimate(lane, process, source, target, share_q16).cycles(lane.machine.mhz[hw])
    lane.count("estimated_cycles", cycles)
    lane.count("estimated_benefit_cycles", benefit)
    charged = charge(lane, process, source, target, share_q16)
    lane.count("realised_cycles", charged.cycles)
    process.move = Move(lane.now, charged.length_ns, expected_ns, speed_q20)
    process.migration_count += 1
    process.last_migration_ns, process.left = lane.now, source
    if process.affinity.type == "dynamic":
        process.affinity = replace(process.affinity, preferred_core=hw)
    if mechanism == Mechanism.AFFINITY:
        process.is_marked = False
    lane.count("migration_count")
    lane.count("migrations_" + mechanism.name.lower())
    lane.count(DISTANCE_COUNTERS[lane.distance(source, target)])
    lane.note(LogCode.MIGRATE, target, process, source, mechanism)
