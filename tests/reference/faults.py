"""Hardware cores that fail, are powered down, and come back (DESIGN §15)."""

from tests.reference.affinity import cause_of, mechanism_of, move_out, rescue
from tests.reference.codes import NONE, Cause, CoreState, EventKind, LogCode
from tests.reference.machine import work_ns
from tests.reference.rebinding import come_online, rebind
from tests.reference.run_queue import stop_wait
from tests.reference.sharing import release
from tests.reference.slice_end import book, preempt


def close_cores(lane, named: list[int], cause: Cause) -> None:
    """Let hardware cores fail, or power them down."""
    closed = []
    for place in (lane.hardware[h] for h in sorted(named)):
        if place.is_open or (place.is_draining and cause == Cause.FAILURE):
            is_busy = any(core.state == CoreState.RUNNING for core in lane.standing_on(place.index))
            place.is_draining = cause == Cause.POWER and is_busy
            place.is_online = place.is_draining
            place.cause = cause
            closed.append(place.index)
    for h in closed:
        for core in lane.standing_on(h):
            close_scheduler(lane, core, cause)


def close_scheduler(lane, core, cause: Cause) -> None:
    """Let a scheduler whose hardware core is not open any more move, or go offline."""
    if core.state == CoreState.OFFLINE:
        return
    is_tied = core.is_pinned or core.is_suspended
    target = None if is_tied else open_place(lane, core.hw)
    if core.state == CoreState.RUNNING and cause == Cause.POWER:
        if target is not None:
            core.wanted_hw = target
        return  # the rest is done at the end of its slice
    was_running = core.state == CoreState.RUNNING
    if was_running:
        cut(lane, core)
    if target is None:
        go_offline(lane, core)
        return
    rebind(lane, core, target)
    if was_running:
        lane.put_on_ready_list(core)


def open_place(lane, hw: int) -> int | None:
    """Give the open hardware core with the fewest schedulers, nearest to one that is closed."""
    able = [place.index for place in lane.hardware if place.is_open]
    total, machine = len(lane.hardware), lane.machine
    return min(
        able,
        key=lambda h: (len(lane.standing_on(h)), machine.distance(hw, h), (h - hw) % total),
        default=None,
    )


def go_offline(lane, core) -> None:
    """Let a scheduler stop, and its queued processes leave if they may."""
    lane.pending.cancel(EventKind.CORE, core.index)
    if core in lane.ready_list:
        lane.ready_list.remove(core)
    release(lane, core)
    core.state, core.wanted_hw = CoreState.OFFLINE, NONE
    lane.note(LogCode.OFFLINE, core.index, None, core.hw, cause_of(lane, core))
    if lane.is_erts:
        stop_wait(lane, core)
    mechanism = mechanism_of(lane, core)
    if lane.may_force(mechanism):
        for process in core.queued():
            move_out(lane, process, core, mechanism, successor(lane, process, core))


def successor(lane, process, core) -> int | None:
    """Give the scheduler of the BEAM that inherits a process of one that is suspended, if it may."""
    target = core.index % lane.used
    is_wanted = lane.is_erts and core.is_suspended
    return target if is_wanted and lane.is_available(target) and lane.may_run(process, target) else None


def cut(lane, core) -> None:
    """End a running segment, and its slice, before its time."""
    process, segment, machine = core.running, core.segment, lane.machine
    spent_ns = lane.now - segment.start_ns
    owed_ns = segment.direct_ns + segment.other_ns
    behind_ns = spent_ns - owed_ns  # behind what was owed: refill first, then work
    nspr, base = lane.nspr(process, core.index), machine.base_of(process, core.hw)
    done = max(0, min(segment.reds, ((behind_ns - segment.refill_ns) << 20) // nspr))
    paid_direct_ns = max(0, min(spent_ns, owed_ns) - segment.other_ns)
    process.debt_ns += segment.direct_ns - paid_direct_ns
    paid_lines = paid_refill_ns = 0
    if behind_ns > 0:
        paid_refill_ns = min(segment.refill_ns, behind_ns)
        paid_lines = segment.refill_lines
        if segment.refill_ns > 0:
            paid_lines = segment.refill_lines * paid_refill_ns // segment.refill_ns
    lane.pending.cancel(EventKind.CORE, core.index)
    paid = type(segment)(
        start_ns=segment.start_ns,
        reds=done,
        length_ns=spent_ns,
        direct_ns=paid_direct_ns,
        other_ns=spent_ns,
        refill_lines=paid_lines,
        refill_ns=paid_refill_ns,
        remote_ns=work_ns(done, nspr) - work_ns(done, base),
        ideal_ns=work_ns(done, machine.fastest_of(process)),
    )
    book(lane, core, paid)
    preempt(lane, core, may_leave=False)


def open_cores(lane, named: list[int]) -> None:
    """Bring hardware cores back, with the schedulers that had to stop."""
    opened = [lane.hardware[h] for h in sorted(named) if not lane.hardware[h].is_open]
    for place in opened:
        place.is_online, place.is_draining = True, False
        offline = [core for core in lane.cores if core.state == CoreState.OFFLINE]
        stopped = [core for core in offline if not core.is_suspended]
        for core in stopped:
            if core.is_pinned and core.hw == place.index:
                come_online(lane, core, place.cause)
        for core in stopped:
            if not core.is_pinned and place is opened[0]:
                if core.hw == place.index:
                    come_online(lane, core, place.cause)
                else:
                    rebind(lane, core, place.index, may_rescue=False)
    rescue(lane)
