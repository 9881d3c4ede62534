"""Where a process is proposed to go (DESIGN §4 creation, §5)."""

from tests.reference.codes import CoreState
from tests.reference.numbers import below


def start_core(lane, kind, number: int) -> int:
    """Give the start core of a process without a parent."""
    n = lane.machine.num_cores
    if kind.start == "spread":
        return number % n
    if kind.start == "first":
        return 0
    return below(lane.draw_policy("start"), n)


def place_new(lane, process, reference: int) -> int:
    """Give the core of a new process; reference = its parent's core or its start core."""
    rule = lane.policy.placement.spawn if lane.policy.migrate else "parent"
    return allowed_from(lane, process, propose(lane, process, rule, reference))


def place_woken(lane, process) -> int:
    """Give the core proposed for a process that wakes up."""
    rule = lane.policy.placement.wake if lane.policy.migrate else "last"
    return allowed_from(lane, process, propose(lane, process, rule, process.core))


def propose(lane, process, rule: str, reference: int) -> int:
    """Apply one rule of placement."""
    n = lane.machine.num_cores
    match rule:
        case "last" | "parent":
            return reference
        case "round_robin":
            lane.round_robin_count += 1
            return (lane.round_robin_count - 1) % n
        case "random":
            return below(lane.draw_policy("placement"), n)
        case "best_of":
            choices = range(lane.policy.placement.choices)
            drawn = [below(lane.draw_policy("placement"), n) for _ in choices]
            able = [allowed_from(lane, process, core) for core in drawn]
            return min(able, key=lambda core: lane.cores[core].load())
        case "least_loaded":
            return least_loaded(lane, process, reference, range(n))
        case "numa_local":
            node = process.home if process.home >= 0 else lane.machine.node[reference]
            local = [core for core in range(n) if lane.machine.node[core] == node]
            if not any(process.may_run_on(core) for core in local):
                local = range(n)
            return least_loaded(lane, process, reference, local)
    raise ValueError(rule)


def least_loaded(lane, process, reference: int, among) -> int:
    """Give the nearest idle core, else the nearest with the least load, of those allowed."""
    order = [reference, *lane.machine.order[reference]]
    able = [core for core in order if core in among and process.may_run_on(core)]
    for core in able:
        if lane.cores[core].state == CoreState.IDLE:
            return core
    return min(able, key=lambda core: lane.cores[core].load())


def allowed_from(lane, process, core: int) -> int:
    """Give the core itself if the process may run there, else the nearest where it may."""
    order = [core, *lane.machine.order[core]]
    return next(other for other in order if process.may_run_on(other))
