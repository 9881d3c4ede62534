"""Where a process is proposed to go (DESIGN §4 creation, §5)."""

from tests.reference.codes import CoreState
from tests.reference.numbers import below


def start_core(lane, kind, number: int) -> int:
    """Give the start core of a process without a parent."""
    n = lane.used
    if kind.start == "spread":
        return number % n
    if kind.start == "first":
        return 0
    return below(lane.draw_policy("start"), n)


def place_new(lane, process, reference: int) -> int:
    """Give the core of a new process; reference = its parent's core or its start core."""
    rule = lane.policy.placement.spawn if lane.policy.migrate else "parent"
    return fit(lane, process, propose(lane, process, rule, reference))


def propose_woken(lane, process) -> int:
    """Give the core proposed for a process that wakes up."""
    may_leave = lane.policy.migrate and lane.policy.triggers.blocking
    return propose(lane, process, lane.policy.placement.wake if may_leave else "last", process.core)


def propose(lane, process, rule: str, reference: int) -> int:
    """Apply one rule of placement."""
    n = len(lane.cores)
    match rule:
        case "last" | "parent":
            return reference
        case "preferred":
            return preferred(lane, process, reference)
        case "round_robin":
            lane.round_robin_count += 1
            return allowed_from(lane, process, (lane.round_robin_count - 1) % n)
        case "random":
            return allowed_from(lane, process, below(lane.draw_policy("placement"), n))
        case "best_of":
            choices = range(lane.policy.placement.choices)
            drawn = [below(lane.draw_policy("placement"), n) for _ in choices]
            able = [allowed_from(lane, process, core) for core in drawn]
            return min(able, key=lambda core: lane.cores[core].load())
        case "probe":
            return probe(lane, process, reference)
        case "least_loaded":
            return least_loaded(lane, process, reference, range(n))
        case "numa_local":
            near = neighbourhood(lane, process, reference)
            return least_loaded(lane, process, reference, near)
    raise ValueError(rule)


def probe(lane, process, reference: int) -> int:
    """Give the reference if it has little to do, else the first drawn core that has; else the reference."""
    rule = lane.policy.placement
    own = allowed_from(lane, process, reference)
    tried, left = own, rule.choices
    while lane.cores[tried].load() >= rule.probe_load:
        if left == 0:
            return own
        tried = allowed_from(lane, process, below(lane.draw_policy("placement"), len(lane.cores)))
        left -= 1
    return tried


def preferred(lane, process, reference: int) -> int:
    """Give the first scheduler on the preferred core, unless it is busier than the last core."""
    standing = lane.standing_on(process.affinity.preferred_core)
    if standing and standing[0].load() <= lane.cores[reference].load():
        return standing[0].index
    return reference


def neighbourhood(lane, process, reference: int) -> list[int]:
    """List the cores of the home node; on a machine of one node, those of the reference's cluster."""
    machine, hw = lane.machine, lane.cores[reference].hw
    ids, wanted = machine.node, process.home if process.home >= 0 else machine.node[hw]
    if machine.num_nodes == 1:
        ids, wanted = machine.cluster, machine.cluster[hw]
    return [core.index for core in lane.cores if ids[core.hw] == wanted]


def least_loaded(lane, process, reference: int, among) -> int:
    """Give the nearest idle core, else the nearest with the least load, of those that can take it."""
    order = [reference, *lane.order(reference)]
    everywhere = [core for core in order if lane.is_available(core) and lane.may_run(process, core)]
    able = [core for core in everywhere if core in among] or everywhere
    for core in able:
        if lane.cores[core].state == CoreState.IDLE:
            return core
    return min(able, key=lambda core: lane.cores[core].load(), default=reference)


def allowed_from(lane, process, core: int) -> int:
    """Give the core itself if the process may run there, else the nearest where it may."""
    order = [core, *lane.order(core)]
    return next((other for other in order if lane.may_run(process, other)), core)


def fit(lane, process, proposal: int) -> int:
    """Give the nearest core that can take a process, else the nearest where it may at least wait."""
    order = [proposal, *lane.order(proposal)]
    for core in order:
        if lane.is_available(core) and lane.may_run(process, core):
            return core
    return allowed_from(lane, process, proposal)
