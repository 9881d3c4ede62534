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


@dataclass(frozen=True)
class ClassPlan:
    """What all processes of a class have in common."""

    index: int
    name: str
    count: int
    start: str
    group_size: int
    level: int
    skip: int
    affinity: str
    mask: frozenset[int]
    working_set_bytes: int
    intensity: float
    density_q16: int
    overlap: float
    expected_reds: int
    program: tuple[Any, ...]
    arrival: Any  # sim.Arrival
    rate_per_s: float


@dataclass(frozen=True)
class ReplayPlan:
    """A trace by process: rows (op, value, peer), working sets and parents."""

    rows: list[list[tuple[int, int, int]]]
    working_set_bytes: list[int]
    parents: list[int]
    copies: int
    schedulers: int
    ns_per_reduction: float
    stagger_ns: int


def plan_workload(workload, machine: Machine) -> tuple[list[ClassPlan], ReplayPlan | None]:
    """Resolve a workload: its classes, and the trace if it is a replay."""
    if isinstance(workload, sim.Replay):
        return plan_replay(workload, machine)
    classes = [plan_class(i, spec, workload, machine) for i, spec in enumerate(workload.classes)]
    return classes, None


def plan_class(index: int, spec, workload, machine: Machine) -> ClassPlan:
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
        skip=LOW_SKIP if spec.priority == "low" else 1,
        affinity=spec.affinity.type,
        mask=parse_cores(spec.affinity.cores, machine),
        working_set_bytes=spec.memory.working_set_bytes,
        intensity=spec.memory.intensity,
        density_q16=nearest(spec.memory.lines_per_reduction * 65536),
        overlap=spec.memory.overlap,
        expected_reds=max(1, nearest(mean)),
        program=spec.program,
        arrival=spec.arrival,
        rate_per_s=arrival_rate(spec, workload.classes, workload.ns_per_reduction, machine),
    )


def demand_reds(spec, classes, above: tuple[str, ...]) -> float:
    """Give the mean work of one pass of a class's program, with that of its children."""
    if spec.name in above:
        raise ValueError(f"{spec.name} spawns itself: it has no mean demand")
    total = 0.0
    for step in spec.program:
        if step.op == "run":
            total += distribution_mean(step.draw)
        elif step.op == "spawn":
            child = next(other for other in classes if other.name == step.to)
            total += step.count * demand_reds(child, classes, (*above, spec.name))
    return total


def arrival_rate(spec, classes, ns_per_reduction: float, machine: Machine) -> float:
    """Give the rate of an arrival stream; a `load` is demand over capacity of the machine."""
    arrival = spec.arrival
    if arrival.kind == "none" or arrival.rate_per_s is not None:
        return arrival.rate_per_s or 0.0
    demand = demand_reds(spec, classes, ())
    rate = arrival.load * sum(machine.speed) * 1e9 / (demand * ns_per_reduction)
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
    runs = [value for own in rows for op, value, _ in own if op == ReplayOp.RUN]
    mean = sum(runs) / len(runs) / trace.ns_per_reduction if runs else 1.0
    single = ClassPlan(
        index=0,
        name=workload.name,
        count=0,
        start="spread",
        group_size=1,
        level=LEVEL["normal"],
        skip=1,
        affinity=workload.affinity.type,
        mask=parse_cores(workload.affinity.cores, machine),
        working_set_bytes=0,
        intensity=workload.memory.intensity,
        density_q16=nearest(workload.memory.lines_per_reduction * 65536),
        overlap=workload.memory.overlap,
        expected_reds=max(1, nearest(mean)),
        program=(),
        arrival=sim.Arrival(),
        rate_per_s=0.0,
    )
    begins = [own[0] for own in rows]
    replay = ReplayPlan(
        rows=[own[1:] for own in rows],
        working_set_bytes=[value for _, value, _ in begins],
        parents=[peer for _, _, peer in begins],
        copies=workload.copies,
        schedulers=trace.schedulers,
        ns_per_reduction=trace.ns_per_reduction,
        stagger_ns=workload.stagger_ns,
    )
    return [single], replay


def replay_reds(value_ns: int, ns_per_reduction: float) -> int:
    """Turn recorded run time into reductions."""
    return max(1, nearest(value_ns / ns_per_reduction))


def parse_cores(text: str | None, machine: Machine) -> frozenset[int]:
    """Read a list such as "0-3,8", "type:P", "node:0"; None is every core."""
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
    return frozenset(chosen)
