"""Affinity: changes of it, processes in the wrong place, and their rescue (DESIGN §6, §13)."""

from tests.reference.codes import AFFINITY_TYPES, Cause, CoreState, LogCode, Mechanism, ProcessState
from tests.reference.migration import force_move
from tests.reference.plan import Affinity

MECHANISM_OF_CAUSE = (Mechanism.FAILURE, Mechanism.POWER)


def everywhere(lane) -> Affinity:
    """Give the affinity of a process that has none."""
    return Affinity("none", frozenset(range(lane.machine.num_cores)))


def affinity_at_birth(lane, kind, parent, how: str | None) -> Affinity:
    """Give a new process's affinity: of its class or its parent; `how` is what a spawn step says."""
    given = {"inherit": None, "none": everywhere(lane)}.get(how, lane.class_affinity[kind.index])
    if given is not None:
        return given
    return everywhere(lane) if parent is None else parent.affinity


def set_affinity(lane, process, affinity: Affinity) -> None:
    """Change the affinity of a process, unless that is refused, and move it if it has to."""
    core = lane.cores[process.core]
    may_move = lane.may_force(Mechanism.AFFINITY)
    is_excluded = affinity.type == "strict" and core.hw not in affinity.mask
    is_refused = not affinity.mask or (is_excluded and not may_move)
    lane.count("affinity_refused_count" if is_refused else "affinity_count")
    if not is_refused:
        process.affinity, process.is_marked = affinity, may_move
    number = AFFINITY_TYPES.index(affinity.type)
    lane.note(LogCode.AFFINITY, core.index, process, number, not is_refused)
    if is_refused or process.state != ProcessState.READY:
        return
    target = escape(lane, process, core.index)
    if target is not None:
        core.remove(process)
        force_move(lane, process, core.index, target, Mechanism.AFFINITY)
        lane.make_ready(process, lane.cores[target], may_wake_others=False)
    elif is_stranded(process, core):
        rescue_one(lane, process, core)
    elif core.state == CoreState.IDLE and process.may_run_on(core.hw):
        lane.make_due(core)


def is_misplaced(lane, process, core: int) -> bool:
    """Tell whether a process has to leave a core for its affinity (never, if nothing may force it)."""
    mask = process.affinity.mask
    if lane.cores[core].hw in mask or not lane.may_force(Mechanism.AFFINITY):
        return False
    if process.is_strict:
        return True
    return process.is_marked and process.has_preference and has_available(lane, mask)


def has_available(lane, mask, but: int | None = None) -> bool:
    """Tell whether a mask has an available core (other than one)."""
    return any(lane.is_available(core.index) for core in lane.cores if core.hw in mask and core.index != but)


def escape(lane, process, core: int) -> int | None:
    """Give the core that a misplaced process has to go to; None if it may stay or cannot leave."""
    return refuge(lane, process, core) if is_misplaced(lane, process, core) else None


def refuge(lane, process, core: int) -> int | None:
    """Give the least loaded available core, other than its own, that a process may go to."""
    mask = process.affinity.mask
    is_bound = process.is_strict or (process.has_preference and has_available(lane, mask, but=core))
    able = [
        other
        for other in lane.order(core)
        if lane.is_available(other) and (not is_bound or lane.cores[other].hw in mask)
    ]
    return min(able, key=lambda other: lane.cores[other].load()) if able else None


def move_out(lane, process, core, mechanism: Mechanism, target: int | None = None) -> None:
    """Move a queued process to a given core, else to its refuge, if it has one."""
    if target is None:
        target = refuge(lane, process, core.index)
    if target is None:
        return
    core.remove(process)
    force_move(lane, process, core.index, target, mechanism)
    lane.make_ready(process, lane.cores[target], may_wake_others=False)


def is_stranded(process, core) -> bool:
    """Tell whether a queued process cannot be run where it is."""
    return core.state == CoreState.OFFLINE or not process.may_run_on(core.hw)


def mechanism_of(lane, core) -> Mechanism:
    """Give the mechanism that moves processes away from a core that is not available."""
    return MECHANISM_OF_CAUSE[cause_of(lane, core)]


def cause_of(lane, core) -> Cause:
    """Tell why a scheduler is not available: a rest that was asked for counts as power."""
    return Cause.POWER if core.is_suspended else lane.hardware[core.hw].cause


def rescue(lane) -> None:
    """Move every stranded process that has a refuge by now."""
    for core in lane.cores:
        for process in core.queued():
            if is_stranded(process, core):
                rescue_one(lane, process, core)


def rescue_one(lane, process, core) -> None:
    """Move a stranded process to its refuge, if it has one and what stranded it may move processes."""
    is_offline = core.state == CoreState.OFFLINE
    mechanism = mechanism_of(lane, core) if is_offline else Mechanism.AFFINITY
    if lane.may_force(mechanism):
        move_out(lane, process, core, mechanism)


def count_stranded(lane) -> None:
    """Count the processes that an event has left stranded."""
    busy = [core for core in lane.cores if core.queue_length()]
    stranded = {process for core in busy for process in core.queued() if is_stranded(process, core)}
    lane.count("stranded_count", len(stranded - lane.stranded))
    lane.stranded = stranded
