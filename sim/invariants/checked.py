"""Lanes that are looked at while they run: the bits of sim.simulate, and the first invariant that breaks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from sim.arena import Arena
from sim.invariants.lane import LOG_ENTRIES, BrokenLaneError, SteppedLane
from sim.invariants.registry import Broken
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout.status import BROKEN
from sim.metrics.derive import metrics_of
from sim.plan import Lane, plan_of
from sim.simulate import Result, Row, collect, run_one
from sim.spec.simulation import Simulation
from sim.spec.timeline import Timeline
from sim.spec.workload import Replay, Workload
from sim.topology.model import Topology

SAME_BITS = "A lane that is stepped and looked at does what it does when it runs at once."
OnLook = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Looks:
    """When a lane is looked at: after every so many events, from an event on; the others are just handled.

    Before and after each entry of the timeline and the end of the warm-up it is looked at in any case.
    """

    every: int = 1
    from_event: int = 0


@dataclass(frozen=True)
class Break:
    """The first break of a lane.

    event   : number of the event after which it was found, warm-up included; 0 before the first
    time_ns : simulated; what : the event in words
    broken  : the invariants that do not hold then
    """

    event: int
    time_ns: int
    what: str
    broken: tuple[Broken, ...]

    def __str__(self) -> str:
        """The report, in some lines."""
        lines = [f"broken after event {self.event}, at {self.time_ns} ns of simulated time"]
        lines += [f"  {each}" for each in self.broken]
        return "\n".join([*lines, f"  the event: {self.what}"])


@dataclass(frozen=True)
class CheckedResult(Result):
    """As Result; the status of a lane that broke has the bit BROKEN_INVARIANT.

    breaks : what broke, by index of the lane
    """

    breaks: dict[int, Break] = field(default_factory=dict)

    @property
    def reports(self) -> dict[int, str]:
        """The breaks in words."""
        return {lane: str(each) for lane, each in self.breaks.items()}


def difference(lane: SteppedLane, row: Row) -> str:
    """What a stepped lane that has ended gives otherwise than the same lane at once; "" if nothing."""
    status, metrics, _ = row
    found = int(lane.z[S.STATUS])
    if found != status:
        return f"status {found}, expected {status}"
    span_ns = int(lane.z[K.HORIZON_NS] - lane.z[K.WARMUP_NS])
    for name, value in metrics_of(lane.arena, span_ns).items():
        if not np.array_equal(value, metrics[name], equal_nan=True):
            return f"{name} {value}, expected {metrics[name]}"
    return ""


def first_break(lane: SteppedLane, looks: Looks, row: Row, note: Callable[[], None]) -> Break | None:
    """Run a lane to its end under looks; the first break, or None."""
    try:
        lane.pass_over(looks.from_event)
        lane.run(lane.most, looks.every, note)
        if lane.is_complete:
            lane.finish()
        else:
            lane.end()
    except BrokenLaneError as error:
        return Break(error.events, error.time_ns, error.what, tuple(error.broken))
    found = difference(lane, row)
    broken = Broken("same bits", SAME_BITS, found)
    return Break(lane.events, lane.horizon_ns, "the end", (broken,)) if found else None


def simulate_checked(
    topology: Topology,
    workload: Workload | Replay,
    lanes: Iterable[Lane],
    simulation: Simulation | None = None,
    timeline: Timeline | None = None,
    *,
    threads: int = 1,
    looks: Looks = Looks(),
    on_look: OnLook | None = None,
) -> CheckedResult:
    """As sim.simulate, to the bit, with every invariant looked at: a thousand to a million times slower.

    Each lane runs twice: at once, for its result, and under looks until its end or its first break.

    Parameters
    ----------
    looks   : when
    threads : taken for the sake of sim.simulate's callers; lanes are looked at one after the other
    on_look : called after each look with the index of the lane, the events handled, and how many there are

    Raises
    ------
    SpecError as sim.simulate. A break is no exception: see `breaks`.
    """
    del threads
    settings = simulation or Simulation()
    rows: list[Row] = []
    breaks: dict[int, Break] = {}
    for index, spec in enumerate(lanes):
        plan = plan_of(topology, workload, [spec], settings, timeline)
        arena = Arena(plan)
        row = run_one(plan, arena, 0)
        total = int(arena.z[S.HANDLED])
        del arena
        logged = plan_of(topology, workload, [spec], settings, timeline, log_capacity=LOG_ENTRIES)
        lane = SteppedLane(logged)

        def note(lane: SteppedLane = lane, index: int = index, total: int = total) -> None:
            if on_look is not None:
                on_look(index, lane.events, total)

        found = first_break(lane, looks, row, note)
        if found is not None:
            breaks[index] = found
            row = (row[0] | BROKEN, row[1], row[2])
        rows.append(row)
    result = collect(rows)
    return CheckedResult(result.columns, result.core_utilisation, breaks)
