"""Workload specifications to step, class, distribution and mask tables."""

import math
from typing import NamedTuple

import numpy as np

from sim.layout import process as P
from sim.layout import step as T
from sim.masks import all_cores, mask_words
from sim.spec import workload as names
from sim.spec.base import SpecError
from sim.spec.simulation import Simulation
from sim.spec.workload import Affinity, Distribution, Memory, ProcessClass, Replay, Workload
from sim.topology.model import Topology
from sim.workload.replay import ReplayOp


class ProgramTables(NamedTuple):
    """A workload as tables.

    steps   : int64 (step, STEP_WIDTH); classes : int64 (class, CLASS_WIDTH)
    numbers : float64 (class, CLASS_NUMBER_WIDTH); draws : float64 (distribution, DRAW_WIDTH)
    values  : float64 (value,) of empirical distributions; masks : uint64 words each, the first is every core
    replay_op, replay_value, replay_peer : (operation,) of the trace, or one zero
    replay_first : (trace process + 1,) first operation of each
    replay_scale : (trace process,) time of its reductions over the trace's average, in 1/65536
    """

    steps: np.ndarray
    classes: np.ndarray
    numbers: np.ndarray
    draws: np.ndarray
    values: np.ndarray
    masks: list[np.ndarray]
    replay_op: np.ndarray
    replay_value: np.ndarray
    replay_peer: np.ndarray
    replay_first: np.ndarray
    replay_scale: np.ndarray


LEVELS = {"max": 0, "high": 1, "normal": 2, "low": 2}
AFFINITY_CODES = {
    "none": P.NO_AFFINITY,
    "preferred": P.PREFERRED,
    "strict": P.STRICT,
    "dynamic": P.DYNAMIC,
    "inherit": P.INHERIT,
}


class TableDraft:
    """Distribution, value and mask tables while they grow; rows are referred to by their number.

    draws  : rows of the distribution table, each DRAW_WIDTH numbers
    values : the values of all empirical distributions, one after the other
    masks  : uint64 words of each mask; the first is every core
    scales : time of a reduction by class, relative to the workload's
    """

    def __init__(self, topology: Topology, scales: dict[str, float] | None = None) -> None:
        self.topology, self.scales = topology, scales or {}
        self.draws: list[list[float]] = []
        self.values: list[float] = []
        self.masks: list[np.ndarray] = [all_cores(topology)]

    def draw(self, spec: Distribution) -> int:
        """Append a distribution; returns its row."""
        row = [float(names.KINDS.index(spec.kind)), *self.numbers(spec)]
        self.draws.append(row + [0.0] * (T.DRAW_WIDTH - len(row)))
        return len(self.draws) - 1

    def numbers(self, spec: Distribution) -> list[float]:
        """The kernel's parameters of a distribution (DESIGN §2); appends the values of an empirical one."""
        kind = spec.kind
        if kind in ("deterministic", "exponential"):
            return [float(spec.mean or 0.0)]
        if kind == "uniform":
            return [float(spec.low or 0.0), float(spec.high or 0.0)]
        if kind == "empirical":
            first = len(self.values)
            self.values.extend(float(v) for v in spec.values or ())
            return [float(first), float(len(spec.values or ()))]
        if kind == "bounded_pareto":
            low, high, shape = float(spec.low or 0), float(spec.high or 0), float(spec.shape or 0)
            return [low, shape, 1.0 - math.exp(shape * math.log(low / high))]
        mean = float(spec.mean or 0.0)
        if kind == "weibull":
            shape = float(spec.shape or 1.0)
            return [mean / math.gamma(1.0 + 1.0 / shape), shape]
        cv = float(spec.cv or 0.0)
        if kind == "lognormal":
            s2 = math.log(1.0 + cv * cv)
            return [math.log(mean) - s2 / 2, math.sqrt(s2)]
        p = (1.0 + math.sqrt((cv * cv - 1.0) / (cv * cv + 1.0))) / 2
        return [p, mean / (2 * p), mean / (2 * (1.0 - p))]

    def mask(self, affinity: Affinity, where: str, *, lenient: bool = False) -> int:
        """Append the mask of an affinity; returns its row, 0 (every core) without one."""
        if affinity.cores is None:
            return 0
        words = mask_words(self.topology, affinity.cores, f"{where}.cores", lenient=lenient)
        for row, known in enumerate(self.masks):
            if np.array_equal(known, words):
                return row
        self.masks.append(words)
        return len(self.masks) - 1

    def affinity(self, affinity: Affinity, where: str, *, lenient: bool = False) -> list[int]:
        """Mask, type, preferred core and own limit of an affinity, as the kernel stores them.

        `lenient` is for those set at run time: the lane then refuses a mask without a core, and counts it.
        """
        preferred = affinity.preferred_core
        if preferred is not None and preferred >= self.topology.num_cores:
            last = self.topology.num_cores - 1
            raise SpecError(f"{where}.preferred_core", preferred, f"a core of this machine, 0 to {last}")
        return [
            self.mask(affinity, where, lenient=lenient),
            AFFINITY_CODES[affinity.type],
            P.NONE if preferred is None else preferred,
            P.NONE if affinity.max_migrations is None else affinity.max_migrations,
        ]


