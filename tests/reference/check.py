"""What must hold of a naive lane after every event."""

from tests.reference.codes import CoreState, EventKind, ProcessState
from tests.reference.lane import Lane

ON_A_CORE = (ProcessState.READY, ProcessState.RUNNING)


def check_lane(lane: Lane) -> None:
    """Assert conservation, one place at a time, affinity, and that events match states."""
    alive = [process for process in lane.slots if process is not None]
    queued = [process for core in lane.cores for process in core.queued()]
    running = [core.running for core in lane.cores if core.running is not None]
    places = queued + running
    assert len({id(process) for process in places}) == len(places), "a process in two places"
    at_work = [process for process in alive if process.state in ON_A_CORE]
    assert {id(p) for p in places} == {id(p) for p in at_work}, "a lost or unknown process"
    assert len(alive) + len(lane.free_slots) == len(lane.slots), "a lost slot"
    for core in lane.cores:
        check_core(lane, core)
    for process in alive:
        has_timer = (EventKind.TIMER, process.slot) in lane.pending.time_of
        assert has_timer == (process.state == ProcessState.BLOCKED)
        assert min(process.refill_lines, process.remaining, process.debt_ns) >= 0
        assert len(process.remembered) == len({place for place, _ in process.remembered}) <= 4
    assert not lane.ready_list


def check_core(lane: Lane, core) -> None:
    """Assert what must hold of one core."""
    is_running = core.state == CoreState.RUNNING
    assert (core.running is not None) == (core.segment is not None) == is_running
    assert core.state != CoreState.PENDING, "a core was left on the ready list"
    if core.state == CoreState.IDLE:
        assert core.queue_length() == 0, "a core sleeps beside its own queue"
    else:
        assert (EventKind.CORE, core.index) in lane.pending.time_of
    for process in [*core.queued(), *([core.running] if is_running else [])]:
        assert process.core == core.index
        assert process.may_run_on(core.index), "a strict process outside its mask"
