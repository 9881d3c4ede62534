"""Schedulers that are online and others that are not (DESIGN §20, Schedulers online)."""

from tests.reference.affinity import rescue
from tests.reference.codes import Cause, CoreState
from tests.reference.faults import go_offline
from tests.reference.rebinding import come_online
from tests.reference.run_queue import LEVELS, Path


def set_online(lane, count: int) -> None:
    """Let the schedulers below `count` work and the others rest."""
    lane.used = count
    if lane.is_erts:
        reset_paths(lane)
    leaving = [core for core in lane.cores[count:] if not core.is_suspended]
    for core in leaving:
        core.is_suspended = True
    for core in leaving:
        suspend(lane, core)
    for core in lane.cores[:count]:
        if core.is_suspended:
            resume(lane, core)
    rescue(lane)


def reset_paths(lane) -> None:
    """Forget the paths between run queues; those that are not used any more send all away."""
    lane.vm.is_forced = True
    lane.vm.active = min(lane.vm.active, lane.used)
    lane.cores[0].rq.balance_reds = 0
    for core in lane.cores[: lane.used]:
        core.rq.paths = [None] * len(LEVELS)
        core.rq.is_inactive = False
    for core in lane.cores[lane.used :]:
        core.rq.paths = [Path(True, core.index % lane.used, is_evacuate=True)] * len(LEVELS)


def suspend(lane, core) -> None:
    """Let a scheduler rest: at once, or at the end of its slice."""
    lane.seen[f"suspended {core.state.name}"] += 1
    if core.state not in (CoreState.RUNNING, CoreState.OFFLINE):
        go_offline(lane, core)


def resume(lane, core) -> None:
    """Let a scheduler work again, unless its hardware core is closed."""
    lane.seen["resumed" if lane.hardware[core.hw].is_open else "resumed on a closed core"] += 1
    core.is_suspended = False
    if core.state == CoreState.OFFLINE and lane.hardware[core.hw].is_open:
        come_online(lane, core, Cause.POWER)
