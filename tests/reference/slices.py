"""Dispatch, slices and segments of a core (DESIGN §4)."""

from tests.reference.codes import LEVELS, CoreState, EventKind, LogCode, ProcessState
from tests.reference.cost import refill_of_segment, touch
from tests.reference.machine import work_ns
from tests.reference.process import Segment
from tests.reference.stealing import steal
from tests.reference.steps import Next, execute

STEPS_MAX = 100_000


def handle_core(lane, core) -> None:
    """Handle a core's event: its segment ends, it has woken, or it polls."""
    if core.state == CoreState.RUNNING:
        end_segment(lane, core)
        if proceed(lane, core):
            return
    dispatch(lane, core)


def dispatch(lane, core) -> None:
    """Let a core choose and start a process, until one runs for some time or none is left."""
    while not lane.status:
        core.state = CoreState.PENDING
        process = take_queued(core)
        if process is None and lane.is_stealing:
            process = steal(lane, core)
        if process is None:
            go_idle(lane, core)
            return
        start_slice(lane, core, process)
        if proceed(lane, core):
            return


def take_queued(core):
    """Take the next process of a core's queues; low ones are passed over seven times."""
    for level, queue in zip(LEVELS, core.queues, strict=True):
        if not queue:
            continue
        while level == "normal":
            queue[0].skip -= 1
            if queue[0].skip <= 0 or len(queue) == 1:
                break
            queue.rotate(-1)
        return queue.popleft()
    return None


def go_idle(lane, core) -> None:
    """Let a core sleep, or poll later for work to steal."""
    core.state = CoreState.IDLE
    lane.note(LogCode.IDLE, core.index, None)
    poll_ns = lane.policy.stealing.poll_ns
    if poll_ns > 0 and lane.is_stealing:
        lane.pending.set(EventKind.CORE, core.index, lane.now + poll_ns)


def start_slice(lane, core, process) -> None:
    """Put a process on a core with a full quantum."""
    core.state, core.running = CoreState.RUNNING, process
    process.state, process.core = ProcessState.RUNNING, core.index
    core.slice_start_ns = lane.now
    core.budget = lane.simulation.quantum_reds or None
    core.owed_direct_ns, process.debt_ns = process.debt_ns, 0
    core.owed_other_ns = 0
    if core.last_process is not process:
        cycles = lane.cost.dispatch_cycles
        core.owed_other_ns = lane.machine.cycles_to_ns(cycles, core.index)
    touch(lane, core, process)
    if process.home < 0:
        process.home = lane.machine.node[core.index]
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
                lane.measure.end_activation(process, lane.now)
                end_slice(lane, core)
                return False
    lane.status = "STUCK"
    return True


def preempt(lane, core) -> None:
    """Take the running process off its core, to the tail of its queue there."""
    process = core.running
    lane.count("preemption_count")
    lane.note(LogCode.PREEMPT, core.index, process, process.remaining)
    end_slice(lane, core)
    process.ready_ns = lane.now
    lane.enqueue(process, core)


def end_slice(lane, core) -> None:
    """Keep what later decisions ask about a slice."""
    process = core.running
    length_ns, mean = lane.now - core.slice_start_ns, core.mean_slice_ns
    core.mean_slice_ns = length_ns if mean == 0 else mean + ((length_ns - mean) >> 3)
    core.last_process = process
    process.last_core = core.index
    core.running = None
    core.state = CoreState.PENDING


def start_segment(lane, core, reds: int) -> None:
    """Start a segment: what is owed, cache lines, and the work itself."""
    process, machine = core.running, lane.machine
    lines = refill_of_segment(process, reds)
    refill_ns = (lines * process.refill_price_q10) >> 10
    work = work_ns(reds, lane.nspr(process, core.index))
    length_ns = core.owed_ns + refill_ns + work
    core.segment = Segment(
        start_ns=lane.now,
        reds=reds,
        length_ns=length_ns,
        direct_ns=core.owed_direct_ns,
        refill_lines=lines,
        refill_ns=refill_ns,
        remote_ns=work - work_ns(reds, machine.base_q20[core.index]),
        ideal_ns=work_ns(reds, min(machine.base_q20)),
    )
    core.owed_direct_ns = core.owed_other_ns = 0
    lane.pending.set(EventKind.CORE, core.index, lane.now + length_ns)
    lane.note(LogCode.SEGMENT, core.index, process, reds, length_ns)


def end_segment(lane, core) -> None:
    """Book a segment that has ended."""
    process, segment = core.running, core.segment
    core.segment = None
    process.remaining -= segment.reds
    if core.budget is not None:
        core.budget -= segment.reds
    process.refill_lines -= segment.refill_lines
    process.ideal_ns += segment.ideal_ns
    lane.measure.book_segment(segment)
