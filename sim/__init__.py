"""Coreshift's simulator of BEAM-style schedulers: build a topology, a workload and policies; get columns back."""

from sim.cache import source_digest
from sim.layout.status import LaneStatus
from sim.metrics.table import METRICS, Metric
from sim.plan import Lane
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
from sim.workload.replay import ReplayOp, ReplayTrace, TraceError

__all__ = [
    "METRICS", "Lane", "LaneStatus", "Metric", "ReplayOp", "ReplayTrace", "Result", "Topology", "TopologyError", "TraceError", "DistanceClass",
    "compile_kernels", "simulate", "simulate_logged", "source_digest",
    "Adaptive", "Affinity", "Arrival", "Balancing", "BurstLimit", "Cost", "Decision", "Distribution", "Limits",
    "Memory", "Placement", "Policy", "ProcessClass", "ProcessLimit", "RateLimit", "Replay", "Simulation",
    "SpecError", "Stealing", "Step", "Workload",
]  # fmt: skip
