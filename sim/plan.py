"""Specifications to what the kernel runs: shared read-only tables, and one row of parameters a lane."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim import parameters
from sim.binding import binding_map, binding_of, schedulers_of
from sim.class_times import scales_of, with_times
from sim.layout import parameter as K
from sim.layout import step as T
from sim.magnitude import check_magnitude
from sim.programs import ProgramTables, TableDraft, program_of, replay_program
from sim.spec.base import SpecError
from sim.spec.binding import Binding
from sim.spec.cost import ClassTime, Cost
from sim.spec.policy import Policy
from sim.spec.simulation import Simulation
from sim.spec.timeline import Timeline
from sim.spec.workload import Memory, Replay, Workload
from sim.tables import Tables, tables_of
from sim.timeline import timeline_of
from sim.topology.model import Topology

CORES_MAX = 4096


@dataclass(frozen=True)
class Lane:
    """One point and one replicate: the unit that is simulated.

    seed : int >= 0, of the study; replicate : int >= 0. Lanes with equal seed and replicate meet the
    same arrivals, demands and message targets, whatever their policies.
    """

    policy: Policy
    cost: Cost = Cost()
    seed: int = 1
    replicate: int = 0
    binding: Binding = Binding()

    @property
    def times(self) -> tuple[float | None, tuple[ClassTime, ...]]:
        """What the lane's cost model says of the times of reductions: the same for all lanes of a plan."""
        return self.cost.ns_per_reduction, self.cost.class_times


class Plan(NamedTuple):
    """What fixes the results of lanes that share a machine and a workload.

    tables : read only; parameters : int64 (lane, parameter.COUNT), positions less parameter.BASE
    maps : one a lane, int64 (scheduler, 2): hardware core where it begins, and whether it is pinned there
    node_capacity : int64 (node,), bytes; zeros where memory has no limit
    closed : processes present at time 0; spawns : whether others can be created later
    stagger_ns, schedulers : of a replay, else 0 and 1
    """

    tables: Tables
    parameters: np.ndarray
    maps: list[np.ndarray]
    node_capacity: np.ndarray
    closed: int
    spawns: bool
    stagger_ns: int
    schedulers: int


class Work(NamedTuple):
    """What a plan takes from a workload, made of classes or recorded.

    memories : one a class; schedulers : of the recording machine, 1 for classes
    """

    program: ProgramTables
    memories: list[Memory]
    ns_per_reduction: float
    is_replay: bool
    spawns: bool
    stagger_ns: int
    schedulers: int


def class_work(topology: Topology, workload: Workload, draft: TableDraft) -> Work:
    """The part of a plan that comes from process classes."""
    program = program_of(topology, workload, draft)
    arrives = (program.classes[:, T.ARRIVAL] != T.NO_ARRIVAL).any()
    spawns = arrives or (program.steps[:, T.OP] == T.SPAWN).any()
    memories = [kind.memory for kind in workload.classes]
    return Work(program, memories, workload.ns_per_reduction, False, bool(spawns), 0, 1)


def replay_work(topology: Topology, replay: Replay, simulation: Simulation, draft: TableDraft) -> Work:
    """The part of a plan that comes from a recorded trace; its processes spawn others as a rule."""
    program, trace = replay_program(topology, replay, simulation, draft), replay.trace
    return Work(
        program, [replay.memory], trace.ns_per_reduction, True, True, replay.stagger_ns, trace.schedulers
    )


def lane_key(seed: int, replicate: int) -> int:
    """Random key of a lane, as int64 holding uint64 bits (DESIGN §2)."""
    key = np.random.SeedSequence([seed, replicate]).generate_state(1, np.uint64)
    return int(key.view(np.int64)[0])


def check_lanes(lanes: list[Lane]) -> None:
    """Raise SpecError unless there are lanes, and they agree on what a batch shares."""
    if not lanes:
        raise SpecError("lanes", lanes, "at least one lane")
    for index, lane in enumerate(lanes):
        for name in ("seed", "replicate"):
            value = getattr(lane, name)
            if type(value) is not int or not 0 <= value < 2**63:
                raise SpecError(f"lanes.{index}.{name}", value, "a whole number from 0 to 2^63 - 1")
    if len({lane.times for lane in lanes}) > 1:
        raise SpecError("lanes", "several", "lanes with the same times of reductions in a plan")


def plan_of(
    topology: Topology,
    workload: Workload | Replay,
    lanes: list[Lane],
    simulation: Simulation,
    timeline: Timeline | None = None,
    *,
    log_capacity: int = 0,
    decisions: int = 0,
    spare_masks: int = 0,
) -> Plan:
    """Check everything and build the tables of a batch.

    Raises
    ------
    SpecError for what the parts of a specification cannot see alone: a mask without a core of this
    machine, more closed processes than slots, a horizon behind the end of the trace, limits too large
    to keep, a timeline that names what there is not.
    """
    check_lanes(lanes)
    if topology.num_cores > CORES_MAX:
        raise SpecError("topology.cores", topology.num_cores, f"at most {CORES_MAX}")
    classes: list[str] = []
    if isinstance(workload, Replay):
        draft = TableDraft(topology)
        work = replay_work(topology, workload, simulation, draft)
    else:
        workload = with_times(workload, lanes[0].cost)
        draft = TableDraft(topology, scales_of(workload, lanes[0].cost))
        work = class_work(topology, workload, draft)
        classes = [kind.name for kind in workload.classes]
    check_magnitude(topology, workload, draft.scales)
    bindings = [binding_of(lane.policy, lane.binding) for lane in lanes]
    fewest = min(schedulers_of(binding, topology) for binding in bindings)
    changes = timeline_of(timeline or Timeline(), draft, classes, fewest, simulation.horizon_ns)
    # a lane that is changed while it runs needs room for masks, and all that changes may bring about
    draft.masks += [np.zeros_like(draft.masks[0]) for _ in range(spare_masks)]
    tables = tables_of(topology, work.program, work.ns_per_reduction, work.memories, changes)
    closed = int(work.program.classes[:, T.POPULATION].sum())
    if closed > simulation.max_processes:
        raise SpecError(
            "simulation.max_processes",
            simulation.max_processes,
            f"at least the {closed} processes present at the start",
            "raise it" + (", or lower workload.load" if work.is_replay else ""),
        )
    shared = parameters.shared_row(topology, work.program, simulation, tables, work.is_replay)
    shared[K.LOG_CAPACITY - K.BASE] = log_capacity
    shared[K.DECISION_CAPACITY - K.BASE] = decisions
    if spare_masks:
        tables = tables._replace(has_masks=True, has_preferred=True, is_live=True)
        shared[K.HAS_MASKS - K.BASE] = 1
    maps = {binding: binding_map(binding, topology) for binding in bindings}
    rows = [
        parameters.lane_row(
            shared, lane.policy, lane.cost, binding, maps[binding], tables,
            lane_key(lane.seed, lane.replicate),
        )
        for lane, binding in zip(lanes, bindings, strict=True)
    ]  # fmt: skip
    capacity = parameters.node_capacity(topology, simulation)
    return Plan(
        tables, np.stack(rows), [maps[binding] for binding in bindings],
        np.zeros(topology.num_nodes, np.int64) if capacity is None else capacity,
        closed, work.spawns, work.stagger_ns, work.schedulers,
    )  # fmt: skip
