"""What of a process is still in caches where it ran before (DESIGN §7, Warm history)."""

from tests.reference.numbers import exp, nearest
from tests.reference.process import Visit

DECAY = [nearest(65536 * exp(-i / 32)) for i in range(385)]
REMEMBERED_MAX = 4


def touch(lane, core, process) -> None:
    """Count the bytes that a slice of a new process brings into the caches."""
    machine, hw = lane.machine, core.hw
    smt, cluster = machine.smt[hw], machine.cluster[hw]
    if core.last_process is not process:
        size = process.working_set_bytes
        lane.footprint[smt] += min(size, machine.private_cache_bytes[hw])
        lane.shared_footprint[cluster] += min(size, machine.cluster_cache_bytes[cluster])
    process.here = Visit(smt, lane.footprint[smt], cluster, lane.shared_footprint[cluster])


def use_up_warmth(lane, process, source: int, target: int) -> tuple[int, int]:
    """Let a process leave a hardware core for another.

    Gives the shares (Q16) of its lines that are still in the private cache and in the shared one there.
    """
    near_q16 = near_share(lane, process, target)
    if process.here is not None:  # else nothing of it is in that cache
        smt = lane.machine.smt[source]
        assert process.here.smt == smt
        kept = [visit for visit in process.visits if visit.smt != smt]
        process.visits = [*kept, process.here][-REMEMBERED_MAX:]
    process.here = None
    warm_q16 = 0
    for visit in process.visits:
        if visit.smt == lane.machine.smt[target]:
            process.visits.remove(visit)
            # Should it leave again before it runs, this is what it left there.
            process.here = visit
            touched = lane.footprint[visit.smt] - visit.footprint
            warm_q16 = decay(touched, lane.machine.private_cache_bytes[target])
            break
    return warm_q16, near_q16


def near_share(lane, process, target: int) -> int:
    """Give the share of lines still in the shared cache of the target's cluster."""
    cluster = lane.machine.cluster[target]
    for visit in reversed(process.visits):
        if visit.cluster == cluster:
            touched = lane.shared_footprint[cluster] - visit.shared_footprint
            return decay(touched, lane.machine.cluster_cache_bytes[cluster])
    return 0


def decay(touched: int, cache_bytes: int) -> int:
    """Give the share that is left after so many bytes have been touched."""
    return DECAY[min(384, touched * 32 // cache_bytes)] if cache_bytes else 0
