"""What must hold of a naive lane after every event."""

from tests.reference.codes import NONE, CoreState, EventKind, ProcessState
from tests.reference.lane import Lane

ON_A_CORE = (ProcessState.READY, ProcessState.RUNNING)
WITH_EVENT = (CoreState.RUNNING, CoreState.WAKING)
WITHOUT_EVENT = (CoreState.STALLED, CoreState.OFFLINE)


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
    if lane.status != "STUCK":
        for core in lane.cores:
            check_core(lane, core)
    for place in lane.hardware:
        check_hardware(lane, place)
        check_spinning(lane, place)
    for process in alive:
        has_timer = (EventKind.TIMER, process.slot) in lane.pending.time_of
        assert has_timer == (process.state == ProcessState.BLOCKED)
        assert min(process.refill_lines, process.remaining, process.debt_ns) >= 0
        assert len(process.visits) == len({visit.smt for visit in process.visits}) <= 4
    assert lane.status or not lane.ready_list
    check_memory(lane, alive)
    if lane.is_erts:
        check_run_queues(lane)


def check_core(lane: Lane, core) -> None:
    """Assert what must hold of one scheduler."""
    is_running = core.state == CoreState.RUNNING
    assert (core.running is not None) == (core.segment is not None) == is_running
    assert core.state != CoreState.PENDING, "a core was left on the ready list"
    if core.state == CoreState.IDLE:
        assert not core.has_work(), "a core sleeps beside its own queue"
    has_event = (EventKind.CORE, core.index) in lane.pending.time_of
    assert has_event or core.state not in WITH_EVENT
    assert not has_event or core.state not in WITHOUT_EVENT
    for process in [*core.queued(), *([core.running] if is_running else [])]:
        assert process.core == core.index


def check_hardware(lane: Lane, place) -> None:
    """Assert that one scheduler at most runs on a hardware core, and only on one that is on."""
    standing = lane.standing_on(place.index)
    running = [core for core in standing if core.state == CoreState.RUNNING]
    assert len(running) <= 1
    if running:
        assert place.is_online
        assert place.holder is running[0]
    assert set(place.waiters) == {core for core in standing if core.state == CoreState.STALLED}
    assert not place.waiters or place.holder is not None or lane.status == "STUCK"
    assert not place.is_draining or running, "a core that drains has a slice to end"
    for core in standing:
        assert place.is_open or core.state in (CoreState.OFFLINE, CoreState.RUNNING)
        assert not place.is_open or core.is_suspended or core.state != CoreState.OFFLINE


def check_spinning(lane: Lane, place) -> None:
    """Assert that only a scheduler of the BEAM holds a core that it does not use, and not for ever."""
    holder = place.holder
    if holder is None or holder.state != CoreState.IDLE:
        return
    assert lane.is_erts
    assert holder.rq.spin_until_ns > holder.rq.waits_since_ns, "who has the poll role does not spin"
    if place.waiters:
        end_ns = lane.pending.time_of[EventKind.CORE, holder.index]
        assert lane.now <= end_ns <= holder.rq.spin_until_ns
        assert end_ns <= place.held_since_ns + lane.binding.os_quantum_ns


def check_memory(lane: Lane, alive: list) -> None:
    """Assert that the nodes hold just what the live processes have."""
    used = [0] * len(lane.memory.used)
    for process in alive:
        if process.home >= 0:
            used[process.home] += process.young_bytes
            used[process.old_home] += process.old_bytes
    assert used == lane.memory.used


def check_run_queues(lane: Lane) -> None:
    """Assert that who waits is who sleeps, and that one scheduler at most has the poll role."""
    for core in lane.cores:
        rq = core.rq
        if core.state in (CoreState.IDLE, CoreState.WAKING):
            assert rq.is_waiting
        if core.state in (CoreState.RUNNING, CoreState.OFFLINE):
            assert not rq.is_waiting
        assert rq.utilisation.is_working == (not rq.is_waiting and core.state != CoreState.OFFLINE)
        assert rq.history_sum == sum(rq.history)
        assert rq.max_total >= max(*rq.max_len, core.queue_length())
    poller = lane.vm.poller
    assert poller == NONE or lane.cores[poller].rq.is_waiting
    assert 1 <= lane.vm.active <= lane.used <= len(lane.cores)
