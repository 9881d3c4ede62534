"""Coreshift's simulator of BEAM-style schedulers: topology, workload and policies in, columns out."""

from sim.cache import source_digest
from sim.layout.status import LaneStatus
from sim.metrics.table import METRICS, Metric
from sim.plan import Lane, plan_of
from sim.simulate import Result, compile_kernels, simulate, simulate_logged
from sim.spec.base import SpecError
from sim.spec.cost import Cost
from sim.spec.policy import (
    Adaptive,
    Balancing,
    BurstLimit,
    Decision,
    Limits,
    Placement,
    Policy,
    ProcessLimit,
    RateLimit,
    Stealing,
)
from sim.spec.simulation import Simulation
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
from sim.topology.errors import TopologyError
from sim.topology.model import DistanceClass, Topology
from sim.workload.replay import (
    NO_EDGE,
    NO_PEER,
    ROW_COUNT_MAX,
    VALUE_MAX,
    WORKING_SET_MIN_BYTES,
    ReplayOp,
    ReplayTrace,
    TraceError,
    replay_stuck,
)

__all__ = [
    "METRICS", "NO_EDGE", "NO_PEER", "ROW_COUNT_MAX", "VALUE_MAX", "WORKING_SET_MIN_BYTES",
    "Adaptive", "Affinity", "Arrival", "Balancing", "BurstLimit", "Cost", "Decision",
    "DistanceClass", "Distribution", "Lane", "LaneStatus", "Limits", "Memory", "Metric",
    "Placement", "Policy", "ProcessClass", "ProcessLimit", "RateLimit", "Replay", "ReplayOp",
    "ReplayTrace", "Result", "Simulation", "SpecError", "Stealing", "Step", "Topology",
    "TopologyError", "TraceError", "Workload", "compile_kernels", "plan_of", "replay_stuck",
    "simulate", "simulate_logged", "source_digest",
]  # fmt: skip
