"""Segments, and how a slice ends (DESIGN §4)."""

from tests.reference.affinity import escape
from tests.reference.codes import CoreState, EventKind, LogCode, Mechanism
from tests.reference.cost import refill_of_segment, refill_time_ns
from tests.reference.erts_loop import account
from tests.reference.erts_paths import emigrate_preempted
from tests.reference.machine import work_ns
from tests.reference.memory import collect
from tests.reference.migration import force_move
from tests.reference.process import Segment

LENGTH_MAX_NS = 1 << 40


def start_segment(lane, core, reds: int) -> None:
    """Start a segment: what is owed, cache lines, and the work itself."""
    process, machine, hw = core.running, lane.machine, core.hw
    lines = refill_of_segment(process, reds)
    refill_ns = refill_time_ns(lines, process.refill_price_q10)
    work = work_ns(reds, lane.nspr(process, core.index))
    length_ns = core.owed_ns + refill_ns + work
    core.segment = Segment(
        start_ns=lane.now,
        reds=reds,
        length_ns=length_ns,
        direct_ns=core.owed_direct_ns,
        other_ns=core.owed_other_ns,
        refill_lines=lines,
        refill_ns=refill_ns,
        remote_ns=work - work_ns(reds, machine.base_of(process, hw)),
        ideal_ns=work_ns(reds, machine.fastest_of(process)),
    )
    core.owed_direct_ns = core.owed_other_ns = 0
    is_local = process.home == machine.node[hw]
    lane.count("local_reds" if is_local else "remote_reds", reds)
    lane.pending.set(EventKind.CORE, core.index, lane.now + length_ns)
    lane.note(LogCode.SEGMENT, core.index, process, reds, length_ns)


def end_segment(lane, core) -> None:
    """Book a segment that has ended, and collect garbage."""
    process, segment = core.running, core.segment
    book(lane, core, segment)
    if core.budget is not None:
        core.budget -= segment.reds
    if segment.reds > 0 and process.kind.memory.words_per_reduction > 0:
        collect(lane, core, process, segment.reds)


def book(lane, core, segment) -> None:
    """Book what has been done and paid of a segment that is over."""
    process = core.running
    core.segment = None
    process.remaining -= segment.reds
    process.refill_lines -= segment.refill_lines
    process.ideal_ns += segment.ideal_ns
    process.run_ns += segment.length_ns
    process.run_reds += segment.reds
    core.slice_reds += segment.reds
    if process.move is not None:
        process.move.reds += segment.reds
    lane.measure.book_segment(segment)
    if process.has_preference:
        wanted, mask = process.affinity.preferred_core, process.affinity.mask
        is_away = core.hw not in mask if wanted is None else core.hw != wanted
        lane.count("preferred_ns", segment.length_ns)
        lane.count("away_ns", segment.length_ns * is_away)


def preempt(lane, core, may_leave: bool = True) -> None:
    """Take the running process off its core: to the tail of its queue there, or where it has to go."""
    process = core.running
    lane.count("preemption_count")
    lane.note(LogCode.PREEMPT, core.index, process, process.remaining)
    stop(core)
    process.ready_ns = lane.now
    target = leave_for(lane, process, core) if may_leave else None
    remember_length(lane, core)  # behind the decision (§20, Preemption)
    if target is None:
        lane.enqueue(process, core)
    else:
        lane.make_ready(process, lane.cores[target], may_wake_others=False)


def leave_for(lane, process, core) -> int | None:
    """Give the scheduler that a preempted process has moved to; None if it stays."""
    target = escape(lane, process, core.index)
    if target is None:
        return emigrate_preempted(lane, process, core)
    force_move(lane, process, core.index, target, Mechanism.AFFINITY)
    return target


def end_slice(lane, core) -> None:
    """Keep what later decisions ask about a slice."""
    stop(core)
    remember_length(lane, core)


def stop(core) -> None:
    """Take the running process off its scheduler, its slice accounted for."""
    process = core.running
    core.last_process = process
    process.last_core = core.index
    account(core, process)
    core.running = None
    core.state = CoreState.PENDING


def remember_length(lane, core) -> None:
    """Let the length of a slice that has ended enter the mean."""
    length_ns, mean = min(lane.now - core.slice_start_ns, LENGTH_MAX_NS), core.mean_slice_ns
    core.mean_slice_ns = length_ns if mean == 0 else mean + ((length_ns - mean) >> 3)