def mean_of(spec: Distribution) -> float:
    """Expected value of a distribution, before rounding to whole numbers."""
    if spec.mean is not None:
        return float(spec.mean)
    if spec.values is not None:
        return sum(spec.values) / len(spec.values)
    low, high = float(spec.low or 0), float(spec.high or 0)
    if spec.kind == "uniform":
        return (low + high) / 2
    a = float(spec.shape or 1.0)
    if abs(a - 1.0) < 1e-9:
        return low * math.log(high / low) / (1 - low / high)
    return float(low**a / (1 - (low / high) ** a) * a / (a - 1) * (low ** (1 - a) - high ** (1 - a)))


def run_mean(kind: ProcessClass) -> float:
    """Mean demand of a run step of the class, reductions; 1 without any."""
    runs = [mean_of(step.draw) for step in kind.program if step.op == "run" and step.draw]
    return max(1.0, sum(runs) / len(runs)) if runs else 1.0


def demand_of(workload: Workload, scales: dict[str, float], index: int, depth: int = 0) -> float:
    """Mean reductions of average time that one process of a class brings, its children included."""
    # a chain of spawns that is longer than the list of classes has come back to one of them
    if depth > len(workload.classes):
        raise SpecError(
            f"classes.{index}.arrival.load",
            workload.classes[index].name,
            "a class whose children end",
            "give rate_per_s",
        )
    total = 0.0
    kinds = [kind.name for kind in workload.classes]
    for step in workload.classes[index].program:
        if step.op == "run" and step.draw:
            total += mean_of(step.draw) * scales[kinds[index]]
        elif step.op == "spawn" and step.to:
            total += step.count * demand_of(workload, scales, kinds.index(step.to), depth + 1)
    return total


def capacity_reds_per_s(topology: Topology, ns_per_reduction: float) -> float:
    """Reductions a second that the whole machine can do."""
    return float(topology.core_speed.sum()) * 1e9 / ns_per_reduction


def class_row(workload: Workload, index: int, tables: TableDraft, first_step: int, base: int) -> list[int]:
    """One row of the class table."""
    kind = workload.classes[index]
    scale = tables.scales[kind.name]
    row = [0] * T.CLASS_WIDTH
    row[T.FIRST_STEP] = first_step
    row[T.END_STEP] = first_step + len(kind.program)
    row[T.POPULATION] = kind.count
    row[T.BASE] = base
    row[T.GROUP_SIZE] = kind.group_size
    row[T.LEVEL] = LEVELS[kind.priority]
    row[T.LOW] = int(kind.priority == "low")
    set_affinity(row, tables.affinity(kind.affinity, f"workload.classes.{index}.affinity"))
    set_memory(row, kind.memory)
    row[T.IS_CPU_BOUND] = int(is_cpu_bound(kind, workload.ns_per_reduction * scale))
    row[T.SCALE_Q16] = max(1, q16(scale))
    row[T.START] = names.STARTS.index(kind.start)
    row[T.ARRIVAL] = names.ARRIVALS.index(kind.arrival.kind)
    row[T.EXPECTED_REDS] = math.floor(run_mean(kind) + 0.5)
    return row


