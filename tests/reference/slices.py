"""Dispatch and slices of a core (DESIGN §4)."""

from tests.reference.codes import NONE, CoreState, EventKind, LogCode, ProcessState
from tests.reference.cost import follow
from tests.reference.erts_loop import choose_as_erts, rest
from tests.reference.faults import go_offline
from tests.reference.memory import allocate
from tests.reference.rebinding import rebind
from tests.reference.settle import settle
from tests.reference.sharing import end_spin, pass_on, release, rest_here, take_hardware
from tests.reference.slice_end import end_segment, end_slice, preempt, start_segment
from tests.reference.stealing import steal
from tests.reference.steps import Next, execute
from tests.reference.take import take_queued
from tests.reference.warmth import touch

STEPS_MAX = 100_000


def handle_core(lane, core) -> None:
    """Handle a core's event: its segment ends, it has woken, it polls, or it has spun for long enough."""
    if lane.is_erts and core.state == CoreState.IDLE:
        end_spin(lane, core)
        return
    if core.state == CoreState.RUNNING:
        end_segment(lane, core)
        if proceed(lane, core) or not may_go_on(lane, core):
            return
    dispatch(lane, core)


def dispatch(lane, core) -> None:
    """Let a core choose and start a process, until one runs for some time or none is left."""
    while not lane.status:
        core.state = CoreState.PENDING
        if not take_hardware(lane, core):
            return
        process = choose_as_erts(lane, core) if lane.is_erts else choose(lane, core)
        if process is None:
            go_idle(lane, core)
            return
        start_slice(lane, core, process)
        if proceed(lane, core) or not may_go_on(lane, core):
            return


def choose(lane, core):
    """Take a queued process, else one of another core; None if there is none."""
    process = take_queued(core)
    if process is None and lane.is_stealing:
        process = steal(lane, core)
    return process


def may_go_on(lane, core) -> bool:
    """After a slice: re-bind, go offline or pass the core on; tell whether to dispatch at once."""
    place = lane.hardware[core.hw]
    if place.is_draining and not any(other.state == CoreState.RUNNING for other in lane.standing_on(core.hw)):
        place.is_online = place.is_draining = False
    wanted, core.wanted_hw = core.wanted_hw, NONE
    if wanted != NONE and lane.hardware[wanted].is_open and not core.is_suspended:
        rebind(lane, core, wanted)
        return True
    if core.is_suspended or not place.is_open:
        go_offline(lane, core)
        return False
    return not pass_on(lane, core)


def go_idle(lane, core) -> None:
    """Let a core sleep, or poll later for work to steal; one of the BEAM spins or sleeps."""
    core.state = CoreState.IDLE
    lane.note(LogCode.IDLE, core.index, None)
    if lane.is_erts:
        rest(lane, core)
        rest_here(lane, core)
        return
    poll_ns = lane.policy.stealing.poll_ns
    if poll_ns > 0 and lane.is_stealing:
        lane.pending.set(EventKind.CORE, core.index, lane.now + poll_ns)
    release(lane, core)


def start_slice(lane, core, process) -> None:
    """Put a process on a core with a full quantum."""
    core.state, core.running = CoreState.RUNNING, process
    process.state, process.core = ProcessState.RUNNING, core.index
    core.slice_start_ns, core.slice_reds = lane.now, 0
    core.budget = lane.simulation.quantum_reds or None
    core.owed_direct_ns, process.debt_ns = process.debt_ns, 0
    core.owed_other_ns, core.debt_ns = core.debt_ns, 0
    if core.last_process is not process:
        core.owed_other_ns += lane.machine.cycles_to_ns(lane.cost.dispatch_cycles, core.hw)
    if process.home < 0:
        allocate(lane, process, lane.machine.node[core.hw])
    follow(lane, process, core.hw)
    touch(lane, core, process)
    if process.move is not None and process.move.dispatch_ns is None:
        process.move.dispatch_ns = lane.now
    lane.count("scheduler_change_count", process.last_core not in (NONE, core.index))
    waiting_ns = lane.now - process.ready_ns
    process.waiting_ns += waiting_ns
    lane.count("dispatch_count")
    lane.note(LogCode.DISPATCH, core.index, process, process.last_core, waiting_ns)


def proceed(lane, core) -> bool:
    """Go on with the running process; tell whether it still runs (in a segment)."""
    process = core.running
    for _ in range(STEPS_MAX + 1):
        if process.remaining > 0:
            if core.budget is None or core.budget > 0:
                reds = process.remaining
                start_segment(lane, core, reds if core.budget is None else min(reds, core.budget))
                return True
            if core.owed_ns:
                start_segment(lane, core, 0)
                return True
            preempt(lane, core)
            return False
        match execute(lane, core, process):
            case Next.PAY:
                start_segment(lane, core, 0)
                return True
            case Next.END:
                settle(lane, process)
                lane.measure.end_activation(process, lane.now)
                end_slice(lane, core)
                return False
    lane.status = "STUCK"
    return True
