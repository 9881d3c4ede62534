"""What Python calls of the kernel: one compiled function, so that all is compiled once, and kept together."""

import numpy as np

from sim.kernels import affinity, event_loop, measure, schedulers, strand
from sim.kernels.jit import entry
from sim.kernels.pointers import arena, numbers, table

Array = np.ndarray

(
    RUN_LANE, BEGIN_LANE, LOOP, FINISH_LANE, DRAIN, ADVANCE, SET_AFFINITY, ALLOWS, UPDATE_SETS,
    MIGRATE_SCHEDULER, BIND_SCHEDULER, UNBIND_SCHEDULER,
) = range(12)  # fmt: skip


@entry
def call(z, g, f, order):
    """Do order[0] in arena z (int64) with tables g (int64) and f (float64); the others are arguments."""
    z, g, f, order = arena(z), table(g), numbers(f), table(order)
    what, a, b = order[0], order[1], order[2]
    if what == RUN_LANE:
        event_loop.begin_lane(z, g, f, a, b)
        events = event_loop.loop(z, g, f)
        event_loop.finish_lane(z, g, f)
        return events
    if what == BEGIN_LANE:
        event_loop.begin_lane(z, g, f, a, b)
    elif what == LOOP:
        return event_loop.loop(z, g, f)
    elif what == FINISH_LANE:
        event_loop.finish_lane(z, g, f)
    elif what == DRAIN:
        event_loop.drain(z, g, f)
    elif what == ADVANCE:
        measure.advance(z, g, f, a)
    elif what == SET_AFFINITY:
        return 1 if affinity.set_affinity(z, g, f, a, b, order[3], order[4], order[5]) else 0
    elif what == ALLOWS:
        return 1 if strand.allows(z, a, b) else 0
    elif what == UPDATE_SETS:
        schedulers.update_sets(z, g, a, b)
    elif what == MIGRATE_SCHEDULER:
        return 1 if schedulers.migrate_scheduler(z, g, f, a, b) else 0
    elif what == BIND_SCHEDULER:
        return 1 if schedulers.bind_scheduler_to_core(z, g, f, a, b) else 0
    elif what == UNBIND_SCHEDULER:
        schedulers.unbind_scheduler(z, a)
    return 0


def do(z: Array, g: Array, f: Array, what: int, *arguments: int) -> int:
    """call(), with at most five arguments."""
    order = np.zeros(6, np.int64)
    order[: 1 + len(arguments)] = what, *arguments
    return int(call(z, g, f, order))


def run_lane(z: Array, g: Array, f: Array, stagger_ns: int, num_schedulers: int) -> int:
    """Simulate one lane in a cleared arena (sim/arena.py); returns its events, warm-up included.

    Results are in the arena: scalars, counters, histograms and core rows. `stagger_ns` and
    `num_schedulers` are those of a replay (sim/plan.py).
    """
    return do(z, g, f, RUN_LANE, stagger_ns, num_schedulers)


def begin_lane(z: Array, g: Array, f: Array, stagger_ns: int, num_schedulers: int) -> None:
    """Time 0, in a cleared arena: the processes that are there at the start."""
    do(z, g, f, BEGIN_LANE, stagger_ns, num_schedulers)


def loop(z: Array, g: Array, f: Array) -> int:
    """Handle events until UNTIL_NS, the event limit or a stop; returns how many were handled in all."""
    return do(z, g, f, LOOP)


def finish_lane(z: Array, g: Array, f: Array) -> None:
    """Account for the time since the last event."""
    do(z, g, f, FINISH_LANE)


def drain(z: Array, g: Array, f: Array) -> None:
    """Dispatch the cores that are due now."""
    do(z, g, f, DRAIN)


def advance(z: Array, g: Array, f: Array, time_ns: int) -> None:
    """Let time pass, without an event."""
    do(z, g, f, ADVANCE, time_ns)


def set_affinity(z: Array, g: Array, f: Array, p: int, new: tuple[int, int, int, int]) -> bool:
    """Give process p another affinity; `new`: mask, type, preferred core, own limit. Was it taken?"""
    return bool(do(z, g, f, SET_AFFINITY, p, *new))


def allows(z: Array, g: Array, f: Array, p: int, c: int) -> bool:
    """May process p run on scheduler c?"""
    return bool(do(z, g, f, ALLOWS, p, c))


def update_sets(z: Array, g: Array, f: Array, c: int, h: int) -> None:
    """Scheduler c is in the sets that hold hardware core h."""
    do(z, g, f, UPDATE_SETS, c, h)


def migrate_scheduler(z: Array, g: Array, f: Array, c: int, h: int) -> bool:
    """Move scheduler c to hardware core h; False if that is refused."""
    return bool(do(z, g, f, MIGRATE_SCHEDULER, c, h))


def bind_scheduler_to_core(z: Array, g: Array, f: Array, c: int, h: int) -> bool:
    """Pin scheduler c to hardware core h; False if it is there already or h is not open."""
    return bool(do(z, g, f, BIND_SCHEDULER, c, h))


def unbind_scheduler(z: Array, g: Array, f: Array, c: int) -> None:
    """Scheduler c may be moved from now on."""
    do(z, g, f, UNBIND_SCHEDULER, c)
