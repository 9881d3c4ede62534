"""Work that goes along the paths between run queues (DESIGN §20, Emigration and Immigration)."""

from tests.reference.codes import Mechanism
from tests.reference.migration import try_migration
from tests.reference.run_queue import LEVELS, lengths, util_short


def emigration(lane, core, level: int):
    """Give the scheduler that a process of this level should be queued at instead; None: stay."""
    path = core.rq.paths[level]
    if not lane.may_balance or path is None or not path.is_out:
        return None
    partner = lane.cores[path.partner]
    if path.is_evacuate or (path.was_inactive and core.rq.is_inactive):
        lane.seen["emigration " + ("evacuate" if path.is_evacuate else "inactive")] += 1
        return partner
    if path.is_util:
        should_go = (
            not partner.rq.is_nonempty
            and util_short(lane, partner) < path.limit_other
            and util_short(lane, core) > path.limit_here
        )
    else:
        should_go = lengths(core)[level] > path.limit_here and lengths(partner)[level] < path.limit_other
    lane.seen[f"emigration {'util' if path.is_util else 'length'}"] += should_go
    return partner if should_go else None


def emigrate_new(lane, process) -> None:
    """Let a new process be queued elsewhere than its placement says."""
    if not lane.is_erts or process.is_strict:
        return
    target = emigration(lane, lane.cores[process.core], process.kind.priority)
    if target is not None and lane.is_available(target.index):
        lane.seen["new one emigrates"] += 1
        process.core = target.index


def emigrate_woken(lane, process, source: int, k: int) -> tuple[int, int | None]:
    """Give the scheduler that a woken process is queued at, and the one that was asked."""
    target = emigration(lane, lane.cores[source], process.kind.priority) if lane.is_erts else None
    if target is None:
        return source, None
    if try_migration(lane, process, (source, target.index), Mechanism.BALANCE, k):
        lane.seen["woken one emigrates"] += 1
        return target.index, target.index
    return source, target.index


def emigrate_preempted(lane, process, core) -> int | None:
    """Give the number of the scheduler that a preempted process moves to; None: it stays."""
    if not lane.is_erts or not lane.is_available(core.index):
        return None
    target = emigration(lane, core, process.kind.priority)
    if target is None:
        return None
    place = (core.index, target.index)
    passes = try_migration(lane, process, place, Mechanism.BALANCE, core.queue_length())
    lane.seen["preempted one emigrates"] += passes
    return target.index if passes else None


def immigrate(lane, core) -> None:
    """Pull at most one process of each level that a path brings here."""
    for level in range(len(LEVELS)):
        path = core.rq.paths[level]
        if path is None or path.is_out or path.is_util:
            continue
        source = lane.cores[path.partner]
        is_unequal = lengths(core)[level] < path.limit_here and lengths(source)[level] > path.limit_other
        if path.is_evacuate or source.rq.is_inactive or is_unequal:
            kind = "evacuate" if path.is_evacuate else "inactive" if source.rq.is_inactive else "length"
            lane.seen[f"immigration {kind}"] += pull_one(lane, core, source, level)


def pull_one(lane, core, source, level: int) -> bool:
    """Move the first process of a level that may come; tell whether there was one."""
    place = (source.index, core.index)
    for position, process in enumerate(source.queued()):
        if process.kind.priority != level:
            continue
        if try_migration(lane, process, place, Mechanism.BALANCE, position + 1):
            source.remove(process)
            lane.enqueue(process, core)
            return True
    return False
