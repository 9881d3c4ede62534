"""Push: the periodic pass, and the feedback on threshold and period (DESIGN §6, §9)."""

from tests.reference.benefit import INFINITE
from tests.reference.codes import NONE, EventKind, LogCode, Mechanism
from tests.reference.migration import try_migration
from tests.reference.numbers import nearest


def balance(lane) -> None:
    """Handle a balancing pass and set the next."""
    lane.pass_count += 1
    for group in balance_groups(lane):
        balance_group(lane, group)
    lane.pending.set(EventKind.BALANCE, 0, lane.now + lane.balance_period_ns)


def balance_groups(lane) -> list[list]:
    """Give the groups of this pass: machine, or clusters, nodes or machine by its number."""
    machine, number = lane.machine, lane.pass_count
    if lane.policy.balancing.scope == "machine" or number % 16 == 0:
        return [lane.cores]
    ids, size = machine.cluster, machine.num_clusters
    if number % 4 == 0:
        ids, size = machine.node, machine.num_nodes
    groups = [[core for core in lane.cores if ids[core.hw] == i] for i in range(size)]
    return [group for group in groups if group]


def balance_group(lane, group: list) -> None:
    """Move from the busiest to the least loaded core, up to `batch` processes."""
    rule, before = lane.policy.balancing, None
    for _ in range(rule.batch):
        able = [core for core in group if core.queue_length()]
        open_ones = [core for core in group if lane.is_available(core.index)]
        if not able or not open_ones:
            return
        busiest = max(able, key=lambda core: (core.load(), -core.index))
        least = min(open_ones, key=lambda core: (core.load(), core.index))
        if busiest.load() - least.load() < rule.imbalance:
            return
        process = busiest.queued()[-1]
        k = busiest.queue_length()
        place = (busiest.index, least.index)
        if not try_migration(lane, process, place, Mechanism.BALANCE, k, is_later=place == before):
            return
        busiest.remove(process)
        lane.make_ready(process, least, may_wake_others=False)
        before = place


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
