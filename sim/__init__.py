"""Coreshift's simulator of BEAM-style schedulers: topology, workload and policies in, columns out."""

from sim.cache import kernel_cache, source_digest
from sim.invariants.checked import Break, CheckedResult, Looks, simulate_checked
from sim.invariants.registry import INVARIANTS
from sim.layout.counter import MECHANISMS, REASONS
from sim.layout.decision import DECISION_COLUMNS
from sim.layout.status import LaneStatus
from sim.live import LiveLane, ProcessAffinity
from sim.metrics.table import METRICS, Metric
from sim.plan import Lane, plan_of
from sim.simulate import Result, compile_kernels, simulate, simulate_logged
from sim.spec.base import SpecError
from sim.spec.binding import Binding
from sim.spec.cost import ClassTime, Cost, Power
from sim.spec.policy import (
    Adaptive,
    Balancing,
    BurstLimit,
    Decision,
    Erts,
    Limits,
    Placement,
    Policy,
    ProcessLimit,
    RateLimit,
    Stealing,
    Triggers,
)
from sim.spec.simulation import Simulation
from sim.spec.timeline import Change, Timeline
from sim.spec.workload import (
    Affinity,
    Arrival,
    Distribution,
    Memory,
    ProcessClass,
    Replay,
    Step,
    Workload,
)
from sim.topology.beam_convert import beam_of, topology_of
from sim.topology.beam_cpu import BeamCpu, BeamTopology
from sim.topology.beam_sct import format_ids, format_sct, parse_ids, parse_sct
from sim.topology.beam_term import format_term, parse_term
from sim.topology.bind_order import BIND_ATOMS, BIND_TYPES, bind_order, scheduler_map
from sim.topology.errors import TopologyError
from sim.topology.model import DistanceClass, Topology
from sim.workload.replay import (
    NO_EDGE,
    NO_PEER,
    PACE_MAX_PS,
    PICOSECONDS_PER_NS,
    ROW_COUNT_MAX,
    VALUE_MAX,
    WORKING_SET_MIN_BYTES,
    ReplayOp,
    ReplayTrace,
    TraceError,
    replay_stuck,
)

__all__ = [
    "Adaptive", "Affinity", "Arrival", "BIND_ATOMS", "BIND_TYPES", "Balancing", "BeamCpu", "BeamTopology",
    "Binding", "Break", "BurstLimit", "Change", "CheckedResult", "ClassTime", "Cost", "DECISION_COLUMNS",
    "Decision", "DistanceClass", "Distribution", "Erts", "INVARIANTS", "Lane", "LaneStatus", "Limits",
    "LiveLane", "Looks", "MECHANISMS", "METRICS", "Memory", "Metric", "NO_EDGE", "NO_PEER", "PACE_MAX_PS",
    "PICOSECONDS_PER_NS", "Placement", "Policy", "Power", "ProcessAffinity", "ProcessClass",
    "ProcessLimit", "REASONS", "ROW_COUNT_MAX", "RateLimit", "Replay", "ReplayOp", "ReplayTrace",
    "Result", "Simulation", "SpecError", "Stealing", "Step", "Timeline", "Topology", "TopologyError",
    "TraceError", "Triggers", "VALUE_MAX", "WORKING_SET_MIN_BYTES", "Workload", "beam_of", "bind_order",
    "compile_kernels", "format_ids", "format_sct", "format_term", "kernel_cache", "parse_ids", "parse_sct",
    "parse_term", "plan_of", "replay_stuck", "scheduler_map", "simulate", "simulate_checked",
    "simulate_logged", "source_digest", "topology_of",
]  # fmt: skip
