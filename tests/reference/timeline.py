"""What happens to the machine and its load at given times (DESIGN §15)."""

from sim.spec.timeline import OPS
from tests.reference.affinity import set_affinity
from tests.reference.codes import AFFINITY_TYPES, NONE, Cause, EventKind, LogCode
from tests.reference.faults import close_cores, open_cores
from tests.reference.online import set_online
from tests.reference.plan import parse_cores, plan_affinity
from tests.reference.rebinding import bind_scheduler


def set_changes(lane) -> None:
    """Make each entry an event."""
    for entry, change in enumerate(lane.timeline.changes):
        lane.pending.set(EventKind.TIMELINE, entry, change.time_ns)


def handle_change(lane, entry: int) -> None:
    """Do what an entry says."""
    change = lane.timeline.changes[entry]
    lane.note(LogCode.TIMELINE, NONE, None, entry, OPS.index(change.op))
    named = list(parse_cores(change.cores, lane.machine)) if change.cores is not None else []
    match change.op:
        case "core_offline":
            close_cores(lane, named, Cause.FAILURE)
        case "power_down":
            close_cores(lane, named, Cause.POWER)
        case "core_online" | "power_up":
            open_cores(lane, named)
        case "frequency":
            for core in named:
                lane.machine.set_frequency(core, change.mhz)
        case "affinity":
            change_affinity(lane, change)
        case "bind":
            bind_scheduler(lane, lane.cores[change.scheduler], change.core)
        case "unbind":
            lane.cores[change.scheduler].is_pinned = False
        case "schedulers_online":
            set_online(lane, change.count)
        case "load":
            for kind in lane.classes:
                if change.process_class in (None, kind.name) and kind.index in lane.arrivals:
                    lane.arrivals[kind.index].change_load(change.factor, lane.now)


def change_affinity(lane, change) -> None:
    """Give another affinity to the processes of a class, or of all, and to those to come."""
    affinity = plan_affinity(change.affinity, lane.machine)
    for kind in lane.classes:
        if change.process_class not in (None, kind.name):
            continue
        if not affinity.mask:
            lane.count("affinity_refused_count")
            lane.note(LogCode.AFFINITY, NONE, None, AFFINITY_TYPES.index(affinity.type), 0)
            continue
        lane.class_affinity[kind.index] = affinity
        for process in list(lane.slots):
            if process is not None and process.kind is kind:
                set_affinity(lane, process, affinity)
