"""The event loop of the naive simulator (DESIGN §1)."""

from collections.abc import Callable
from dataclasses import dataclass

import sim
from tests.reference.affinity import count_stranded
from tests.reference.arrivals import set_arrival
from tests.reference.balancing import adjust, balance
from tests.reference.births import arrive, create_closed, create_copies, wake
from tests.reference.codes import NONE, CoreState, EventKind, LogCode
from tests.reference.lane import Lane, make_lane
from tests.reference.rebinding import rebinding_pass
from tests.reference.slices import dispatch, handle_core
from tests.reference.timeline import handle_change, set_changes


@dataclass(frozen=True)
class ReferenceResult:
    """What a lane did."""

    log: list[tuple[int, int, int, int, int, int]]  # time_ns, code, core, process, a, b
    decisions: list[tuple[int, ...]]  # rows of §8's log of decisions
    counters: dict[str, int]
    histograms: dict[str, dict[int, int]]  # sojourn, waiting (ns) and slowdown (1/1024), by bucket
    sums: dict[str, int]  # of the values in each histogram
    busy_ns: list[int]  # (scheduler,)
    hardware_busy_ns: list[int]  # (hardware core,)
    energy_pj: list[int]  # (hardware core,)
    jain_values: dict[str, list[float]]  # load_balance, queue_balance: one a window with load
    end_ns: int
    status: str  # HORIZON, EVENT_LIMIT, STUCK
    exhausted: set[str]  # names of the status bits of what ran out
    seen: dict[str, int]  # how often a lane came to do what


def simulate_reference(
    topology,
    workload,
    policy,
    cost,
    simulation,
    seed: int,
    replicate: int,
    log: bool = True,
    check: Callable[[Lane], None] | None = None,
    binding: sim.Binding | None = None,
    timeline: sim.Timeline | None = None,
) -> ReferenceResult:
    """Simulate one lane; `check` is called with the lane after each event."""
    more = (binding or sim.Binding(), timeline or sim.Timeline())
    lane = make_lane(topology, workload, policy, cost, simulation, seed, replicate, *more)
    lane.has_log = log
    begin(lane)
    if check is not None:
        check(lane)
    while is_next(lane):
        handle_event(lane)
        if check is not None:
            check(lane)
    finish(lane)
    measure = lane.measure
    return ReferenceResult(
        log=lane.log_entries,
        decisions=lane.decisions,
        counters=dict(measure.counters),
        histograms={name: dict(bins) for name, bins in measure.histograms.items()},
        sums=dict(measure.sums),
        busy_ns=measure.busy_ns,
        hardware_busy_ns=lane.meter.busy_ns,
        energy_pj=lane.meter.energy_pj,
        jain_values=measure.jain_values,
        end_ns=lane.now,
        status=lane.status,
        exhausted=lane.exhausted,
        seen=dict(lane.seen),
    )


def begin(lane: Lane) -> None:
    """Do what happens at t = 0, before any event."""
    if lane.replay is not None:
        create_copies(lane)
    for kind in lane.classes:
        create_closed(lane, kind)
    for kind in lane.classes:
        if kind.arrival.kind != "none":
            set_arrival(lane, kind)
    set_changes(lane)
    pending, policy = lane.pending, lane.policy
    if lane.is_balancing:
        pending.set(EventKind.BALANCE, 0, policy.balancing.period_ns)
    if policy.adaptive.mode != "off" and policy.migrate:
        pending.set(EventKind.ADJUST, 0, policy.adaptive.period_ns)
    is_loose = any(not core.is_pinned for core in lane.cores)
    is_loose |= any(change.op == "unbind" for change in lane.timeline.changes)
    if lane.binding.period_ns > 0 and is_loose:
        pending.set(EventKind.REBIND, 0, lane.binding.period_ns)
    pending.set(EventKind.WINDOW, 0, lane.simulation.warmup_ns)
    settle_down(lane)


def settle_down(lane: Lane) -> None:
    """Dispatch the cores on the ready list, first in, first out, and look who is stranded then."""
    while lane.ready_list and not lane.status:
        core = lane.ready_list.popleft()
        assert core.state == CoreState.PENDING
        dispatch(lane, core)
    count_stranded(lane)


def is_next(lane: Lane) -> bool:
    """Tell whether another event is to be handled; else set the status."""
    if lane.status:
        return False
    event = lane.pending.least()
    if event is None or event[0] > lane.simulation.horizon_ns:
        lane.status = "HORIZON"
    elif lane.handled_count >= lane.simulation.max_events:
        lane.status = "EVENT_LIMIT"
    return not lane.status


def advance(lane: Lane, time_ns: int) -> None:
    """Let time pass in which nothing changes."""
    elapsed_ns = time_ns - lane.now
    lane.measure.advance(lane.cores, elapsed_ns)
    lane.meter.advance(lane.cores, lane.hardware, elapsed_ns)
    lane.count("stranded_ns", len(lane.stranded) * elapsed_ns)
    lane.now = time_ns


def handle_event(lane: Lane) -> None:
    """Handle the least event and all dispatches that it causes."""
    time_ns, kind, index = lane.pending.pop()
    advance(lane, time_ns)
    lane.handled_count += 1
    lane.count("event_count")
    match kind:
        case EventKind.TIMELINE:
            handle_change(lane, index)
        case EventKind.TIMER:
            wake(lane, lane.slots[index])
        case EventKind.ARRIVAL:
            arrive(lane, index)
        case EventKind.CORE:
            handle_core(lane, lane.cores[index])
        case EventKind.BALANCE:
            balance(lane)
        case EventKind.ADJUST:
            adjust(lane)
        case EventKind.REBIND:
            rebinding_pass(lane)
        case EventKind.WINDOW:
            end_window(lane)
    settle_down(lane)


def end_window(lane: Lane) -> None:
    """Begin to measure at the end of the warm-up; afterwards, end a metric window."""
    if lane.window_count == 0:
        lane.measure.reset()
        lane.meter.reset()
    else:
        lane.measure.end_window(lane.cores, lane.simulation.window_ns)
    lane.note(LogCode.WINDOW, NONE, None, lane.window_count)
    lane.window_count += 1
    lane.pending.set(EventKind.WINDOW, 0, lane.now + lane.simulation.window_ns)


def finish(lane: Lane) -> None:
    """Account for the time between the last event and the horizon."""
    if lane.status == "HORIZON":
        advance(lane, lane.simulation.horizon_ns)
