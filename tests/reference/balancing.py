"""Push: the periodic pass, and the feedback on threshold and period (DESIGN §6, §9)."""

from fractions import Fraction

from tests.reference.benefit import INFINITE
from tests.reference.codes import NONE, EventKind, LogCode, Mechanism
from tests.reference.migration import try_migration
from tests.reference.numbers import nearest


def balance(lane) -> None:
    """Handle a balancing pass and set the next."""
    lane.pass_count += 1
    for group in balance_groups(lane):
        balance_group(lane, group)
    if lane.policy.balancing.scope == "node_average":
        balance_averages(lane)
    lane.pending.set(EventKind.BALANCE, 0, lane.now + lane.balance_period_ns)


def balance_groups(lane) -> list[list]:
    """Give the groups of this pass: machine, or clusters, nodes or machine by its number."""
    machine, number = lane.machine, lane.pass_count
    scope = lane.policy.balancing.scope
    if scope == "machine" or (scope == "hierarchical" and number % 16 == 0):
        return [lane.cores]
    ids, size = machine.cluster, machine.num_clusters
    if number % 4 == 0 or scope == "node_average":
        ids, size = machine.node, machine.num_nodes
    groups = [[core for core in lane.cores if ids[core.hw] == i] for i in range(size)]
    return [group for group in groups if group]


def busiest_of(group: list):
    """Give the core with the greatest load that has a queued process, or None."""
    able = [core for core in group if core.queue_length()]
    return max(able, key=lambda core: (core.load(), -core.index), default=None)


def least_of(lane, group: list):
    """Give the available core with the least load, or None."""
    able = [core for core in group if lane.is_available(core.index)]
    return min(able, key=lambda core: (core.load(), core.index), default=None)


def balance_group(lane, group: list) -> None:
    """Move from the busiest to the least loaded core, up to `batch` processes."""
    rule, before = lane.policy.balancing, None
    for _ in range(rule.batch):
        busiest, least = busiest_of(group), least_of(lane, group)
        if busiest is None or least is None or busiest.load() - least.load() < rule.imbalance:
            return
        if not push(lane, busiest, least, before):
            return
        before = (busiest.index, least.index)


def balance_averages(lane) -> None:
    """Move from the node with the greatest average load to that with the least, up to `batch` processes."""
    rule, before = lane.policy.balancing, None
    for _ in range(rule.batch):
        nodes = available_by_node(lane)
        if not nodes:
            return
        average = {node: Fraction(sum(c.load() for c in cores), len(cores)) for node, cores in nodes.items()}
        high = max(average, key=lambda node: (average[node], -node))
        low = min(average, key=lambda node: (average[node], node))
        if high == low or average[high] - average[low] < rule.imbalance:
            return
        standing = [core for core in lane.cores if lane.machine.node[core.hw] == high]
        busiest, least = busiest_of(standing), least_of(lane, nodes[low])
        if busiest is None or not push(lane, busiest, least, before):
            return
        before = (busiest.index, least.index)


def available_by_node(lane) -> dict[int, list]:
    """Give the available cores of each node that has some."""
    found: dict[int, list] = {}
    for core in lane.cores:
        if lane.is_available(core.index):
            found.setdefault(lane.machine.node[core.hw], []).append(core)
    return found


def push(lane, source, target, before: tuple[int, int] | None) -> bool:
    """Move the last process of one core to another; tell whether it was let through."""
    process, k, place = source.queued()[-1], source.queue_length(), (source.index, target.index)
    if not try_migration(lane, process, place, Mechanism.BALANCE, k, is_later=place == before):
        return False
    source.remove(process)
    lane.make_ready(process, target, may_wake_others=False)
    return True


def adjust(lane) -> None:
    """Handle an adaptive adjustment and set the next."""
    rule, measure = lane.policy.adaptive, lane.measure
    target_q16 = nearest(rule.overhead_target * 65536)
    waste_q16 = nearest(rule.waste_target * 65536)
    capacity_ns = len(lane.cores) * rule.period_ns
    busy, overhead = measure.period_busy_ns, measure.period_overhead_ns
    if busy > 0 and overhead << 16 > target_q16 * busy:
        move_both(lane, up)
    elif measure.period_wasted_ns << 16 > waste_q16 * capacity_ns:
        move_both(lane, down)
    measure.start_period()
    lane.pending.set(EventKind.ADJUST, 0, lane.now + rule.period_ns)


def move_both(lane, change) -> None:
    """Change the threshold and the balancing period, and count it."""
    rule = lane.policy.adaptive
    step_q16, span_q16 = nearest(rule.step * 65536), nearest(rule.span * 65536)
    if lane.factor_q16 not in (0, INFINITE):
        start = nearest(lane.policy.threshold_factor * 65536)
        lane.factor_q16 = change(lane.factor_q16, start, step_q16, span_q16)
    if lane.balance_period_ns > 0:
        start = lane.policy.balancing.period_ns
        lane.balance_period_ns = change(lane.balance_period_ns, start, step_q16, span_q16)
    lane.count("adjustment_count")
    factor_q16 = 0 if lane.factor_q16 == INFINITE else lane.factor_q16
    lane.note(LogCode.ADJUST, NONE, None, factor_q16, lane.balance_period_ns)


def up(value: int, start: int, step_q16: int, span_q16: int) -> int:
    """Raise a value by a step, at most to start x span."""
    return max(1, min(value * step_q16 >> 16, start * span_q16 >> 16))


def down(value: int, start: int, step_q16: int, span_q16: int) -> int:
    """Lower a value by a step, at least to start / span."""
    return max(1, (value << 16) // step_q16, (start << 16) // span_q16)
