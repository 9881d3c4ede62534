"""Process classes and replayed copies, resolved against a machine."""

import re
from dataclasses import dataclass
from typing import Any

import sim
from sim.workload.replay import ReplayOp
from tests.reference.machine import Machine
from tests.reference.numbers import distribution_mean, nearest

LOW_SKIP = 8
LEVEL = {"max": 0, "high": 1, "normal": 2, "low": 2}
PRIORITY = {"max": 0, "high": 1, "normal": 2, "low": 3}
PACE = 7  # ReplayOp.PACE
WAITS = {"block", "receive", "call"}


@dataclass(frozen=True)
class Affinity:
    """Where a process may or would rather run; the mask holds hardware cores."""

    type: str = "none"
    mask: frozenset[int] = frozenset()
    preferred_core: int | None = None
    max_migrations: int | None = None


@dataclass(frozen=True)
class ClassPlan:
    """What all processes of a class have in common."""

    index: int
    name: str
    count: int
    start: str
    group_size: int
    level: int  # queue
    priority: int  # as the BEAM counts it: low ones apart
    skip: int
    affinity: Affinity | None  # at first; None: inherit
    memory: Any  # sim.Memory
    expected_reds: int
    is_cpu_bound: bool
    program: tuple[Any, ...]
    arrival: Any  # sim.Arrival
    rate_per_s: float
    scale_q16: int = 1 << 16  # of the time of a reduction

    @property
    def intensity(self) -> float:
        """Give the share of run time that waits for memory."""
        return self.memory.intensity

    @property
    def density_q16(self) -> int:
        """Give the cache lines touched a reduction."""
        return nearest(self.memory.lines_per_reduction * 65536)

    @property
    def old_q16(self) -> int:
        """Give the share of accesses that go to the old heap."""
        return nearest(self.memory.old_share * 65536)


@dataclass(frozen=True)
class ReplayPlan:
    """A trace by process: rows (op, value, peer), working sets and parents."""

    rows: list[list[tuple[int, int, int]]]
    working_set_bytes: list[int]
    parents: list[int]
    copies: int
    schedulers: int
    pace_ns: list[float]  # time of a reduction by process, where it was recorded
    scales_q16: list[int]  # the same in units of the trace's
    stagger_ns: int

    def trace(self, copy: int, process: int) -> tuple:
        """Give what a copy of a recorded process is made of."""
        rows, size = self.rows[process], self.working_set_bytes[process]
        return copy, process, size, rows, self.scales_q16[process]


def plan_workload(workload, machine: Machine, cost) -> tuple[list[ClassPlan], ReplayPlan | None]:
    """Resolve a workload: its classes, and the trace if it is a replay."""
    if isinstance(workload, sim.Replay):
        return plan_replay(workload, machine)
    base, given = (
        base_time_ns(workload, cost),
        {x.process_class: x.ns_per_reduction for x in cost.class_times},
    )
    times = Times(base, {spec.name: given.get(spec.name, base) for spec in workload.classes})
    classes = [plan_class(i, spec, workload, machine, times) for i, spec in enumerate(workload.classes)]
    return classes, None


def base_time_ns(workload, cost) -> float:
    """Give the ns of a reduction in a lane, as its cost model or else the workload says."""
    if isinstance(workload, sim.Replay):
        return workload.trace.ns_per_reduction
    return cost.ns_per_reduction or workload.ns_per_reduction


@dataclass(frozen=True)
class Times:
    """Times of a reduction in ns: the usual one, and by class."""

    usual: float
    of: dict[str, float]


def plan_class(index: int, spec, workload, machine: Machine, times: Times) -> ClassPlan:
    """Resolve one class of a workload."""
    runs = [distribution_mean(step.draw) for step in spec.program if step.op == "run"]
    mean = sum(runs) / len(runs) if runs else 1.0
    return ClassPlan(
        index=index,
        name=spec.name,
        count=spec.count,
        start=spec.start,
        group_size=spec.group_size,
        level=LEVEL[spec.priority],
        priority=PRIORITY[spec.priority],
        skip=LOW_SKIP if spec.priority == "low" else 1,
        affinity=plan_affinity(spec.affinity, machine),
        memory=spec.memory,
        expected_reds=max(1, nearest(mean)),
        is_cpu_bound=is_cpu_bound(spec, times.of[spec.name]),
        program=spec.program,
        arrival=spec.arrival,
        rate_per_s=arrival_rate(spec, workload.classes, times, machine),
        scale_q16=max(1, nearest(times.of[spec.name] / times.usual * 65536)),
    )


def plan_affinity(spec, machine: Machine) -> Affinity | None:
    """Resolve an affinity; None: inherit."""
    if spec.type == "inherit":
        return None
    return Affinity(spec.type, parse_cores(spec.cores, machine), spec.preferred_core, spec.max_migrations)


