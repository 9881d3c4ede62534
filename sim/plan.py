"""Specifications to what the kernel runs: shared read-only tables, and one row of parameters a lane."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim import parameters
from sim.layout import parameter as K
from sim.layout import step as T
from sim.layout.bundles import Tables
from sim.programs import program_of, replay_program
from sim.spec.base import SpecError
from sim.spec.cost import Cost
from sim.spec.policy import Policy
from sim.spec.simulation import Simulation
from sim.spec.workload import Replay, Workload
from sim.tables import tables_of
from sim.topology.model import Topology

CORES_MAX = 4096


@dataclass(frozen=True)
class Lane:
    """One point and one replicate: the unit that is simulated.

    seed : int >= 0, of the study; replicate : int >= 0. Lanes with equal seed and replicate meet the same arrivals,
    demands and message targets, whatever their policies.
    """

    policy: Policy
    cost: Cost = Cost()
    seed: int = 1
    replicate: int = 0


class Plan(NamedTuple):
    """What fixes the results of lanes that share a machine and a workload.

    tables : read only; parameters : int64 (lane, parameter.COUNT), positions less parameter.BASE
    stagger_ns, schedulers : of a replay, else 0 and 1
    spawns : whether processes can be created after time 0
    """

    tables: Tables
    parameters: np.ndarray
    closed: int
    spawns: bool
    stagger_ns: int
    schedulers: int


def lane_key(seed: int, replicate: int) -> int:
    """Random key of a lane, as int64 holding uint64 bits (DESIGN §2)."""
    key = np.random.SeedSequence([seed, replicate]).generate_state(1, np.uint64)
    return int(key.view(np.int64)[0])


def check_lanes(lanes: "list[Lane] | tuple[Lane, ...]") -> None:
    """Raise SpecError unless there are lanes, and they agree on what a batch shares."""
    if not lanes:
        raise SpecError("lanes", lanes, "at least one lane")
    for index, lane in enumerate(lanes):
        for name in ("seed", "replicate"):
            value = getattr(lane, name)
            if type(value) is not int or not 0 <= value < 2**63:
                raise SpecError(f"lanes.{index}.{name}", value, "a whole number from 0 to 2^63 - 1")


def plan_of(
    topology: Topology, workload: Workload | Replay, lanes: list[Lane], simulation: Simulation, log_capacity: int = 0
) -> Plan:
    """Check everything and build the tables of a batch.

    Raises
    ------
    SpecError for what the parts of a specification cannot see alone: a mask without a core of this machine, more
    closed processes than slots, a horizon behind the end of the trace, limits too large to keep.
    """
    check_lanes(lanes)
    if topology.num_cores > CORES_MAX:
        raise SpecError("topology.cores", topology.num_cores, f"at most {CORES_MAX}")
    is_replay = isinstance(workload, Replay)
    program = replay_program(topology, workload, simulation) if is_replay else program_of(topology, workload)
    memories = [workload.memory] if is_replay else [kind.memory for kind in workload.classes]
    per_reduction = workload.trace.ns_per_reduction if is_replay else workload.ns_per_reduction
    tables = tables_of(topology, program, per_reduction, memories)
    closed = int(program.classes[:, T.POPULATION].sum())
    if closed > simulation.max_processes:
        raise SpecError(
            "simulation.max_processes", simulation.max_processes, f"at least the {closed} processes present at the start"
        )
    shared = parameters.shared_row(topology, program, simulation, tables, is_replay)
    shared[K.LOG_CAPACITY - K.BASE] = log_capacity
    rows = [parameters.lane_row(shared, lane.policy, lane.cost, lane_key(lane.seed, lane.replicate)) for lane in lanes]
    spawns = is_replay or bool(
        (program.classes[:, T.ARRIVAL] != T.NO_ARRIVAL).any() or (program.steps[:, T.OP] == T.SPAWN).any()
    )
    stagger, schedulers = (workload.stagger_ns, workload.trace.schedulers) if is_replay else (0, 1)
    return Plan(tables, np.stack(rows), closed, spawns, stagger, schedulers)