def q16(value: float) -> int:
    """A non-negative number in 1/65536."""
    return math.floor(value * 65536 + 0.5)


def set_affinity(row: list[int], affinity: list[int]) -> None:
    """The columns of a class that TableDraft.affinity gives."""
    row[T.MASK], row[T.AFFINITY], row[T.PREFERRED], row[T.MAX_MIGRATIONS] = affinity


def set_memory(row: list[int], memory: Memory) -> None:
    """What a class keeps in caches and heaps; the working set of a replay is the trace's."""
    row[T.WORKING_SET] = memory.working_set_bytes
    row[T.DENSITY_Q16] = q16(memory.lines_per_reduction)
    row[T.HEAP_WORDS] = memory.heap_words
    row[T.WORDS_Q16] = q16(memory.words_per_reduction)
    row[T.SURVIVORS_Q16] = q16(memory.survivors)
    row[T.OLD_Q16] = q16(memory.old_share)
    row[T.FULLSWEEP] = memory.fullsweep_after


def is_cpu_bound(kind: ProcessClass, ns_per_reduction: float) -> bool:
    """Whether processes of a class are CPU-bound, by declaration or by their program (DESIGN §8)."""
    if kind.bound != "auto":
        return kind.bound == "cpu"
    runs = [mean_of(step.draw) for step in kind.program if step.op == "run" and step.draw]
    blocks = [mean_of(step.draw) for step in kind.program if step.op == "block" and step.draw]
    if blocks:
        return sum(runs) * ns_per_reduction >= sum(blocks)
    return not any(step.op in ("receive", "call") for step in kind.program)


def class_numbers(
    workload: Workload, scales: dict[str, float], index: int, topology: Topology
) -> list[float]:
    """Overlap, and the mean times of the arrival process."""
    kind = workload.classes[index]
    arrival = kind.arrival
    mean_ns = 0.0
    if arrival.rate_per_s is not None:
        mean_ns = 1e9 / arrival.rate_per_s
    elif arrival.load is not None:
        demand = demand_of(workload, scales, index)
        if demand <= 0:
            raise SpecError(
                f"workload.classes.{index}.arrival.load",
                arrival.load,
                "left out for a class that never runs",
                "give rate_per_s",
            )
        rate = arrival.load * capacity_reds_per_s(topology, workload.ns_per_reduction) / demand
        if arrival.kind == "on_off":
            rate *= (arrival.on_ns + arrival.off_ns) / arrival.on_ns
        mean_ns = 1e9 / rate
    if 0 < mean_ns < 1e-3:
        raise SpecError(f"workload.classes.{index}.arrival", mean_ns, "at most 10^12 arrivals a second")
    return [kind.memory.misses_in_flight, mean_ns, float(arrival.on_ns), float(arrival.off_ns)]


def step_rows(workload: Workload, tables: TableDraft) -> list[list[int]]:
    """The step table of all classes, one after the other."""
    kinds = [kind.name for kind in workload.classes]
    rows = []
    for index, kind in enumerate(workload.classes):
        for place, step in enumerate(kind.program):
            row = [0] * T.STEP_WIDTH
            row[T.OP] = names.OPS.index(step.op)
            if isinstance(step.affinity, Affinity):
                where = f"workload.classes.{index}.program.{place}.affinity"
                row[T.NEW_MASK : T.NEW_MAX + 1] = tables.affinity(step.affinity, where, lenient=True)
                rows.append(row)
                continue
            row[T.SPAWN_AFFINITY] = names.SPAWN_AFFINITIES.index(step.affinity or "class")
            row[T.DRAW] = tables.draw(step.draw) if step.draw else -1
            row[T.TARGET] = kinds.index(step.to) if step.to else -1
            row[T.PICK] = names.PICKS.index(step.pick)
            row[T.COUNT] = step.count
            rows.append(row)
    return rows