def is_cpu_bound(spec, ns_per_reduction: float) -> bool:
    """Tell whether a class is CPU-bound: as it says, or by its program (§8)."""
    if spec.bound != "auto":
        return spec.bound == "cpu"
    if not any(step.op in WAITS for step in spec.program):
        return True
    runs = [distribution_mean(step.draw) for step in spec.program if step.op == "run"]
    blocks = [distribution_mean(step.draw) for step in spec.program if step.op == "block"]
    return bool(blocks) and sum(runs) * ns_per_reduction >= sum(blocks)


def demand_reds(spec, classes, times: Times, above: tuple[str, ...]) -> float:
    """Give the mean work of one pass of a class's program, with that of its children, in usual reductions."""
    if spec.name in above:
        raise ValueError(f"{spec.name} spawns itself: it has no mean demand")
    total = 0.0
    for step in spec.program:
        if step.op == "run":
            total += distribution_mean(step.draw) * (times.of[spec.name] / times.usual)
        elif step.op == "spawn":
            child = next(other for other in classes if other.name == step.to)
            total += step.count * demand_reds(child, classes, times, (*above, spec.name))
    return total


def arrival_rate(spec, classes, times: Times, machine: Machine) -> float:
    """Give the rate of an arrival stream; a `load` is demand over capacity of the machine."""
    arrival = spec.arrival
    if arrival.kind == "none" or arrival.rate_per_s is not None:
        return arrival.rate_per_s or 0.0
    capacity = sum(machine.speed) * 1e9 / times.usual
    rate = arrival.load * capacity / demand_reds(spec, classes, times, ())
    if arrival.kind == "on_off":
        rate *= (arrival.on_ns + arrival.off_ns) / arrival.on_ns
    return rate


def plan_replay(workload, machine: Machine) -> tuple[list[ClassPlan], ReplayPlan]:
    """Resolve a replay: one class for every process, and the trace row by row."""
    trace = workload.trace
    rows: list[list[tuple[int, int, int]]] = [[] for _ in range(trace.process_count)]
    columns = (trace.process, trace.op, trace.value, trace.peer)
    for process, *row in zip(*(column.tolist() for column in columns), strict=True):
        rows[process].append(tuple(row))
    paces = [pace_of(own, trace.ns_per_reduction) for own in rows]
    runs = [
        replay_reds(value, pace)
        for own, pace in zip(rows, paces, strict=True)
        for op, value, _ in own
        if op == ReplayOp.RUN
    ]
    mean = sum(runs) / len(runs) if runs else 1.0
    single = ClassPlan(
        index=0,
        name=workload.name,
        count=0,
        start="spread",
        group_size=1,
        level=LEVEL["normal"],
        priority=PRIORITY["normal"],
        skip=1,
        affinity=plan_affinity(workload.affinity, machine),
        memory=workload.memory,
        expected_reds=max(1, nearest(mean)),
        is_cpu_bound=workload.bound == "cpu",
        program=(),
        arrival=sim.Arrival(),
        rate_per_s=0.0,
    )
    begins = [own[0] for own in rows]
    replay = ReplayPlan(
        rows=[[row for row in own[1:] if row[0] != PACE] for own in rows],
        working_set_bytes=[value for _, value, _ in begins],
        parents=[peer for _, _, peer in begins],
        copies=workload.copies,
        schedulers=trace.schedulers,
        pace_ns=paces,
        scales_q16=[max(1, round(pace / trace.ns_per_reduction * 65536)) for pace in paces],
        stagger_ns=workload.stagger_ns,
    )
    return [single], replay


def pace_of(rows: list[tuple[int, int, int]], usual_ns: float) -> float:
    """Give the ns of a reduction of a recorded process: the row behind its BEGIN may say."""
    return rows[1][1] / 1000 if len(rows) > 1 and rows[1][0] == PACE else usual_ns


def replay_reds(value_ns: int, ns_per_reduction: float) -> int:
    """Turn recorded run time into reductions."""
    return max(1, round(value_ns / ns_per_reduction))


def parse_cores(text: str | None, machine: Machine) -> frozenset[int]:
    """Read a list such as "0-3,8", "type:P", "node:0"; None is every core.

    What the machine has not got is left out.
    """
    every = range(machine.num_cores)
    if text is None:
        return frozenset(every)
    chosen: set[int] = set()
    for item in text.replace(" ", "").split(","):
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", item)
        if span:
            chosen.update(range(int(span[1]), int(span[2] or span[1]) + 1))
            continue
        what, which = item.split(":")
        if what == "type":
            chosen.update(core for core in every if machine.type_name[core] == which)
        else:
            ids = {"node": machine.node, "cluster": machine.cluster, "package": machine.package}
            chosen.update(core for core in every if ids[what][core] == int(which))
    return frozenset(chosen & set(every))