def program_of(topology: Topology, workload: Workload, tables: TableDraft) -> ProgramTables:
    """The tables of a workload of process classes; masks go to `tables`.

    Raises
    ------
    SpecError for a mask without a core of this machine, or a `load` of a class that has no finite demand
    """
    steps = step_rows(workload, tables)
    classes, first_step, base = [], 0, 0
    for index, kind in enumerate(workload.classes):
        classes.append(class_row(workload, index, tables, first_step, base))
        first_step += len(kind.program)
        base += kind.count
    numbers = [
        class_numbers(workload, tables.scales, index, topology) for index in range(len(workload.classes))
    ]
    return ProgramTables(
        steps=np.array(steps, np.int64),
        classes=np.array(classes, np.int64),
        numbers=np.array(numbers, np.float64),
        draws=np.array(tables.draws or [[0.0] * T.DRAW_WIDTH], np.float64),
        values=np.array(tables.values or [0.0], np.float64),
        masks=tables.masks,
        replay_op=np.zeros(1, np.int8),
        replay_value=np.zeros(1, np.int64),
        replay_peer=np.zeros(1, np.int32),
        replay_first=np.zeros(2, np.int64),
        replay_scale=np.full(1, q16(1.0), np.int64),
    )


def copies_of(topology: Topology, replay: Replay) -> int:
    """Copies of the trace that give its offered load on this machine, at least 1."""
    if replay.copies is not None:
        return replay.copies
    offered: float = replay.trace.run_total_ns() / replay.trace.window_ns
    if offered <= 0:
        raise SpecError("workload.load", replay.load, "left out for a trace that never runs", "give copies")
    return max(1, math.floor(float(replay.load or 0) * float(topology.core_speed.sum()) / offered + 0.5))


def replay_program(
    topology: Topology, replay: Replay, simulation: Simulation, tables: TableDraft
) -> ProgramTables:
    """The tables of a replayed trace; run times become reductions, masks go to `tables`.

    Raises
    ------
    SpecError for a horizon behind the end of the trace, a mask without a core, or more than 4096 copies
    """
    trace = replay.trace
    if simulation.horizon_ns > trace.window_ns + replay.stagger_ns:
        raise SpecError(
            "simulation.horizon_ns",
            simulation.horizon_ns,
            f"at most {trace.window_ns} (the trace's window) + stagger_ns",
            "shorten it, or record a longer trace",
        )
    copies = copies_of(topology, replay)
    if copies > 4096:
        raise SpecError(
            "workload.load",
            replay.load,
            f"at most {replay.load and replay.load * 4096 / copies:.3g} here (4096 copies)",
        )
    # the kernel knows paces as a table, not as operations
    kept = trace.op != ReplayOp.PACE
    op, peer = trace.op[kept], trace.peer[kept]
    begins = np.flatnonzero(op == ReplayOp.BEGIN)
    pace_ns = trace.pace_ns()
    runs = op == ReplayOp.RUN
    value = np.array(trace.value[kept], np.int64)
    value[runs] = np.maximum(1, np.rint(value[runs] / pace_ns[trace.process[kept][runs]])).astype(np.int64)
    present = int((peer[begins] < 0).sum())
    row = [0] * T.CLASS_WIDTH
    row[T.POPULATION] = present * copies
    row[T.GROUP_SIZE] = copies
    row[T.LEVEL] = LEVELS["normal"]
    row[T.SCALE_Q16] = q16(1.0)
    set_affinity(row, tables.affinity(replay.affinity, "workload.affinity"))
    set_memory(row, replay.memory)
    row[T.IS_CPU_BOUND] = int(replay.bound == "cpu")
    row[T.EXPECTED_REDS] = max(1, math.floor(float(value[runs].mean()) + 0.5)) if runs.any() else 1
    return ProgramTables(
        steps=np.zeros((1, T.STEP_WIDTH), np.int64),
        classes=np.array([row], np.int64),
        numbers=np.array([[replay.memory.misses_in_flight, 0.0, 0.0, 0.0]], np.float64),
        draws=np.zeros((1, T.DRAW_WIDTH), np.float64),
        values=np.zeros(1, np.float64),
        masks=tables.masks,
        replay_op=np.ascontiguousarray(op, np.int8),
        replay_value=value,
        replay_peer=np.ascontiguousarray(peer, np.int32),
        replay_first=np.append(begins, op.size).astype(np.int64),
        replay_scale=np.maximum(1, np.rint(pace_ns / trace.ns_per_reduction * 65536)).astype(np.int64),
    )
